"""``python -m torch_gpt``."""

import sys

from torch_gpt.cli import main

sys.exit(main())
