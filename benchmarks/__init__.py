"""Measurements: each module here is a command, run from the repository's root; README.md has the figures.

``support`` has the code that commands share, ``peers`` what they compare us with, ``gpu`` measurements on a GPU.
"""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gpt_data") is None:  # not installed, as on a rented GPU: the checkout is enough
    sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
