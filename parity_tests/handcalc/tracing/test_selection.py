"""Items of --only: where they are split, which of them are single cells, and which cells there are."""

from __future__ import annotations

import pytest

from gpt_data.errors import UserError
from handcalc.tracing.plan import Plan, make_plan, make_training_plan, optimizer_of
from handcalc.tracing.selection import Selection, choose_cells, select_steps, split_items
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint

CONFIG = load_checkpoint(SHIPPED_MODEL).config


def plan(*, update: bool = False) -> Plan:
    if update:
        return make_training_plan(CONFIG, (10, 0, 31), optimizer_of(None), digits=4)
    return make_plan(CONFIG, (10, 0, 31), digits=4)


def choose(*only: str, full: bool = False, update: bool = False, **fields: int) -> Selection:
    worked = plan(update=update)
    return choose_cells(Selection(only, **fields), worked.page_steps, worked.sizes, full=full)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("scores,attn.q", ["scores", "attn.q"]),
        ("attn.weights[0,2,0],scores", ["attn.weights[0,2,0]", "scores"]),
        (" scores , q[0, 1, 2] ,", ["scores", "q[0, 1, 2]"]),
        ("h.[01].attn.[q,k],v", ["h.[01].attn.[q,k]", "v"]),
        ("q[0,1", ["q[0,1"]),
        (",", []),
    ],
)
def test_items_are_split_outside_brackets(text: str, items: list[str]) -> None:
    assert split_items(text) == items


def test_a_cell_is_one_of_each_layer() -> None:
    layers = ("h.0.attn.weights", "h.1.attn.weights")
    assert choose("attn.weights[0,2,0]") == Selection(cells=tuple((name, (0, 2, 0)) for name in layers))
    assert choose("attn.weights[ 0, 2,0 ]", layer=1) == Selection(layer=1, cells=((layers[1], (0, 2, 0)),))
    both = choose("attn.weights[1,0,0]", "h.0.attn.weights[0,1,0]", "loss*", update=True)
    assert both.cells == ((layers[0], (0, 1, 0)), *((f"{part}{name}", (1, 0, 0)) for part in ("", "updated.")
                          for name in layers))  # fmt: skip
    assert "losses" in both.only and "loss" in both.only


def test_wildcards_in_brackets_are_no_cells() -> None:
    chosen = choose("h.0.attn.[qk]", "h.[1].attn.q")
    assert not chosen.cells
    assert [step.name for step in select_steps(plan().steps, chosen)] == ["h.0.attn.q", "h.0.attn.k", "h.1.attn.q"]


def test_a_weight_means_the_steps_of_its_update() -> None:
    chosen = choose("wte.weight[31,0]", update=True)
    parts = ("clipped", "decayed", "m", "v", "corrected_m", "corrected_v", "step", "updated", "change")
    assert chosen.cells == tuple((f"{part}.wte.weight", (31, 0)) for part in parts)
    assert choose("wte.dweight[31,0]", update=True).cells == (("wte.dweight", (31, 0)),)


def test_a_cell_of_a_step_that_is_also_named_as_a_whole() -> None:
    assert choose("attn.q[0,1,2]", "h.0.attn.q").shows_whole("h.0.attn.q")
    assert not choose("attn.q[0,1,2]", "h.0.attn.q").shows_whole("h.1.attn.q")
    assert choose("attn.q[0,1,2]", "h.0.attn.q", full=True).cells == (("h.1.attn.q", (0, 1, 2)),)


@pytest.mark.parametrize(
    ("item", "fields", "message"),
    [
        ("attn.weights[0,5,0]", {}, r"h.0.attn.weights\[h,t,s\], with h from 0 to 1 \(heads\), t from 0 to 2 \(posi"),
        ("attn.weights[0,-1,0]", {}, r"'attn.weights\[0,-1,0\]' does not exist: the index is h.0.attn.weights\[h,t,s"),
        ("logits[2]", {}, r"the index is logits\[t,v\], with t from 0 to 2 \(positions\), v from 0 to 31 \(words\)"),
        ("attn.wieghts[0,0,0]", {}, "matches no step; did you mean 'attn.weights'"),
        ("attn.weights[0,0,0]", {"head": 1}, "is left out by --head or --position"),
        ("logits[0,0]", {"layer": 1}, "matches no step of --layer 1"),
        ("wte.weight[31,0]", {}, "wte.weight is a weight, which is given and not worked out; add --backward for its"),
        ("logits[0,0", {}, "matches no step; did you mean 'logits'"),
        ("logits[0,99999999999999999999]", {}, "matches no step"),
    ],
)
def test_what_does_not_exist_is_one_line(item: str, fields: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        select_steps(plan().page_steps, choose(item, **fields))


def test_a_single_number_has_no_index() -> None:
    with pytest.raises(UserError, match="loss is a single number, without an index"):
        choose("loss[0]", update=True)
