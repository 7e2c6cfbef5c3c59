"""The page of ``handcalc.averaging``: four versions of one average, and where they are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from handcalc.arithmetic.calculator import Calculator
from handcalc.arithmetic.expression import Constant, Index, Masked
from handcalc.arithmetic.number_format import format_number
from handcalc.averages.steps import (
    FRACTIONS,
    LOOP,
    SOFTMAX,
    TRIANGLE,
    fractions_step,
    loop_step,
    softmax_average_steps,
    triangle_steps,
)
from handcalc.page.labels import axis_labels, visible_text
from handcalc.page.layout import INDENT, Table, left_columns, prose, table_lines
from handcalc.page.tables import step_tables, weight_table
from handcalc.tracing.selection import Selection, shown_indices
from handcalc.tracing.steps import AXES, Step, Weights, last_part
from handcalc.tracing.worked import cell_lines, cell_text
from handcalc.tracing.working import Trace
from handcalc.verification.worked_line import label_of

_FEW = 12
_HEAD_STEPS = ("q", "k", "scores", "scaled", "masked", "softmax.max", "softmax.exponentials", "softmax.sum", "weights")


def averaging_lines(trace: Trace, layer: int, head: int, *, full: bool) -> Iterator[str]:
    """Yield the page's lines; ``trace`` is the text worked out, ``layer`` and ``head`` choose version 4's attention."""
    x, attn = f"h.{layer}.ln_1.out", f"h.{layer}.attn"
    versions = {
        LOOP: [loop_step(x)],
        TRIANGLE: list(triangle_steps(x, trace.sizes)),
        FRACTIONS: [fractions_step(x, trace.sizes)],
        SOFTMAX: list(softmax_average_steps(x, trace.sizes)),
    }
    trace = _worked_out(trace, [step for steps in versions.values() for step in steps])
    page = _Page(trace, Selection(head=head), full=full)
    yield from _opening(trace, x, attn, head)
    yield from page.table_of(x)
    yield from _titled("Version 1: a loop")
    yield from page.steps(versions[LOOP])
    yield from _titled("Version 2: a product with a triangular matrix")
    yield from page.steps(versions[TRIANGLE])
    yield from _compared(trace, "Version 1", f"{LOOP}.out", "Version 2", f"{TRIANGLE}.out")
    yield from _why_they_differ(trace)
    yield from page.steps(versions[FRACTIONS])
    yield from _compared(trace, "Version 1", f"{LOOP}.out", "Version 2 with fractions", f"{FRACTIONS}.out")
    yield from _titled("Version 3: a softmax of zeros, the future masked")
    yield from page.steps(versions[SOFTMAX])
    yield from _compared(trace, "Version 2", f"{TRIANGLE}.weights", "Version 3", f"{SOFTMAX}.weights")
    yield from _compared(trace, "Version 2", f"{TRIANGLE}.out", "Version 3", f"{SOFTMAX}.out")
    yield from _titled("Version 4: self-attention, its weights learned")
    yield from _attention_lines(trace, page, attn, head)


def _worked_out(trace: Trace, steps: list[Step]) -> Trace:
    """Return the trace with these steps worked out on its page too."""
    calculator, page, masked = Calculator(trace.digits), dict(trace.page), set(trace.masked)
    for step in steps:
        values = page[step.name] = {}
        for index in trace.sizes.indices(step.axes):
            expression = step.cell(*index)
            values[index] = calculator.evaluate(expression, page)
            if isinstance(expression, Masked):
                masked.add((step.name, index))
    return trace._replace(page=page, masked=frozenset(masked))


class _Page:
    """How steps are shown: which head, and how many of their cells are worked out."""

    def __init__(self, trace: Trace, selection: Selection, *, full: bool) -> None:
        self._trace, self._selection, self._full = trace, selection, full
        self._known = {step.name: step for step in trace.steps}

    def steps(self, steps: Iterable[Step], weights: Sequence[Weights] = ()) -> Iterator[str]:
        """Yield each step: its name, what it is, the weights it uses, its numbers, some or all of them worked out."""
        for step in steps:
            yield step.name
            yield from prose(step.meaning)
            yield ""
            section = f"   ({step.section})" if step.section else ""
            yield from prose(f"{step.equation}{section}", indent=INDENT)
            yield ""
            for used in weights:
                yield f"{INDENT}uses {used.name}, columns {used.start} to {(used.stop or 0) - 1}"
                yield from (*table_lines(weight_table(self._trace, used)), "")
            yield from self.table_of(step)
            worked = [line for index in self._worked(step) for line in cell_lines(self._trace, step, index)]
            yield from [*worked, ""] if worked else []

    def head_step(self, name: str, head: int) -> Iterator[str]:
        """Yield a step of the model itself; before it stand the columns of the weights that this head uses."""
        step = self._known[name]
        yield from self.steps([step], [_columns(weights, head, self._trace.sizes.d) for weights in step.weights])

    def table_of(self, step: Step | str) -> Iterator[str]:
        """Yield the tables of a step's numbers, each with an empty line after it."""
        step = self._known[step] if isinstance(step, str) else step
        for title, table in step_tables(self._trace, step, self._selection):
            yield from [INDENT + title] if title else []
            yield from table_lines(table)
            yield ""

    def _worked(self, step: Step) -> list[Index]:
        """Return the cells to work out: of a few all, of many those of the first channel; a given number is none."""
        indices = list(shown_indices(step, self._trace.sizes, self._selection))
        indices = [index for index in indices if not isinstance(step.cell(*index), Constant)]
        if self._full or len(indices) <= _FEW:
            return indices
        return [index for index in indices if index[-1] == 0]


