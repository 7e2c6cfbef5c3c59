"""What a check cannot see: mistakes that would change none of the arrays that a port has by more than is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from numpy_gpt.golden.check.comparing import Comparer, difference
from numpy_gpt.golden.evaluation import Change
from numpy_gpt.golden.mistakes.all_mistakes import possible_mistakes
from numpy_gpt.golden.operations.operation import Mistake


def limits(comparer: Comparer, names: Sequence[str]) -> tuple[list[Mistake], list[Mistake]]:
    """Return the mistakes that change no array by more than is allowed, and those that no array depends on."""
    found = {name: comparer.compare(name) for name in names}
    visible: set[str] = set()
    possible: dict[str, Mistake] = {}
    touched: set[str] = set()
    named = 0
    for change in comparer.changes:  # where a mistake was found, another one cannot be looked for
        named |= comparer.graph.bits(change.mistake)
    for mistake in possible_mistakes(comparer.dtype):
        bits = comparer.graph.bits(mistake)
        if mistake.id in visible or mistake.size_only or bits & named:
            continue
        places = [name for name in names if found[name].trail & bits]
        evaluation = comparer.with_changes([*comparer.changes, Change(mistake)])
        for name in places:
            value = evaluation.computed(name, found[name].trail)[0]
            if not evaluation.applied(mistake):
                continue
            possible.setdefault(mistake.id, mistake)
            touched.add(mistake.id)
            if (difference(value, found[name].value) > 2 * found[name].allowed).any():
                visible.add(mistake.id)
                break
        if not places and _made_in(comparer, mistake):
            possible.setdefault(mistake.id, mistake)
    hidden = [mistake for identifier, mistake in possible.items() if identifier not in visible]
    return (
        [mistake for mistake in hidden if mistake.id in touched],
        [mistake for mistake in hidden if mistake.id not in touched],
    )


def _made_in(comparer: Comparer, mistake: Mistake) -> bool:
    """Return whether the model has an array in which the mistake can be made."""
    evaluation = comparer.with_changes([*comparer.changes, Change(mistake)])
    for node in comparer.graph.nodes.values():
        if node.kind in mistake.kinds and node.step == comparer.graph.steps:
            evaluation.computed(node.name)
            if evaluation.applied(mistake):
                return True
    return False
