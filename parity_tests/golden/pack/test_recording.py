"""A pack's arrays are those of torch_gpt: activations and gradients by autograd, clipping and AdamW by torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from numpy_gpt import GPTConfig
from numpy_gpt.golden.graph import Graph, prefix_of
from numpy_gpt.golden.pack.case import Case, case_of, default_case
from numpy_gpt.golden.pack.contents import entries_of
from numpy_gpt.golden.pack.recording import record_case
from numpy_gpt.shared.model.names import gradient_name
from parity_tests.support.strategies import Case as Drawn
from torch_gpt.model import loss_and_gradients
from torch_gpt.parameters import parameters_from
from torch_gpt.record import keep_in

NUMBERS = {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.2, "grad_clip": 1.5}
BASE = GPTConfig(vocab_size=7, block_size=6, n_layer=2, n_head=2, n_embd=6)
UNLIKE = {
    "untied, no biases": {"tie_weights": False, "bias": False},
    "erf, dropout": {"activation": "gelu_erf", "dropout": 0.3},
    "relu, no layer": {"activation": "relu", "n_layer": 0},
}


def recorded(case: Case) -> dict:
    kept: dict = {}
    record_case(case, lambda name, array: kept.__setitem__(name, np.array(array)))
    return kept


def computed_by_torch(case: Case) -> dict:
    parameters = parameters_from(case.config, case.parameters)
    o, found = case.optimizer, {}
    matrices, vectors = ([p for p in parameters.values() if (p.ndim == 2) == wanted] for wanted in (True, False))
    groups = [{"params": matrices, "weight_decay": o["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"]
    )
    for step in range(1, case.steps + 1):
        prefix, place, kept = prefix_of(step), step - 1, {}
        batch = case.tokens[place], case.targets[place], case.masks[place]
        loss, gradients = loss_and_gradients(parameters, case.config, *batch, keep_in(kept))
        found |= {prefix + name: array for name, array in {**kept, "loss": loss.numpy()}.items()}
        for name, parameter in parameters.items():
            found[prefix + gradient_name(name)] = gradients[name].numpy().copy()
            parameter.grad = gradients[name].clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), o["grad_clip"] or np.inf)
        found |= {f"{prefix}clipping.norm": norm.numpy()}
        for group in optimizer.param_groups:
            group["lr"] = case.learning_rates[place]
        optimizer.step()
        for name, parameter in parameters.items():
            state = optimizer.state[parameter]
            found[f"{prefix}clipped.{name}"] = parameter.grad.numpy()
            for ours, theirs in (("m", state["exp_avg"]), ("v", state["exp_avg_sq"]), ("updated", parameter.detach())):
                found[f"{prefix}{ours}.{name}"] = theirs.numpy().copy()
    return found


def _assert_equal(case: Case) -> None:
    ours, theirs = recorded(case), computed_by_torch(case)
    nodes = Graph(case.config, *case.batch_shape, case.steps).nodes
    names = [e.name for e in entries_of(case.config, *case.batch_shape, case.steps, "all", "float64")]
    assert set(names) <= set(ours), set(names) - set(ours)
    computed = [name for name in names if name in nodes and nodes[name].phase != "given"]
    missing = {name for name in computed if name not in theirs}
    assert {nodes[name].plain for name in missing} <= {"clipping.scale"}
    for name in set(computed) - missing:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-9, atol=1e-11, err_msg=name)


def test_default():
    _assert_equal(default_case(3, 5))


@pytest.mark.parametrize("changes", UNLIKE.values(), ids=UNLIKE)
def test_other_models(changes):
    config = replace(BASE, **changes)
    values = Drawn(config, 3, 4, 1, 0.4).parameters()
    _assert_equal(case_of(config, values, NUMBERS, 0.02, 2, 3, (3, 4)))
