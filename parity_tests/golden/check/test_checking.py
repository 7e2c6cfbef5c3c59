"""The checker on arrays that follow, and on arrays with one planted error: where it is, what it is, what it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from numpy_gpt import GPTConfig, golden_pack
from numpy_gpt.golden.check.checking import check
from numpy_gpt.golden.check.report import report
from numpy_gpt.golden.evaluation import Change, Evaluation, Given, Setting
from numpy_gpt.golden.graph import Graph, prefix_of
from numpy_gpt.golden.mistakes.all_mistakes import all_mistakes
from numpy_gpt.golden.pack.case import case_of
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.tolerances.sampled import Sampled

SIZES = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 6}
OPTIMIZER = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-4, "weight_decay": 0.1, "grad_clip": 0.1}
CONFIGS = (
    GPTConfig(**SIZES, dropout=0.2),
    GPTConfig(**SIZES, tie_weights=False, activation="gelu_erf"),
    GPTConfig(**SIZES, activation="relu", norm="rms_norm", bias=False),
)

DUMPS = {
    "everything": lambda name: True,
    "residuals and gradients": lambda name: name.endswith(("residual", "dweight", "dbias", "logits", "loss")),
    "logits and losses": lambda name: name.endswith(("logits", "loss")),
}


def computed(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: np.array(array) for name, array in arrays.items() if array.dtype.kind == "f"}


def causes(findings: Any) -> list[list[str]]:
    return [[mistake.id for mistake in finding.causes] for finding in findings.findings]


@pytest.mark.parametrize("dump", DUMPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_pack_follows_from_itself(default_pack, arrays, dump, dtype):
    chosen = {name: array.astype(dtype) for name, array in computed(arrays).items() if DUMPS[dump](name)}
    if dtype == "float16":
        chosen = {
            name: array for name, array in chosen.items() if not name.startswith(("step", "m.", "v.", "updated."))
        }
    findings = check(default_pack, chosen, dtype, tell_limits=False)
    assert findings.follows, causes(findings)
    assert findings.status == 0


def test_one_wrong_number_is_one_finding(default_pack, arrays):
    theirs = computed(arrays)
    theirs["h.1.attn.heads"][2, 1, 3, 0] += 0.01
    theirs.pop("h.1.attn.merged")
    findings = check(default_pack, theirs, tell_limits=False)
    # What was computed from the wrong number follows from the right one, and so does not follow from this port's own.
    first = findings.findings[0]
    assert first.tensor == "h.1.attn.heads"
    assert first.where.startswith("only in sequence 2, head 1, position 3, channel of the head 0 (1 of 120 numbers)")
    assert first.off == pytest.approx(0.01, rel=1e-3)
    assert first.causes == []


def test_a_single_loss_is_not_explained_by_chance(default_pack, arrays):
    # Hundreds of mistakes at several places change one number to hundreds of values: one of them is always near.
    for factor in (1.001, 1.1):
        theirs = {"loss": arrays["loss"] * np.float32(factor)}
        findings = check(default_pack, theirs, tell_limits=False)
        assert causes(findings) == [[]], factor


def test_nan_is_reported_where_it_was_made(default_pack, arrays):
    theirs = computed(arrays)
    theirs["h.1.mlp.hidden"][0, 2, 5] = np.nan
    for name in theirs:  # it spreads to all that come after in this sequence
        if name.startswith(("h.1.mlp.act", "h.1.mlp.gelu")):
            theirs[name][0, 2, 5] = np.nan
    first = check(default_pack, theirs, tell_limits=False).findings[0]
    assert first.tensor == "h.1.mlp.hidden"
    assert (
        first.where == "1 of 480 numbers are NaN or not finite, the first at [0, 2, 5]: made here, from finite numbers"
    )


def test_the_future_may_be_left_out(default_pack, arrays):
    theirs = computed(arrays)
    for name, array in theirs.items():
        if "attn" in name and name.endswith(("scores", "scaled", "exponentials", "dweights", "dmasked")):
            array[..., ~np.tri(5, dtype=bool)] = np.nan
    assert check(default_pack, theirs, tell_limits=False).follows


def test_what_is_missing_is_not_wrong(default_pack, arrays):
    findings = check(default_pack, {"logits": arrays["logits"]})
    assert findings.follows
    assert findings.compared == 1
    assert "h.0.attn.q" in findings.not_compared


def test_two_errors_are_two_findings(default_pack, arrays):
    theirs = computed(arrays)
    for layer in range(3):
        for prefix in ("", "step2.", "step3."):
            theirs[f"{prefix}h.{layer}.attn.dk"] = np.einsum(
                "bhts,bhsd->bhtd",
                arrays[f"{prefix}h.{layer}.attn.dscores"] * np.tri(5, dtype=np.float32),
                arrays[f"{prefix}h.{layer}.attn.q"],
            )
            theirs[f"{prefix}h.{layer}.attn.dqkv"] = np.concatenate(
                [
                    theirs[f"{prefix}h.{layer}.attn.{part}"].swapaxes(1, 2).reshape(4, 5, 6)
                    for part in ("dq", "dk", "dv")
                ],
                -1,
            )
            theirs.pop(f"{prefix}h.{layer}.attn.c_attn.dweight")
            theirs.pop(f"{prefix}h.{layer}.attn.c_attn.dbias")
            theirs.pop(f"{prefix}h.{layer}.ln_1.dout")
    kept = {name: array for name, array in theirs.items() if not name.startswith(("step", "clip", "m.", "v.", "up"))}
    kept["losses"] = arrays["losses"] / np.float32(np.log(2))
    kept.pop("loss")
    found = causes(check(default_pack, kept, tell_limits=False))
    assert ["loss.bits"] in found
    assert ["attention.dk_transposed"] in found


def test_a_forgotten_bias_that_is_zero_cannot_be_seen(default_pack, arrays):
    zeroed = {name: np.zeros_like(array) if name.endswith(".bias") else array for name, array in arrays.items()}
    pack = replace(default_pack, arrays=zeroed)
    names = ("h.0.ln_1.normalized", "h.0.ln_1.out")
    theirs = {
        "h.0.ln_1.normalized": arrays[names[0]],
        "h.0.ln_1.out": arrays[names[0]] * arrays["h.0.ln_1.weight"],
    }
    findings = check(pack, theirs)
    assert findings.follows
    assert "norm.no_bias" in {mistake.id for mistake in findings.cannot_tell}
    assert "the norm's bias β is forgotten" in " ".join(report(findings).split())


def test_new_weights_of_one_step_cannot_tell_the_betas():
    pack = golden_pack("one", steps=1)
    theirs = {name: np.array(array) for name, array in pack.arrays.items() if name.startswith("updated.")}
    findings = check(pack, theirs)
    assert findings.follows
    assert {"adamw.beta1", "adamw.beta2", "adamw.betas_swapped"} <= {mistake.id for mistake in findings.cannot_tell}
    assert "use --steps 3" in report(findings)


def test_every_mistake_can_be_made_in_some_model():
    # A mistake whose rules never apply would never be found.
    left = {mistake.id: mistake for mistake in all_mistakes() if mistake.operations is None}
    for config in CONFIGS:
        values = initial_values(config, 0, "float64")
        case = case_of(config, values, OPTIMIZER, 0.01, 3, 0, (4, 5))
        inputs = {f"mask.{name}": mask for name, mask in case.masks[0].items()} | dict(case.parameters)
        for step in range(1, 4):
            masks = {f"{prefix_of(step)}mask.{name}": mask for name, mask in case.masks[step - 1].items()}
            targets = case.targets[step - 1].copy()
            targets[1, 2] = -100
            inputs |= {f"{prefix_of(step)}tokens": case.tokens[step - 1], f"{prefix_of(step)}targets": targets, **masks}
        graph = Graph(config, 4, 5, 3)
        setting = Setting(case.optimizer, case.learning_rates)
        base = Evaluation(graph, Given(inputs, {}, {}, {}), setting, Sampled(), "float64")
        for mistake in all_mistakes():
            if mistake.id not in left:
                continue
            bits = graph.bits(mistake)
            trial = Evaluation(graph, base.given, setting, Sampled(), "float64", [Change(mistake)], base, bits)
            with np.errstate(all="ignore"):
                for name in [node.name for node in graph.nodes.values() if node.bit & bits][:40]:
                    trial.computed(name)
            if trial.applied(mistake):
                del left[mistake.id]
    # These read their constant from the port's own array; where it has none, other versions of them apply.
    assert set(left) == set()
