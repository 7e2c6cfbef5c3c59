"""The report of ``heads --ablate``: how much the loss rises without each head, attention layer and MLP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gpt_data.terminal import Style
from numpy_gpt.shared.attention.ablation import Replacement
from numpy_gpt.shared.attention.bootstrap import LEVEL
from numpy_gpt.shared.attention.importance import Importance, Rise
from numpy_gpt.shared.cli.tables import Column, table_lines

_REPLACED = {
    "mean": "replaced by its mean over the text: what it adds to every token stays, what it knows of each is gone",
    "zero": "replaced by zero",
}


def importance_paragraphs(found: Sequence[Importance], replacement: Replacement) -> Iterator[str]:
    """Yield a sentence for each group of tokens: the head whose absence raises their loss the most."""
    yield f"Does it matter? Each part is {_REPLACED[replacement]}. Without it the loss rises, in nats per token:"
    for group in found:
        if group.largest is None:
            yield f"{group.title}, loss {group.loss:.3f}: no head whose absence certainly raises it"
        else:
            part, rise, _ = group.largest
            yield (
                f"{group.title}, loss {group.loss:.3f}: {rise:+.3f} ({_interval(group.largest)}) without {part.title}, "
                "the most of these heads"
            )


def importance_tables(found: Sequence[Importance], style: Style) -> Iterator[list[str]]:
    """Yield a table for each group of tokens, as lines."""
    for group in found:
        columns = [Column("without", "left"), Column("rise", "point"), Column(f"{LEVEL:.0%} interval")]
        rows = [(rise.part.title, f"{rise.rise:+.4f}", _interval(rise)) for rise in group.rises]
        yield [
            style("heading", f"{group.title}: {group.tokens:,}, loss {group.loss:.4f}"),
            "",
            *table_lines(columns, rows, style),
        ]


IMPORTANCE_EXPLANATION = (
    "all tokens: every next token of the text. The other groups are the next tokens that are the later word of a "
    "relation, so that the rise at verbs says whether the verb is predicted worse, in number or at all. interval: by "
    "bootstrap over the same windows, for each figure by itself: of many figures, some exclude 0 by luck."
)


def importance_records(found: Sequence[Importance]) -> list[dict[str, Any]]:
    """Return the groups of tokens as plain values."""
    return [
        {
            "tokens": group.name,
            "title": group.title,
            "count": group.tokens,
            "loss": group.loss,
            "rises": [
                {"part": rise.part._asdict(), "rise": rise.rise, "interval": rise.interval} for rise in group.rises
            ],
        }
        for group in found
    ]


def _interval(rise: Rise) -> str:
    return f"{rise.interval[0]:+.4f}..{rise.interval[1]:+.4f}"
