"""The corpus ``tiny``: 200 draws from eight phrases, 4,752 characters, the same on every machine."""

from __future__ import annotations

from random import Random

PHRASES = (
    "hello world",
    "to be or not to be",
    "once upon a time",
    "machine learning is fun",
    "artificial intelligence rocks",
    "neural networks learn patterns",
    "transformers are amazing models",
    "I love GPT by hand project",
)
DRAWS = 200
SEED = 42


def tiny_phrases() -> tuple[str, ...]:
    """Return the phrases as they appear in the text: in lower case."""
    return tuple(phrase.lower() for phrase in PHRASES)


def tiny_text() -> str:
    """Return 200 phrases drawn uniformly and independently, each followed by one space, in lower case.

    The draws are those of ``random.seed(42)`` and ``random.choice``; a separate generator leaves the global one
    unchanged.
    """
    generator = Random(SEED)
    return "".join(f"{generator.choice(PHRASES)} " for _ in range(DRAWS)).lower()
