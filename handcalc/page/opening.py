"""The first screen: what the reader is about to see, how to read a worked line, and the tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpt_data.wording import make_visible
from handcalc.arithmetic.number_format import format_number
from handcalc.page.blocks import INSET, PAGE, Block, Columns, Heading, Paragraph
from handcalc.page.labels import visible_text, visible_word
from handcalc.tracing.selection import Selection
from handcalc.tracing.steps import AGAIN, AXES, BACKWARD, FORWARD, UPDATE, Step, last_part
from handcalc.tracing.worked import worked_block, worked_index
from handcalc.tracing.working import Trace
from numpy_gpt.shared.model.names import parameter_count


def opening_blocks(trace: Trace, selection: Selection, chosen: Sequence[Step], *, full: bool) -> Iterator[Block]:
    """Yield the first screen: it speaks of what the trace holds, and of what of it is shown."""
    yield Paragraph(f"{_what(trace)} {_how_much(trace, chosen, selection, full=full)}")
    yield _model_paragraph(trace)
    yield from _reading_blocks(trace)
    yield from _letter_blocks(trace)
    yield from _token_blocks(trace)


def _what(trace: Trace) -> str:
    words = f'"{visible_text(trace, len(trace.tokens))}"'
    if not trace.targets:
        return (
            f"A trained GPT reads {words} and says, after each of its words, which word is likely to come next. Here "
            "is everything it computes to get there:"
        )
    asked = f'only asked for, not read: "{visible_word(trace, trace.targets[-1])}"'
    learned = (
        f"A trained GPT reads {words} and is asked, after each of these words, which word comes next; the last word of "
        f"the text is {asked}. Here is everything that it computes to learn from that. Forward: what it makes of each "
        "word, as without --backward, down to one number, the loss, which says how surprised it was. Backward: for "
        "each of these numbers and for each weight, how the loss would change with it."
    )
    if trace.optimizer is None:
        return f"{learned} That takes"
    return (
        f"{learned} Update: each weight is moved a little so that the loss falls. And forward again, with the new "
        "weights, to see it fall. That takes"
    )


def _how_much(trace: Trace, chosen: Sequence[Step], selection: Selection, *, full: bool) -> str:
    steps, shown = len(trace.steps), len(chosen)
    cells = sum(len(trace.page[step.name]) for step in trace.steps)
    text = (
        f"{cells:,} numbers in {steps} steps. Each step has a name, a sentence on what it is, its equation, all its "
        "numbers, and one of them worked out (with --full, each of them)."
    )
    if trace.optimizer is not None and not full and not selection.narrows_steps:
        again = sum(step.phase == AGAIN for step in trace.steps)
        return f"{text} Of the second forward pass, {again} steps, only the results are shown (with --full, all of it)."
    return text + (f" You asked for {shown} of the {steps} steps." if shown < steps else "")


def _model_paragraph(trace: Trace) -> Paragraph:
    config, sizes = trace.config, trace.sizes
    space = " (the space is one)" if " " in trace.vocabulary else ""
    return Paragraph(
        f"The model: {trace.model}. It has {parameter_count(config):,} weights: {_counted(config.n_layer, 'layer')} of "
        f"{_counted(config.n_head, 'attention head')}, width {sizes.c}, {_counted(sizes.d, 'channel')} for each head, "
        f"{_counted(sizes.f, 'hidden unit')}, a vocabulary of {_counted(sizes.v, 'word')}{space}, and a "
        f"view of {_counted(config.block_size, 'token')}. Its weights are printed where they are first used, rounded "
        "like every other number."
    )


def _reading_blocks(trace: Trace) -> Iterator[Block]:
    example = _example(trace, "attn.scaled", FORWARD)
    index = worked_index(trace, example, Selection())
    places = ", ".join(f"{letter} = {place}" for letter, place in zip(example.axes, index, strict=True))
    yield Heading("How to read a worked line", INSET)
    yield from worked_block(trace, example, index)
    yield Paragraph(
        "name[index] = arithmetic = result. The name says where in the model we are; h.0 is the first layer, as all "
        "counting starts at 0. The index tells which of the step's numbers it is, in the order of the letters in its "
        f"equation: here {places}. In the arithmetic stand only constants and numbers that were printed before. The "
        f"result is exact but for one rounding to {_counted(trace.digits, 'significant digit')} (half to even), and "
        "what is printed is what the next step goes on with. So every line can be checked with a pocket calculator: "
        "+ - * / exp log sqrt tanh max. A line too long for the page goes on below, further in."
    )
    if trace.targets:
        backward = _example(trace, "attn.dscores", BACKWARD)
        own = last_part(backward.name)
        forward = backward.name.removesuffix(own) + own[1:]
        yield from worked_block(trace, backward, worked_index(trace, backward, Selection()))
        yield Paragraph(
            f"A d before the last part of a name means the gradient: {backward.name} belongs to {forward}, is of the "
            "same shape, and says for each of its numbers how the loss changes with it: by how much for a tiny change, "
            "per unit of that change. Above 0, the loss rises with the number; below 0, it falls. A backward step says "
            "which forward steps it undoes, and needs only their numbers and the gradients before it."
        )


def _example(trace: Trace, name: str, phase: str) -> Step:
    """Return the first step whose name ends so, or the last one of its phase."""
    steps = [step for step in trace.steps if step.phase == phase]
    return next((step for step in steps if step.name.endswith(name)), steps[-1])


def _letter_blocks(trace: Trace) -> Iterator[Block]:
    used = {letter for step in trace.steps for letter in step.axes}
    yield Heading("The index letters", INSET)
    yield Columns(
        [
            [letter, f"{big} = {getattr(trace.sizes, letter)}", what]
            for letter, (big, what) in AXES.items()
            if letter in used
        ],
        headed=False,
    )
    yield Paragraph("A number such as (8.2) beside an equation is its number in docs/derivations.md.")


def _token_blocks(trace: Trace) -> Iterator[Block]:
    yield Heading(
        "The tokens: the text cut up as the vocabulary has it (␠: a space); a token's id is its place there", INSET
    )
    width = len(str(max((*trace.tokens, *trace.targets))))
    head, rows = ["t", "word", "id"], [[str(t), *_named(trace, id_, width)] for t, id_ in enumerate(trace.tokens)]
    if trace.targets:
        head += ["next word", "id"]
        rows = [[*row, *_named(trace, target, width)] for row, target in zip(rows, trace.targets, strict=True)]
    yield Columns([head, *rows], headed=True)


def _named(trace: Trace, token: int, width: int) -> list[str]:
    return [make_visible(trace.vocabulary[token]), f"{token:>{width}}"]


def phase_blocks(trace: Trace, phase: str) -> Iterator[Block]:
    """Yield the heading of a phase after the first, and what it is about."""
    title, text = {
        BACKWARD: ("Backward", _BACKWARD + _NO_DROPOUT * bool(trace.config.dropout)),
        UPDATE: ("Update", _update_text(trace)),
        AGAIN: ("Forward again", _AGAIN),
    }[phase]
    yield Heading(title, PAGE)
    yield Paragraph(text)


_BACKWARD = (
    "Now the same way back. Each step asks: if this number were a little larger, how much larger would the loss be? "
    "The answer is the number's gradient. It follows from the gradients of what was made of the number, which have "
    "just been worked out, by the slope of the one forward step between them: the chain rule, one step at a time. "
    "Where a number was used more than once, its gradients add up. (probabilities have no gradient: the loss was "
    "worked out without them.)"
)
_NO_DROPOUT = " This model's training drops numbers at random (dropout); here none is dropped."
_AGAIN = "The forward pass of before, word for word, but with the new weights: updated. stands before each name."


def _update_text(trace: Trace) -> str:
    numbers = trace.optimizer
    if numbers is None:
        return ""
    rate, decay, beta1, beta2, epsilon, most = map(format_number, numbers)
    clip = f"the gradient may be {most} long" if numbers.grad_clip else "the gradient is not clipped"
    return (
        f"Each weight is moved against its gradient, by AdamW, as in the first step of a training. The numbers are: "
        f"learning rate {rate} (--learning_rate), weight decay {decay}, beta1 {beta1}, beta2 {beta2}, epsilon "
        f"{epsilon}; {clip}. In words: the weights that raise the loss go down, those that lower it go up, and each by "
        "about the learning rate."
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
