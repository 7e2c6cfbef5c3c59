"""The results: the answer that a page starts with; at its end the loss before and after, and how far float64 is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from gpt_data.wording import make_visible
from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Constant, Difference
from handcalc.arithmetic.notation import read_number
from handcalc.arithmetic.writing import format_number
from handcalc.formulas.attribution import LOGITS, Part, parts_of
from handcalc.formulas.step import UPDATED
from handcalc.page.blocks import INSET, PART, Block, Columns, Heading, Panels, Paragraph
from handcalc.page.cells import axis_labels, visible_text, visible_word
from handcalc.page.layout import align_left, align_points, align_right
from handcalc.page.phases import WHY
from handcalc.page.results import (
    Comparison,
    Distance,
    comparisons,
    gradient_distances,
    largest_difference,
    likeliest_words,
    next_word,
    probability_changes,
    update_distances,
)
from handcalc.page.stated_facts import write_changes
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config_checks import require_gpt

FLOAT64_DIGITS = 15
_LONGEST_CONTEXT = 34
_PLACES = ("1st", "2nd", "3rd", "4th", "5th")
_LARGEST = "The largest difference"


def answer_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield the likeliest words after each position, where the last prediction comes from, and the text's words."""
    last = positions[-1]
    word, probability = likeliest_words(trace, last, 1)[0]
    yield Heading("The next word", PART)
    yield Paragraph(
        f'After "{context_before(trace, last)}" the likeliest next word is "{visible_word(trace, word)}", with '
        f"probability {format_number(probability)}. The five likeliest after each position:"
    )
    yield ranking_panels(trace, positions, PROBABILITIES)
    yield from _why_blocks(trace)
    came = [(position, following) for position in positions if (following := next_word(trace, position)) is not None]
    if came:
        yield Paragraph("The probability of each word of the text itself, given the words before it:")
        yield Columns([_probability_row(trace, *one) for one in came], headed=False)


def _why_blocks(trace: Trace) -> Iterator[Block]:
    """Yield the table of what each part of the model adds to the logits of the two likeliest words."""
    if trace.why is None:
        return
    words = [visible_word(trace, word) for word in trace.why.words]
    yield Heading(f"Why {' and not '.join(words)}", INSET)
    yield Paragraph(
        "A word's probability grows with its logit. The logit is a sum, and this is what each part of the model adds "
        f'to it after "{context_before(trace, trace.why.position)}". The steps under "{WHY}" work it out.'
    )
    rows = why_rows(trace)
    header = [*words, *["difference"] * (len(words) == 2)]
    columns = [[title, *(format_number(row.values[place]) for row in rows)] for place, title in enumerate(header)]
    labels = ["", *(row.title for row in rows)]
    panels = [align_right([title, *align_points(numbers)]) for title, *numbers in columns]
    yield Panels(labels, panels, [list(row) for row in zip(labels, *columns, strict=True)])


class WhyRow(NamedTuple):
    """What a part of the model adds to the logit of each word; of two words, also the first minus the second."""

    title: str
    name: str
    head: int | None
    values: list[Decimal]


def why_rows(trace: Trace) -> list[WhyRow]:
    """Return a row for each part, then one for their sum and one for the logit; nothing without an attribution."""
    if trace.why is None:
        return []
    parts = parts_of(require_gpt(trace.plan.config))
    parts += [Part(LOGITS, None, "sum of all parts"), Part("logits", None, "the logit itself")]
    calculator, position = Calculator(trace.plan.digits), trace.why.position
    rows = []
    for part in parts:
        cells = trace.numbers[part.name]
        before = () if part.head is None else (part.head,)
        values = [
            cells[(*before, position, word)] if (*before, position, word) in cells else cells[(word,)]
            for word in trace.why.words
        ]
        difference = Difference(tuple(map(Constant, values)))
        rows.append(
            WhyRow(
                part.title,
                part.name,
                part.head,
                [*values, *([calculator.evaluate(difference, {})] if len(values) == 2 else [])],
            )
        )
    return rows


