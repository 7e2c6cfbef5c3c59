"""The words around a map, the same in each form: its heading, how it is read, and names of tokens that fit."""

from __future__ import annotations

from gpt_data.wording import quote
from numpy_gpt.shared.attention.maps import AttentionMaps

HOW_TO_READ = (
    "Each row is a token that attends, each column a token that it attends to; the weights of a row add up to 1. "
    "A later token gets exactly 0"
)


def heading_of(maps: AttentionMaps) -> str:
    """Return what is seen."""
    return f"Attention in {quote(maps.text)}"


def source_of(maps: AttentionMaps) -> str:
    """Return the model, and which part of a longer text this is."""
    return f"{maps.model}; {maps.note}" if maps.note else maps.model


def shorten(word: str, limit: int) -> str:
    """Return a word of at most ``limit`` characters: the end of a longer one is cut off, which … shows."""
    return word if len(word) <= limit else f"{word[: limit - 1]}…"


def number_text(weight: float) -> str:
    """Return a weight in at most three characters: two decimals without the 0 before them, 1.0, and 0 for 0.00."""
    text = f"{weight:.2f}"
    return {"0.00": "0", "1.00": "1.0"}.get(text, text.removeprefix("0"))
