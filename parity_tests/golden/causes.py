"""Which of the checker's causes are right for which planted bug: patterns of its ids, written after both were there."""

CAUSES: dict[str, tuple[str, ...]] = {}
