"""Measurements: each module here is a command, run from the repository's root; README.md has the figures.

What several commands share is in ``support``, what they compare us with in ``peers``, measurements on a GPU in ``gpu``.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gpt_data") is None:  # not installed, as on a rented GPU: the checkout is enough
    sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
