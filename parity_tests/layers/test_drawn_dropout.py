"""Dropout that torch draws itself on the processor: how often, which, and that it is the layers' equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torch_gpt.layers.attention import attention_forward, attention_fused
from torch_gpt.layers.dropout import dropout_forward, kept

_ENTRIES = 1 << 20


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("place", range(4))
def test_each_of_the_four_numbers_of_a_word_is_dropped_at_the_rate(rate, place):
    torch.manual_seed(1)
    dropped = (~kept(torch.empty(4 * _ENTRIES), rate))[place::4].sum().item()
    deviation = np.sqrt(_ENTRIES * rate * (1 - rate))
    assert abs(dropped - rate * _ENTRIES) <= 4 * deviation + _ENTRIES / 65536  # the rate's own rounding


def test_neighbours_are_dropped_independently():
    torch.manual_seed(2)
    drop = (~kept(torch.empty(_ENTRIES), 0.5)).double() - 0.5
    for distance in (1, 2, 3, 4, 8, 64, 2496):  # 2496 numbers are one state of the generator
        mean = (drop[distance:] * drop[:-distance]).mean().item() / 0.25
        assert abs(mean) < 5 / np.sqrt(_ENTRIES)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 7)])
def test_what_is_kept_is_scaled_up_and_the_seed_alone_decides(shape):
    x = torch.full(shape, 3.0, requires_grad=True)
    torch.manual_seed(3)
    first = dropout_forward(x, 0.25)
    torch.manual_seed(3)
    second = dropout_forward(x, 0.25)
    assert torch.equal(first, second)
    assert set(first.detach().flatten().tolist()) <= {0.0, 4.0}
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(gradient, first.detach() / 3)  # (7.2): the gradient passes where the value did


def test_nearly_everything_may_be_dropped():
    torch.manual_seed(4)
    assert torch.isfinite(dropout_forward(torch.ones(_ENTRIES), 0.9999999)).all()


def test_fused_attention_with_a_rate_is_attention_with_the_mask_that_it_drew():
    generator = np.random.default_rng(5)
    x, c_attn, c_proj = (torch.tensor(generator.normal(size=shape)) for shape in ((2, 7, 12), (12, 36), (12, 12)))
    torch.manual_seed(6)
    drawn = attention_fused(x, c_attn, None, c_proj, None, 3, 0.3)
    torch.manual_seed(6)
    mask = kept(torch.empty(2, 3, 7, 7), 0.3).double() / (1 - 0.3)
    given = attention_forward(x, c_attn, None, c_proj, None, 3, mask)
    np.testing.assert_allclose(drawn.numpy(), given.numpy(), rtol=0, atol=1e-12)
    assert (drawn - attention_forward(x, c_attn, None, c_proj, None, 3)).abs().max() > 0.1
