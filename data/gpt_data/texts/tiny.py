"""The tiny corpus: eight phrases, drawn 200 times; 4,752 characters in all, the same on every machine."""

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
    """Return the phrases as they stand in the text: lower-cased."""
    return tuple(phrase.lower() for phrase in PHRASES)


def tiny_text() -> str:
    """Return 200 phrases drawn uniformly and independently, each followed by one space, lower-cased.

    The draws are those of ``random.seed(42)`` and ``random.choice``; a generator of its own leaves the global
    one alone.
    """
    generator = Random(SEED)
    return "".join(f"{generator.choice(PHRASES)} " for _ in range(DRAWS)).lower()
