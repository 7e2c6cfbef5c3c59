"""The library door: a text worked out with a model's weights, as an object that programs and notebooks can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpt_data.checks import whole_number
from gpt_data.errors import UserError
from gpt_data.wording import count_of, describe, short_repr
from handcalc.page.blocks import PAGE, Block, Calculation, Heading
from handcalc.page.cells import keep_worked_out
from handcalc.page.closing import answer_blocks, closing_blocks
from handcalc.page.html_blocks import block_html
from handcalc.page.opening import short_opening
from handcalc.page.stated_facts import write_title
from handcalc.page.trace_page import page_blocks
from handcalc.tracing.plan import plan_text
from handcalc.tracing.selection import EVERYTHING, Selection, choose_cells, split_items, steps_to_show
from handcalc.tracing.size import check_size, size_of
from handcalc.tracing.trace import Trace, trace_model
from numpy_gpt.shared.html_table import html_code, html_details
from numpy_gpt.shared.model.argument_checks import check_number
from numpy_gpt.shared.runs.checkpoint import Checkpoint


class WorkedLines(tuple[Calculation, ...]):
    """Worked lines, ``name[index] = arithmetic = value``; ``print`` shows them in full."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def __repr__(self) -> str:
        more = f", first {self[0]}" if self else ""
        return short_repr(f"{count_of(len(self), 'worked line')}{more}")

    def _repr_html_(self) -> str:
        return html_code(map(str, self))


class TracedText(Trace):
    """A trace that shows itself; everything it has is described in ``Trace``."""

    __slots__ = ()

    def lines(self, *only: str) -> WorkedLines:
        """Return the worked lines of steps, by name or pattern, or of single cells: ``lines("attn.scores[0,1,0]")``.

        Of a step without an index one cell is worked out, as on the page; without any name, one of every step.

        Raises
        ------
        UserError
            If a name matches no step, or its step has no such cell.
        """
        if wrong := [item for item in only if not isinstance(item, str)]:
            raise UserError(f"the name of a step must be a string, not {describe(wrong[0])}")
        items = tuple(item for group in only for item in split_items(group))
        if only and not items:
            raise UserError(f"give the name of a step, such as {self.plan.steps[-1].name!r}, not {describe(only[0])}")
        selection = choose_cells(Selection(items, is_typed=False), self.plan.page_steps, self.plan.sizes)
        blocks = page_blocks(self, keep_worked_out(self, selection), full=False)
        return WorkedLines(block for block in blocks if isinstance(block, Calculation))

    def _repr_html_(self) -> str:
        steps = steps_to_show(self.plan.page_steps, EVERYTHING, full=False)
        worked = f"{count_of(len(steps), 'step')}, one number of each worked out"
        return block_html(_answer(self)) + html_details(worked, block_html(self.lines()))


def trace_text(
    model: Checkpoint,
    name: str,
    text: str,
    tokens: Sequence[int],
    *,
    backward: bool = False,
    update: bool = False,
    learning_rate: float | None = None,
    digits: int = 4,
) -> TracedText:
    """Return a text of these ids worked out with a model's weights.

    ``backward`` continues to the loss and all gradients, ``update`` also to the new weights, with this learning rate or
    the last one of the model's training.

    Raises
    ------
    UserError
        If the text is too long, the trace would be too large, or an option is out of range.
    """
    digits = whole_number("digits", digits, 1)
    if learning_rate is not None:
        learning_rate = check_number("learning_rate", learning_rate)
        if not update:
            raise UserError("learning_rate is the rate of an update: add update=True")
    plan = plan_text(
        model.config,
        model.recipe,
        tuple(tokens),
        backward=backward,
        update=update,
        learning_rate=learning_rate,
        digits=digits,
    )
    check_size(size_of(plan, EVERYTHING, full=False), plan.config)
    return TracedText(*trace_model(model, name, text, plan))


def _answer(trace: Trace) -> Iterator[Block]:
    """Yield what the page says before and after its steps, without how to read it."""
    positions = range(trace.plan.sizes.t)
    yield Heading(write_title(trace.plan.config), PAGE)
    yield from short_opening(trace, steps_to_show(trace.plan.page_steps, EVERYTHING, full=False))
    yield from answer_blocks(trace, positions)
    yield from closing_blocks(trace, positions)
