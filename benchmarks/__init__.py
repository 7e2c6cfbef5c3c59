"""Measurements, each one command that is run from the repository's root; figures are in README.md beside this file."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gpt_data") is None:  # not installed, as on a borrowed card: the checkout itself will do
    sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
