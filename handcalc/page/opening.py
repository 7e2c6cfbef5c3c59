"""The first screen: what the page shows, how to read a worked line, and the tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handcalc.formulas.step import AGAIN, AXES, BACKWARD, FORWARD, Step, last_part
from handcalc.page.blocks import INSET, Block, Columns, Heading, Paragraph
from handcalc.page.cells import calculation, example_index, visible_text, visible_word
from handcalc.page.stated_facts import (
    UPDATE_PURPOSE,
    kind_name,
    tokens_title,
    write_amount,
    write_changes,
    write_digits,
    write_model,
    write_shape,
    write_short_tokens,
    write_tokens,
)
from handcalc.tracing.plan import PROBABILITIES
from handcalc.tracing.selection import Selection, places_to_show
from handcalc.tracing.trace import UNTRAINED, Trace
from numpy_gpt.shared.model.config import BigramConfig
from numpy_gpt.shared.model.names import parameter_count


def short_opening(trace: Trace, chosen: Sequence[Step]) -> Iterator[Block]:
    """Yield the first lines of a page of a few steps: the model, the size, the digits and the tokens."""
    plan, config = trace.plan, trace.plan.config
    tokens, targets = ([(visible_word(trace, token), token) for token in ids] for ids in (plan.tokens, plan.targets))
    counts = [len(trace.numbers[step.name]) for step in plan.page_steps]
    amount = write_amount(sum(counts), len(counts), sum(count > 0 for count in counts))
    changes = f" {write_changes(trace.changes)}" * bool(trace.changes)
    update = f" {UPDATE_PURPOSE}" * (plan.optimizer is not None)
    yield Paragraph(
        f"{write_model(trace.model, parameter_count(config))}{write_shape(config, space=' ' in trace.vocabulary)} "
        f"{amount[:-1]}, {len(chosen)} shown, {write_digits(plan.digits)}.{changes}{update} "
        f"{write_short_tokens(tokens, targets)}"
    )


def opening_blocks(trace: Trace, selection: Selection, chosen: Sequence[Step], *, full: bool) -> Iterator[Block]:
    """Yield the first screen: what the trace contains, and how much of it is shown."""
    yield Paragraph(f"{_purpose(trace, selection)} {_amount(trace, chosen, selection, full=full)}")
    yield _model_paragraph(trace, selection)
    yield from _reading_blocks(trace)
    yield from _letter_blocks(trace)
    yield Heading(tokens_title(), INSET)
    plan = trace.plan
    tokens, targets = ([(visible_word(trace, token), token) for token in ids] for ids in (plan.tokens, plan.targets))
    yield Columns(write_tokens(tokens, targets), headed=True)


def _purpose(trace: Trace, selection: Selection) -> str:
    words = f'"{visible_text(trace, len(trace.plan.tokens))}"'
    alone = " and from that word alone" * isinstance(trace.plan.config, BigramConfig)
    question = f"after each word{alone}, which word comes next"
    whole = _shows_all_numbers(trace, selection) and not selection.narrows_steps
    everything = "everything" if whole else "a part of what"
    if not trace.plan.targets:
        return (
            f"{_which(trace)} reads {words} and predicts, {question}. This page shows {everything} it computes to do "
            "so:"
        )
    learned = (
        f"{_which(trace)} reads {words} and is asked, {question}; the last word of "
        f'the text is only a target, not read: "{visible_word(trace, trace.plan.targets[-1])}". This page shows '
        f"{everything} it computes to learn from that. Forward: the prediction after each word, as without "
        "--backward, and from these predictions one number, the loss, "
        "which measures how surprised the model was. Backward: for each of these "
        "numbers and for each weight, how the loss would change with it."
    )
    if trace.plan.optimizer is None:
        return f"{learned} That takes"
    return (
        f"{learned} {UPDATE_PURPOSE} Forward again: the forward pass with the new weights, to see it fall. That takes"
    )


def _shows_all_numbers(trace: Trace, selection: Selection) -> bool:
    """Return whether no head and no position is left out of the steps that are shown."""
    sizes = trace.plan.sizes
    return all(len(places_to_show(letter, sizes, selection)) == getattr(sizes, letter) for letter in "ht")


def _which(trace: Trace) -> str:
    kind = kind_name(trace.plan.config)
    return f"A {kind} with initial weights" if trace.model == UNTRAINED else f"A trained {kind}"


def _amount(trace: Trace, chosen: Sequence[Step], selection: Selection, *, full: bool) -> str:
    steps, shown = trace.plan.page_steps, len(chosen)
    cells = sum(len(trace.numbers[step.name]) for step in steps)
    numbers = "all its numbers" if _shows_all_numbers(trace, selection) else "its numbers"
    text = (
        f"{write_amount(cells, len(steps))} Each step has a name, a sentence that explains it, its equation, "
        f"{numbers}, and one of them worked out (with --full, all of them)."
    )
    if trace.plan.optimizer is not None and not full and not selection.narrows_steps:
        again = sum(step.phase == AGAIN for step in steps)
        return f"{text} Of the second forward pass, {again} steps, only the results are shown (with --full, all of it)."
    return text + (f" You selected {shown} of the {len(steps)} steps." if shown < len(steps) else "")


def _model_paragraph(trace: Trace, selection: Selection) -> Paragraph:
    config = trace.plan.config
    return Paragraph(
        f"{write_model(trace.model, parameter_count(config))}{write_shape(config, space=' ' in trace.vocabulary)} "
        f"Its weights are printed where the steps{' shown' * selection.narrows_steps} first use them, rounded like "
        "every other number."
        f"{f' {write_changes(trace.changes)}' * bool(trace.changes)}"
    )


def _reading_blocks(trace: Trace) -> Iterator[Block]:
    example = _example(trace, ("attn.scaled", PROBABILITIES), FORWARD)
    index = example_index(trace, example, Selection())
    places = ", ".join(f"{letter} = {place}" for letter, place in zip(example.axes, index, strict=True))
    yield Heading("How to read a worked line", INSET)
    yield from calculation(trace, example, index)
    counting = "h.0 is the first layer, because all counting starts at 0"
    if not example.name.startswith("h.0."):
        counting = "all counting starts at 0"
    yield Paragraph(
        f"name[index] = arithmetic = result. The name says where in the model the number is; {counting}. The index "
        f"says which of the step's numbers it is, in the order of the letters in its equation: here {places}. The "
        "arithmetic uses only constants, weights and numbers of earlier steps. The "
        f"result is exact except for one {write_digits(trace.plan.digits)} (half to even), and the next step uses the "
        "number as printed. So every line can be checked with a pocket calculator: + - * / exp log sqrt tanh erf max. "
        "A long line continues below, indented."
    )
    if trace.plan.targets:
        backward = _example(trace, ("attn.dscores", "dlogits"), BACKWARD)
        own = last_part(backward.name)
        forward = backward.name.removesuffix(own) + own[1:]
        yield from calculation(trace, backward, example_index(trace, backward, Selection()))
        yield Paragraph(
            f"A d before the last part of a name means the gradient: {backward.name} is the gradient of {forward}. It "
            "has the same shape, and says for each of its numbers how the loss changes with it: by how much for a tiny "
            "change, per unit of that change. Above 0, the loss rises with the number; below 0, it falls. A backward "
            "step names the forward steps that it undoes, and uses only their numbers and the gradients before it."
        )


def _example(trace: Trace, names: Sequence[str], phase: str) -> Step:
    """Return the first step of a phase whose name ends with the first of the ``names`` that the model has."""
    steps = [step for step in trace.plan.steps if step.phase == phase]
    return next(step for name in names for step in steps if step.name.endswith(name))


def _letter_blocks(trace: Trace) -> Iterator[Block]:
    used = {letter for step in trace.plan.steps for letter in step.axes}
    yield Heading("The index letters", INSET)
    yield Columns(
        [
            [letter, f"{big} = {getattr(trace.plan.sizes, letter)}", what]
            for letter, (big, what) in AXES.items()
            if letter in used
        ],
        headed=False,
    )
    yield Paragraph("A number such as (8.2) after an equation is its number in docs/derivations.md.")
