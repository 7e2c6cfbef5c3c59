"""torch.compile on the CPU: the compiled twin is the same function, on both paths and for both kinds of model."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace

import pytest
import torch

from numpy_gpt.shared.model.config import NORMS, BigramConfig, GPTConfig
from numpy_gpt.shared.model.record import ignore
from parity_tests.layers.harness import our_arrays
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.support.strategies import Case
from parity_tests.test_bigram import TABLE, lookup_of
from parity_tests.test_whole_model import arrays_of_numpy_gpt, statement_of
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations
from torch_gpt.gpt import logits_of
from torch_gpt.layers.cross_entropy import cross_entropy_forward
from torch_gpt.parameters import parameters_from

CASE = Case(GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=2, n_embd=8), batch=2, time=8, seed=0, scale=0.3)


pytestmark = [
    pytest.mark.prove,  # half a minute of compiling: nothing that was compiled before may be used
    pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on the CPU"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("dtype", "fused"), [("float64", False), ("float32", True)])
def test_a_compiled_gpt_agrees_with_numpy_gpt(dtype, fused, norm):
    case = replace(CASE, config=replace(CASE.config, norm=norm))
    parameters = parameters_from(case.config, case.parameters(dtype))
    tokens, targets = (torch.from_numpy(ids) for ids in (case.tokens(), case.targets()))

    @torch.compile(fullgraph=True)
    def logits_and_loss(parameters):
        logits = logits_of(parameters, case.config, tokens, {}, fused=fused)
        return logits, cross_entropy_forward(logits, targets)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own, about Python's syntax trees and the like
        logits, loss = logits_and_loss(parameters)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
    compiled = {"logits": logits.detach(), "loss": loss.detach(), **dict(zip(parameters, gradients, strict=True))}
    expected, allowed = arrays_of_numpy_gpt(case, dtype), deviations(statement_of(case))
    for name, value in compiled.items():
        bound = between_two_statistical(allowed[name], dtype)
        assert_close(f"{name} (compiled{', fused' if fused else ''})", value, expected[name], bound)


def test_a_compiled_bigram_model_is_identical():
    layer = lookup_of(Case(BigramConfig(vocab_size=5, block_size=8), batch=2, time=8, seed=0, scale=1.0))
    table = torch.from_numpy(layer.inputs[TABLE]).requires_grad_()

    @torch.compile(fullgraph=True)
    def logits_of_table(table):
        return layer.theirs["explicit"]({TABLE: table}, {}, ignore)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        logits = logits_of_table(table)
        (gradient,) = torch.autograd.grad(logits, [table], torch.from_numpy(layer.dout))
    ours = our_arrays(layer, "float64")
    assert_identical("bigram's logits (compiled)", logits, ours["output"])
    assert_identical("bigram's gradient (compiled)", gradient, ours[f"gradient of {TABLE}"])
