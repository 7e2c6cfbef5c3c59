"""``python -m numpy_gpt``."""

import sys

from numpy_gpt.cli import main

sys.exit(main())
