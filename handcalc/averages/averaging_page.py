"""The page of ``handcalc.averaging``: four versions of one average, and where they are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from handcalc.arithmetic.expression import Constant, Index
from handcalc.arithmetic.writing import cell_label, format_number
from handcalc.averages.versions import (
    FRACTIONS,
    LOOP,
    SOFTMAX,
    TRIANGLE,
    fractions_step,
    loop_step,
    softmax_average_steps,
    triangle_steps,
)
from handcalc.formulas.step import AXES, Step, Weights, last_part
from handcalc.page.blocks import PAGE, PART, STEP, Block, Columns, Formula, Grid, Heading, Note, Paragraph
from handcalc.page.cells import axis_labels, calculation, cell_text, visible_text
from handcalc.page.layout import Table
from handcalc.page.stated_facts import write_digits, write_step_shape
from handcalc.page.tables import step_tables, weight_table
from handcalc.tracing.selection import Selection, indices_to_show
from handcalc.tracing.trace import Trace, extend

_FEW = 12
_HEAD_STEPS = ("q", "k", "scores", "scaled", "masked", "softmax.max", "softmax.exponentials", "softmax.sum", "weights")


def averaging_blocks(batch: Sequence[Trace], layer: int, head: int, *, full: bool) -> Iterator[Block]:
    """Yield the page's blocks for texts of equal length; version 4 is the attention of ``layer`` and ``head``."""
    x, attn, sizes = f"h.{layer}.ln_1.out", f"h.{layer}.attn", batch[0].plan.sizes
    versions = {
        LOOP: [loop_step(x)],
        TRIANGLE: list(triangle_steps(x, sizes)),
        FRACTIONS: [fractions_step(x, sizes)],
        SOFTMAX: list(softmax_average_steps(x, sizes)),
    }
    steps = [step for version in versions.values() for step in version]
    batch = [extend(trace, steps) for trace in batch]
    page = _Page(batch, Selection(head=head), full=full)
    yield from _opening_blocks(batch, x, attn, head)
    yield Note(page.shape_text(page.known[x]))
    yield from page.table_blocks(page.known[x])
    yield Heading("Version 1: a loop", PART)
    yield from page.step_blocks(versions[LOOP])
    yield Heading("Version 2: a product with a triangular matrix", PART)
    yield from page.step_blocks(versions[TRIANGLE])
    yield from _comparison_blocks(batch, "Version 1", f"{LOOP}.out", "Version 2", f"{TRIANGLE}.out")
    yield _rounding_paragraph(batch[0])
    yield from page.step_blocks(versions[FRACTIONS])
    yield from _comparison_blocks(batch, "Version 1", f"{LOOP}.out", "Version 2 with fractions", f"{FRACTIONS}.out")
    yield Heading("Version 3: a softmax of zeros, the future masked", PART)
    yield from page.step_blocks(versions[SOFTMAX])
    yield from _comparison_blocks(batch[:1], "Version 2", f"{TRIANGLE}.weights", "Version 3", f"{SOFTMAX}.weights")
    yield from _comparison_blocks(batch, "Version 2", f"{TRIANGLE}.out", "Version 3", f"{SOFTMAX}.out")
    yield Heading("Version 4: self-attention, its weights learned", PART)
    yield from _attention_blocks(batch, page, attn, head)


