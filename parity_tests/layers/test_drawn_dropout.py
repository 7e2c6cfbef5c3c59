"""Dropout that torch draws itself on the CPU: its rate, its seed, and that it follows the layers' equations."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from torch_gpt.layers.attention import attention_forward, attention_fused
from torch_gpt.layers.dropout import draw_keep_mask, dropout_forward

_ENTRIES = 1 << 20


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("place", range(4))
def test_each_number_is_dropped_at_the_rate(rate, place):
    torch.manual_seed(1)
    dropped = (~draw_keep_mask(torch.empty(4 * _ENTRIES), rate))[place::4].sum().item()
    deviation = np.sqrt(_ENTRIES * rate * (1 - rate))
    assert abs(dropped - rate * _ENTRIES) <= 4 * deviation + _ENTRIES / 65536  # the rate's own rounding


def test_neighbours_are_dropped_independently():
    torch.manual_seed(2)
    drop = (~draw_keep_mask(torch.empty(_ENTRIES), 0.5)).double() - 0.5
    for distance in (1, 2, 3, 4, 8, 64, 2496):  # 2496 numbers are one state of the generator
        mean = (drop[distance:] * drop[:-distance]).mean().item() / 0.25
        assert abs(mean) < 5 / np.sqrt(_ENTRIES)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 4, 7), (300, 401)])
def test_kept_numbers_are_scaled_by_the_rate(shape):
    x = torch.full(shape, 3.0, requires_grad=True)
    torch.manual_seed(3)
    first = dropout_forward(x, 0.25)
    torch.manual_seed(3)
    second = dropout_forward(x, 0.25)
    assert torch.equal(first, second)
    assert set(first.detach().flatten().tolist()) <= {0.0, 4.0}
    (gradient,) = torch.autograd.grad(first.sum(), x)
    assert torch.equal(gradient, first.detach() / 3)  # (7.2): the gradient passes where the value did


@pytest.mark.parametrize("rate", [1e-6, 0.1, 0.99, 0.9999, 0.9999999])
def test_the_mean_stays_at_any_rate(rate):
    torch.manual_seed(4)
    dropped = min(round(rate * 65536), 65535) / 65536
    mean = dropout_forward(torch.ones(16 * _ENTRIES, dtype=torch.float64), rate).mean().item()
    assert abs(mean - 1) <= 5 * np.sqrt(dropped / (1 - dropped) / (16 * _ENTRIES))


def test_fused_attention_uses_the_drawn_mask():
    generator = np.random.default_rng(5)
    x, c_attn, c_proj = (torch.tensor(generator.normal(size=shape)) for shape in ((4, 80, 12), (12, 36), (12, 12)))
    torch.manual_seed(6)
    drawn = attention_fused(x, c_attn, None, c_proj, None, 3, 0.3)
    torch.manual_seed(6)
    mask = draw_keep_mask(torch.empty(4, 3, 80, 80), 0.3).double() / (1 - round(0.3 * 65536) / 65536)
    given = attention_forward(x, c_attn, None, c_proj, None, 3, mask)
    np.testing.assert_allclose(drawn.numpy(), given.numpy(), rtol=0, atol=1e-12)
    assert (drawn - attention_forward(x, c_attn, None, c_proj, None, 3)).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1, 4, 60])
def test_scores_are_not_rounded_to_half(dtype, scale):
    generator = np.random.default_rng(7)
    shapes = ((4, 128, 16), (16, 48), (16, 16))
    x, c_attn, c_proj = (torch.tensor(generator.normal(size=shape)).float() for shape in shapes)
    if dtype == torch.bfloat16 and "ATEN_CPU_CAPABILITY" in os.environ:
        pytest.skip(
            "torch's bfloat16 attention looks at the CPU, not at ATEN_CPU_CAPABILITY, and then misses its kernel"
        )
    with torch.autocast("cpu", dtype):
        dropping = attention_fused(x, scale * c_attn, None, c_proj, None, 2, 1e-6).float()  # a rate that drops nothing
        plain = attention_fused(x, scale * c_attn, None, c_proj, None, 2).float()
    # Weights and their sums are rounded once each. Scores that were rounded, too, would come to 0.05 at scale 4.
    difference = (dropping - plain).square().mean().sqrt() / plain.square().mean().sqrt()
    assert difference < 2 * torch.finfo(dtype).eps
