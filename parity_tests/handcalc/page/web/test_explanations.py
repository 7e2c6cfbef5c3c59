"""Every step and every weight of every variant has its paragraph, and no paragraph is without a step."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import product

from handcalc.formulas.adamw import Optimizer
from handcalc.formulas.attribution import attribution_steps
from handcalc.page.web.explanations import EXPLANATIONS, kind_of
from handcalc.tracing.plan import make_plan
from numpy_gpt.shared.model.config import ACTIVATIONS, GPTConfig

OPTIMIZER = Optimizer(*map(Decimal, ("0.01", "0.1", "0.9", "0.99", "1e-8", "1")))


def names() -> Iterator[str]:
    for activation, bias, tie_weights, number in product(ACTIVATIONS, (True, False), (True, False), (1, 2)):
        fields = {"vocab_size": 6, "block_size": 5, "n_layer": 2, "n_head": 2, "n_embd": 4}
        config = GPTConfig(**fields, activation=activation, bias=bias, tie_weights=tie_weights)
        plan = make_plan(config, (0, 1), (1, 2), OPTIMIZER, digits=4, number=number)
        yield from (step.name for step in (*plan.steps, *attribution_steps(config, plan.sizes)))
        for weight in plan.weight_shapes:
            yield from (weight, f"before.m.{weight}", f"before.v.{weight}")


def test_every_step_has_its_paragraph() -> None:
    kinds = {name: kind_of(name) for name in names()}
    assert {name: kind for name, kind in kinds.items() if kind not in EXPLANATIONS} == {}
    assert set(EXPLANATIONS) == set(kinds.values())


def test_paragraphs_are_plain() -> None:
    for text in EXPLANATIONS.values():
        assert 40 < len(text) < 420 and text.endswith(".") and "  " not in text
    assert len(set(EXPLANATIONS.values())) > 0.9 * len(EXPLANATIONS)
