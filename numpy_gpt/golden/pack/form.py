"""How a pack is written: what the flags of ``golden pack`` choose; nothing else, so that the program starts fast."""

from __future__ import annotations

from typing import NamedTuple

LEVELS = ("all", "blocks", "ends")
"""How much a pack contains: every array; what the blocks hand to each other; or what llm.c's own file has."""
LAYOUTS = ("ours", "torch", "llm.c")
"""How it stores matrices: see layouts.py."""
DTYPES = ("float32", "float64")
"""What it stores numbers as."""
SHIPPED_PACKS = ("gpt2", "microgpt")
"""The packs that are installed with the package: directories in numpy_gpt/golden/packs."""
MOST_STEPS = 1000
STEPS, SEED = 3, 270
"""With this seed the default case has the properties that its tests state; with others, most of them."""


class Form(NamedTuple):
    """One of ``LEVELS``, of ``LAYOUTS`` and of ``DTYPES``."""

    level: str = LEVELS[0]
    layout: str = LAYOUTS[0]
    dtype: str = DTYPES[0]