class _Page:
    """How the steps of a batch of texts are shown: which head, and how many of the cells are worked out."""

    def __init__(self, batch: Sequence[Trace], selection: Selection, *, full: bool) -> None:
        self._batch, self._selection, self._full = batch, selection, full
        self.known = {step.name: step for step in batch[0].plan.steps}

    def shape_text(self, step: Step) -> str:
        """Return the shape of a step's tensor, with the batch axis if it has one."""
        letters, sizes = [AXES[letter][0] for letter in step.axes], self._batch[0].plan.sizes.shape(step.axes)
        if len(self._of_texts(step)) > 1:
            letters, sizes = ["B", *letters], (len(self._batch), *sizes)
        return write_step_shape(", ".join(letters), sizes, 0)

    def step_blocks(self, steps: Iterable[Step], weights: Sequence[Weights] = ()) -> Iterator[Block]:
        """Yield each step: name, meaning, equation, the weights it uses, its numbers, and some of them worked out."""
        for step in steps:
            yield Heading(step.name, STEP)
            yield Paragraph(step.meaning)
            yield Formula(step.equation, step.section, (self.shape_text(step),))
            for used in weights:
                title = f"uses {used.name}, columns {used.start} to {(used.stop or 0) - 1}"
                yield Grid(title, weight_table(self._batch[0], used))
            yield from self.table_blocks(step)
            for text, trace in enumerate(self._of_texts(step)):
                for line in (line for index in self._chosen_indices(step) for line in calculation(trace, step, index)):
                    yield line._replace(place=self._in_batch(text, line.place, step))

    def head_step_blocks(self, name: str, head: int) -> Iterator[Block]:
        """Yield a step of the model itself, with the columns of the weights that this head uses."""
        step = self.known[name]
        size = self._batch[0].plan.sizes.d
        yield from self.step_blocks([step], [_head_columns(weights, head, size) for weights in step.weights])

    def table_blocks(self, step: Step) -> Iterator[Block]:
        """Yield the tables of a step's numbers, of each text."""
        texts = self._of_texts(step)
        for text, trace in enumerate(texts):
            owner = f"text {text}" if len(texts) > 1 else "every text, with the words of text 0"
            for title, table in step_tables(trace, step, self._selection):
                yield Grid(", ".join(filter(None, [owner if len(self._batch) > 1 else "", title])), table)

    def _of_texts(self, step: Step) -> Sequence[Trace]:
        """Return the traces whose numbers of a step are shown: one, if the step is the same for every text."""
        return self._batch[:1] if _is_same_for_all(step.name) else self._batch

    def _in_batch(self, text: int, index: Index, step: Step) -> Index:
        return (text, *index) if len(self._of_texts(step)) > 1 else index

    def _chosen_indices(self, step: Step) -> list[Index]:
        """Return the cells to work out: all of a few, the first channel's of many; constants are not worked out."""
        indices = list(indices_to_show(step, self._batch[0].plan.sizes, self._selection))
        indices = [index for index in indices if not isinstance(step.cell(*index), Constant)]
        if self._full or len(indices) <= _FEW:
            return indices
        return [index for index in indices if index[-1] == 0]


def _is_same_for_all(name: str) -> bool:
    """Return whether a step depends on no text: the weights of versions 2 and 3, but not what they average."""
    return name.startswith((TRIANGLE, SOFTMAX)) and not name.endswith(".out")


def _head_columns(weights: Weights, head: int, size: int) -> Weights:
    """Return one head's columns of a weight that contains those of all heads side by side."""
    start = weights.start + head * size
    return weights._replace(start=start, stop=start + size)


def _opening_blocks(batch: Sequence[Trace], x: str, attn: str, head: int) -> Iterator[Block]:
    trace = batch[0]
    texts = [f'"{visible_text(one, len(one.plan.tokens))}"' for one in batch]
    yield Heading("From an average to self-attention, by pocket calculator", PAGE)
    yield Paragraph(
        f"Each position of {texts[0]} should know about the earlier ones. The "
        "simplest way is to average: position t gets the mean of the vectors at positions 0 to t, and never one from "
        "the future. This page computes that average in three ways, as a loop, as a matrix product and with a softmax, "
        "and then with self-attention, which learns how much each position counts."
    )
    yield Paragraph(
        f"Each worked line is name[index] = arithmetic = result: exact except for one "
        f"{write_digits(trace.plan.digits)} (half to even), and the next line uses the number as printed. Rows are "
        "positions, and all counting starts at 0. The index letters: "
        + ", ".join(f"{letter} = {AXES[letter][1]}" for letter in "tcsdh")
        + "."
    )
    if len(batch) > 1:
        yield Paragraph(
            f"All of it is done for a batch of {len(batch)} texts: {', '.join(texts)}. A tensor that depends on the "
            "text therefore has one more axis in front, B = texts, and its worked lines begin with the text's number. "
            "The equations leave this index out, because no text sees another."
        )
    yield Paragraph(
        f"The numbers to be averaged are x = {x} of the model {trace.model}: the vectors that head {head} of {attn} "
        "reads. (How they are computed: python -m handcalc.trace.)"
    )