def ranking_panels(trace: Trace, positions: Sequence[int], step: str) -> Panels:
    """Return the five likeliest words after each position by the probabilities of ``step``."""
    ranked = [likeliest_words(trace, position, step=step) for position in positions]
    places = list(_PLACES[: len(ranked[0])])
    titles = [context_before(trace, position) for position in positions]
    words = [[visible_word(trace, word) for word, _ in row] for row in ranked]
    numbers = [[format_number(probability) for _, probability in row] for row in ranked]
    panels = [
        [title, *map("  ".join, zip(align_left(names), align_points(row), strict=True))]
        for title, names, row in zip(titles, words, numbers, strict=True)
    ]
    plain = [
        [f"{word} {number}" for word, number in zip(*pair, strict=True)] for pair in zip(words, numbers, strict=True)
    ]
    return Panels(["after", *places], panels, [["after", *titles], *zip(places, *plain, strict=True)])


def _probability_row(trace: Trace, position: int, word: int) -> list[str]:
    name = f"P({visible_word(trace, word)} | {context_before(trace, position)})"
    exact = round_float(trace, trace.float64[position][word])
    return [name, f"= {format_number(trace.numbers[PROBABILITIES][position, word])}", f"(in float64 {exact})"]


def round_float(trace: Trace, value: float) -> str:
    """Return a float64 with as many digits as the trace has, if float64 has them."""
    return format_number(Calculator(min(trace.plan.digits, FLOAT64_DIGITS)).round(Decimal(value)))


def context_before(trace: Trace, position: int) -> str:
    """Return the text up to a position, without its beginning if it is long."""
    text = visible_text(trace, position + 1)
    return text if len(text) <= _LONGEST_CONTEXT else f"…{text[1 - _LONGEST_CONTEXT :]}"


# After the steps


def closing_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks after the last step."""
    if trace.plan.optimizer is not None:
        yield from _after_update_blocks(trace, positions)
    yield from _float64_blocks(trace, positions)
    yield from _training_float64_blocks(trace)
    yield from _change_blocks(trace, positions)


_TOO_FAR = (
    " The step was too large: a gradient is only valid for tiny changes. Try a smaller --learning_rate and see whether "
    "the loss falls."
)


def _after_update_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield probability and loss of each word that came next, with the old and the new weights, and a new ranking."""
    yield Heading("Before and after the update", PART)
    before, after = trace.numbers["loss"][()], trace.numbers[f"{UPDATED}.loss"][()]
    verdict = "fell" if after < before else "rose" if after > before else "stayed the same"
    yield Paragraph(
        f"With the new weights the loss {verdict}: from {format_number(before)} to {format_number(after)}."
        + _TOO_FAR * (after > before)
    )
    header = ["after", "next word", "probability before", "after", "loss before", "after"]
    yield Columns([header, *(_prediction_row(trace, position) for position in positions)], headed=True)
    yield Paragraph("The five likeliest words after each position, with the new weights:")
    yield ranking_panels(trace, positions, f"{UPDATED}.{PROBABILITIES}")


def _prediction_row(trace: Trace, position: int) -> list[str]:
    target = trace.plan.targets[position]
    places = ((PROBABILITIES, (position, target)), ("losses", (position,)))
    numbers = [trace.numbers[prefix + name][index] for name, index in places for prefix in ("", f"{UPDATED}.")]
    return [context_before(trace, position), visible_word(trace, target), *map(format_number, numbers)]


def _float64_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield each probability as calculated here and as computed by numpy_gpt, and the largest difference."""
    yield Heading("How far from float64", PART)
    yield Paragraph(
        f"The same probabilities computed by numpy_gpt in float64 (about 16 digits) instead of {trace.plan.digits} "
        "digits, and how far the calculator's are above (+) or below (-) them:"
    )
    words = [make_visible(word) for word in trace.vocabulary]
    compared = [comparisons(trace, position) for position in positions]
    titles = [f"after {label}" for label in axis_labels(trace, "t", positions)]
    parts = [_comparison_columns(trace, column) for column in compared]
    header = ["next word", *(f"{title}: {name}" for title, part in zip(titles, parts, strict=True) for name, _ in part)]
    yield Panels(
        ["", "next word", *words],
        [_panel(title, part) for title, part in zip(titles, parts, strict=True)],
        [header, *zip(words, *(numbers for part in parts for _, numbers in part), strict=True)],
    )
    farthest = largest_difference([one for column in compared for one in column])
    yield Paragraph(
        f"{_LARGEST} is {abs(farthest.difference):.1e}, {name_probability(trace, farthest.position, farthest.word)}."
    )


def read_float64(lines: Sequence[str]) -> dict[int, list[Decimal | None]]:
    """Return the column of each position that has float64's probabilities; None for what is not a number."""
    start = next((place for place, line in enumerate(lines) if "How far from float64" in line), len(lines))
    columns: dict[int, list[Decimal | None]] = {}
    count = 0  # of the positions side by side
    for line in lines[start + 1 :]:
        if line.startswith(_LARGEST):
            break
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else line.split()
        if "next" in line and "diff" in line:
            count = sum(cell.endswith("diff") for cell in cells)
            first = len(columns)
            columns |= {first + place: [] for place in range(count)}
        elif count and len(cells) > 3 * count and ":--" not in cells:
            for place, cell in enumerate(cells[-3 * count :][1::3]):
                columns[first + place].append(_decimal(cell))
    return columns