def _columns(weights: Weights, head: int, size: int) -> Weights:
    """Return the columns that one head has of a weight that holds those of all heads side by side."""
    start = weights.start + head * size
    return weights._replace(start=start, stop=start + size)


def _titled(title: str) -> Iterator[str]:
    yield from ("", title, "-" * len(title), "")


def _opening(trace: Trace, x: str, attn: str, head: int) -> Iterator[str]:
    title = "From an average to self-attention, by pocket calculator"
    yield from (title, "=" * len(title), "")
    yield from prose(
        f'Each position of "{visible_text(trace, len(trace.tokens))}" shall know of those before it. The simplest way '
        "is to average: position t gets the mean of the vectors at positions 0 to t, and never one from the future. "
        "Here is that average three times, as a loop, as a product of matrices and with a softmax, and then what "
        "self-attention makes of it, which learns how much each position counts."
    )
    yield ""
    yield from prose(
        "Each worked line is name[index] = arithmetic = result: exact, but for one rounding to "
        f"{trace.digits} significant {'digit' if trace.digits == 1 else 'digits'} (half to even), and what is printed "
        "is what the next line goes on with. Rows are positions, counted from 0: "
        + ", ".join(f"{letter} = {AXES[letter][1]}" for letter in "tcsdh")
        + "."
    )
    yield ""
    yield from prose(
        f"The numbers to be averaged are x = {x} of the model {trace.model}: the vectors that head {head} of {attn} "
        f"reads. (How they come about: python -m handcalc.trace.)"
    )
    yield ""


def _compared(trace: Trace, one: str, a: str, other: str, b: str) -> Iterator[str]:
    """Yield in how many cells two tensors are equal, and where they are not."""
    cells, others, what = trace.page[a], trace.page[b], last_part(a)
    differing = [index for index in cells if cells[index] != others[index]]
    if not differing:
        yield from prose(f"{one} against {other}, {what}: equal in all {len(cells)} cells, to the last digit.")
        yield ""
        return
    equal = len(cells) - len(differing)
    yield from prose(f"{one} against {other}, {what}: equal in {equal} of {len(cells)} cells, different in these:")
    yield ""
    rows = [[label_of(what, index), cell_text(trace, a, index), cell_text(trace, b, index)] for index in differing]
    yield from (INDENT + line for line in left_columns([["", one, other], *rows]))
    yield ""


def _why_they_differ(trace: Trace) -> Iterator[str]:
    time, digits = trace.sizes.t, trace.digits
    rounded = [count for count in range(1, time + 1) if trace.page[f"{TRIANGLE}.weights"][count - 1, 0] * count != 1]
    if not rounded:
        yield from prose("No weight had to be rounded here, so nothing differs; with three positions 1/3 would be.")
    else:
        count = rounded[0]
        weight = format_number(trace.page[f"{TRIANGLE}.weights"][count - 1, 0])
        yield from prose(
            "Both are the same formula. They part only where a weight had to be rounded before it was used: "
            f"1/{count} has no end as a decimal number, and {weight} is all of it that {digits} digits can hold. The "
            "loop divides once, at the end, and rounds once. With the weights left as fractions the product does too:"
        )
    yield ""


def _attention_lines(trace: Trace, page: _Page, attn: str, head: int) -> Iterator[str]:
    yield from prose(
        "Now the scores are no longer all 0. Each position asks with a query and is found by its key, both made of x "
        "by weights that were learned in training; a score says how well the two fit. From there on it is version 3. "
        f"This is head {head} of {attn}; its columns of {attn}.c_attn.weight stand with q, k and v."
    )
    yield ""
    for name in _HEAD_STEPS:
        yield from page.head_step(f"{attn}.{name}", head)
    yield from _weights_compared(trace, f"{attn}.weights", head)
    yield from prose("And one thing more is learned: what a position hands over is not x itself, but its value.")
    yield ""
    for name in ("v", "heads"):
        yield from page.head_step(f"{attn}.{name}", head)


def _weights_compared(trace: Trace, weights: str, head: int) -> Iterator[str]:
    time = trace.sizes.t
    learned, equal = trace.page[weights], trace.page[f"{SOFTMAX}.weights"]
    same = [t for t in range(time) if all(learned[head, t, s] == equal[t, s] for s in range(t + 1))]
    yield from prose(
        f"Version 3 against Version 4, weights: equal in {len(same)} of {time} rows "
        f"(t = {', '.join(map(str, same))}). Position 0 sees nothing but itself, so its weight is 1 in every version. "
        "In every other row version 3 gives equal shares, and here the scores decide; were all scores of a row equal, "
        "version 4 would be version 3. This is how the last position shares its attention:"
    )
    yield ""
    last = time - 1
    labels = axis_labels(trace, "s", range(time))
    rows = [[format_number(equal[last, s]), format_number(learned[head, last, s])] for s in range(time)]
    yield from table_lines(Table(("s", ""), labels, ["Version 3", "Version 4"], rows))
    yield ""