def _comparison_blocks(batch: Sequence[Trace], one: str, a: str, other: str, b: str) -> Iterator[Block]:
    """Yield the number of cells in which two tensors are equal, and the cells in which they differ."""
    what, count, rows = last_part(a), 0, list[list[str]]()
    for text, trace in enumerate(batch):
        cells, others = trace.numbers[a], trace.numbers[b]
        count += len(cells)
        for index in (index for index in cells if cells[index] != others[index]):
            label = cell_label(what, (text, *index) if len(batch) > 1 else index)
            rows.append([label, cell_text(trace, a, index), cell_text(trace, b, index)])
    if not rows:
        yield Paragraph(f"{one} and {other}, {what}: equal in all {count} cells, to the last digit.")
        return
    equal = count - len(rows)
    yield Paragraph(f"{one} and {other}, {what}: equal in {equal} of {count} cells, different in these:")
    yield Columns([["", one, other], *rows], headed=True)


def _rounding_paragraph(trace: Trace) -> Paragraph:
    """Return why versions 1 and 2 differ: the first weight that had to be rounded."""
    weights = trace.numbers[f"{TRIANGLE}.weights"]
    rounded = [count for count in range(1, trace.plan.sizes.t + 1) if weights[count - 1, 0] * count != 1]
    if not rounded:
        return Paragraph(
            "No weight had to be rounded here, so nothing differs; with three positions, 1/3 would be rounded."
        )
    count = rounded[0]
    return Paragraph(
        "Both are the same formula. They differ only where a weight had to be rounded before it was used: "
        f"1/{count} has no finite decimal expansion, and {format_number(weights[count - 1, 0])} is as much of it as "
        f"{trace.plan.digits} digits can show. The loop divides once, at the end, and rounds once. With the weights "
        "left as fractions, so does the product:"
    )


def _attention_blocks(batch: Sequence[Trace], page: _Page, attn: str, head: int) -> Iterator[Block]:
    yield Paragraph(
        "Now the scores are no longer all 0. Each position has a query and a key, both computed from x with weights "
        "that were learned in training; a score says how well a query matches a key. From there on, everything is as "
        f"in version 3. This is head {head} of {attn}; its columns of {attn}.c_attn.weight are printed with q, k and v."
    )
    for name in _HEAD_STEPS:
        yield from page.head_step_blocks(f"{attn}.{name}", head)
    for text, trace in enumerate(batch):
        yield from _weights_blocks(trace, f"{attn}.weights", head, f" of text {text}" if len(batch) > 1 else "")
    yield Paragraph("One more thing is learned: a position does not pass on x itself, but its value.")
    for name in ("v", "heads"):
        yield from page.head_step_blocks(f"{attn}.{name}", head)


def _weights_blocks(trace: Trace, weights: str, head: int, which: str) -> Iterator[Block]:
    time = trace.plan.sizes.t
    learned, equal = trace.numbers[weights], trace.numbers[f"{SOFTMAX}.weights"]
    same = [t for t in range(time) if all(learned[head, t, s] == equal[t, s] for s in range(t + 1))]
    yield Paragraph(
        f"Version 3 and Version 4, weights{which}: equal in {len(same)} of {time} rows "
        f"(t = {', '.join(map(str, same))}). "
        "Position 0 sees only itself, so its weight is 1 in every version. In every other row, version 3 gives equal "
        "shares, while here the scores decide; if all the scores of a row were equal, version 4 would equal version 3. "
        "The attention of the last position:"
    )
    last = time - 1
    rows = [[format_number(equal[last, s]), format_number(learned[head, last, s])] for s in range(time)]
    yield Grid("", Table(("s", ""), axis_labels(trace, "s", range(time)), ["Version 3", "Version 4"], rows))