def _decimal(text: str) -> Decimal | None:
    try:
        number = read_number(text)
    except ValueError:
        return None
    return None if number is None else number.value


def name_probability(trace: Trace, position: int, word: int) -> str:
    """Return which probability has the largest difference."""
    return f'for "{visible_word(trace, word)}" after "{context_before(trace, position)}"'


def read_largest_difference(lines: Sequence[str]) -> str:
    """Return the sentence that says which probability has the largest difference; empty if there is none."""
    start = next((place for place, line in enumerate(lines) if line.startswith(_LARGEST)), len(lines))
    end = next((place for place in range(start, len(lines)) if not lines[place].strip()), len(lines))
    return " ".join(" ".join(lines[start:end]).split())


def _comparison_columns(trace: Trace, column: list[Comparison]) -> list[tuple[str, list[str]]]:
    """Return three columns with their headers: as calculated, in float64 (as many digits as it has), the difference."""
    return [
        (f"{trace.plan.digits} digits", align_points([format_number(one.calculator) for one in column])),
        ("float64", align_points([round_float(trace, one.float64) for one in column])),
        ("diff", [f"{one.difference:+.0e}" if one.difference else "0" for one in column]),
    ]


def _panel(title: str, parts: list[tuple[str, list[str]]]) -> list[str]:
    """Return the columns as lines below one title."""
    columns = [align_right([header, *numbers]) for header, numbers in parts]
    lines = [" ".join(row) for row in zip(*columns, strict=True)]
    return [f"{title:^{len(lines[0])}}", *lines]


def _training_float64_blocks(trace: Trace) -> Iterator[Block]:
    """Yield the loss, and the largest differences from float64 in each parameter's gradient and new values."""
    exact = trace.training
    if exact is None:
        return
    before = format_number(trace.numbers["loss"][()])
    losses = f"The loss is {before} here and {round_float(trace, exact.loss)} in float64."
    if exact.updated_loss is not None:
        after = format_number(trace.numbers[f"{UPDATED}.loss"][()])
        losses += f" After the update it is {after} here and {round_float(trace, exact.updated_loss)} in float64."
    yield Paragraph(f"{losses} For each parameter's gradient, its largest number and the largest difference:")
    yield _distance_columns(gradient_distances(trace))
    if exact.updated is not None:
        yield Paragraph(
            "The same for the new weights. Where a gradient is so close to 0 that rounding decides its sign, AdamW's "
            "first step goes the opposite way, and the weight is off by twice the learning rate:"
        )
        yield _distance_columns(update_distances(trace))


def _distance_columns(distances: list[Distance]) -> Columns:
    rows = [[one.name, f"{one.largest:.2g}", f"{one.difference:.2g}"] for one in distances]
    return Columns([["name", "largest number", "largest difference"], *rows], headed=True)


def _change_blocks(trace: Trace, positions: Sequence[int]) -> Iterator[Block]:
    """Yield how a change of weights changed the probabilities of the likeliest words and of the text's own."""
    if trace.unchanged is None:
        return
    yield Heading("Before and after the change", PART)
    yield Paragraph(f"{write_changes(trace.changes)} Probabilities with the old weights → with the new ones:")
    yield Columns(
        [
            [
                f"P({visible_word(trace, change.word)} | {context_before(trace, change.position)})",
                f"{format_number(change.before)} → {format_number(change.after)}",
            ]
            for position in positions
            for change in probability_changes(trace, position)
        ],
        headed=False,
    )
