"""Generating with the idiomatic PyTorch model: keys and values are kept, so that a new token costs one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers.torch_modules import IdiomaticGPT


class KeptDecoder:
    """The model reading a text of one sequence piece by piece: the first piece of any length, then token by token."""

    def __init__(self, model: IdiomaticGPT) -> None:
        self.model = model.eval()
        self.past: list[tuple[Tensor, Tensor]] = []
        self.length = 0

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """Return the logits (V,) after the last of the tokens (T,), which follow those read before."""
        model, end = self.model, self.length + len(tokens)
        x = (model.wte(tokens) + model.wpe(torch.arange(self.length, end)))[None]
        kept = []
        for layer, block in enumerate(model.h):
            q, k, v = block.heads(x)
            if self.past:
                k, v = (torch.cat(parts, dim=2) for parts in zip(self.past[layer], (k, v), strict=True))
            kept.append((k, v))
            x = block.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=not self.past))
        self.past, self.length = kept, end
        logits: Tensor = model.lm_head(model.ln_f(x[0, -1]))
        return logits


def idiomatic_tokens(model: IdiomaticGPT, prompt: Sequence[int], count: int) -> Iterator[int]:
    """Yield tokens drawn from the model's probabilities; prompt and tokens together must fit into its positions."""
    decoder, unread = KeptDecoder(model), torch.tensor(prompt)
    for _ in range(count):
        unread = torch.multinomial(decoder.read(unread).softmax(0), 1)
        yield int(unread)


@torch.inference_mode()
def idiomatic_tokens_uncached(model: IdiomaticGPT, prompt: Sequence[int], count: int) -> Iterator[int]:
    """Yield tokens as ``idiomatic_tokens`` does, each from all tokens before it."""
    tokens = torch.tensor(prompt)
    for _ in range(count):
        tokens = torch.cat([tokens, torch.multinomial(KeptDecoder(model).read(tokens).softmax(0), 1)])
        yield int(tokens[-1])
