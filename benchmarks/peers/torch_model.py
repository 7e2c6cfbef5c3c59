"""The same GPT in short, idiomatic PyTorch: modules and torch's own functions for everything, training and decoding.

numpy_gpt and torch_gpt are timed against it. It is the same function: ``parity_tests/benchmarks`` compares its loss and
gradients with ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.recipe import TrainingConfig

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "gelu_erf": F.gelu,
    "relu": F.relu,
}


class Block(nn.Module):
    """Attention and a feed-forward network, each after a layer norm and added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width, bias = config.n_embd, config.bias
        self.n_head, self.dropout, self.activation = config.n_head, config.dropout, _ACTIVATIONS[config.activation]
        self.ln_1, self.ln_2 = (nn.LayerNorm(width, config.layer_norm_epsilon, bias=bias) for _ in range(2))
        self.attn = nn.ModuleDict(
            {"c_attn": nn.Linear(width, 3 * width, bias), "c_proj": nn.Linear(width, width, bias)}
        )
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, config.n_hidden, bias), "c_proj": nn.Linear(config.n_hidden, width, bias)}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the residual stream after the block. Shapes: (B, T, C) → (B, T, C)."""
        q, k, v = self.heads(x)
        rate = self.dropout if self.training else 0.0
        return self.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=rate))

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values (B, H, T, D) each."""
        # (B, T, 3·C) → (B, T, 3, H, D) → (3, B, H, T, D)
        qkv: Tensor = self.attn["c_attn"](self.ln_1(x)).view(*x.shape[:2], 3, self.n_head, -1)
        return qkv.permute(2, 0, 3, 1, 4).unbind()

    def rest(self, x: Tensor, heads: Tensor) -> Tensor:
        """Return the stream after the block, from the stream (B, T, C) and the heads' output (B, H, T, D)."""
        x = x + F.dropout(self.attn["c_proj"](heads.transpose(1, 2).reshape(x.shape)), self.dropout, self.training)
        hidden = self.activation(self.mlp["c_fc"](self.ln_2(x)))
        return x + F.dropout(self.mlp["c_proj"](hidden), self.dropout, self.training)


class IdiomaticGPT(nn.Module):
    """A GPT of any config, with torch's own initial values until others are loaded."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_weights:
            self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss in nats per token for ids (B, T), int64."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        x = F.dropout(x, self.dropout, self.training)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def is_transposed(name: str) -> bool:
    """Return whether nn.Linear stores this tensor as (out, in) where we and GPT-2 store (in, out)."""
    return name.endswith(("c_attn.weight", "c_fc.weight", "c_proj.weight"))


def idiomatic_gpt(config: GPTConfig, values: Mapping[str, Array]) -> IdiomaticGPT:
    """Return the model with these initial values, in their dtype."""
    model = IdiomaticGPT(config).to(torch.from_numpy(values["wte.weight"]).dtype)
    tensors = {name: torch.tensor(value.T if is_transposed(name) else value) for name, value in values.items()}
    if config.tie_weights:
        tensors["lm_head.weight"] = tensors["wte.weight"]
    model.load_state_dict(tensors)
    return model


def idiomatic_adamw(model: nn.Module, training: TrainingConfig) -> torch.optim.AdamW:
    """Return torch's fused AdamW with weight decay for the matrices only."""
    groups = [
        {"params": [p for p in model.parameters() if (p.ndim == 2) == matrices], "weight_decay": decay}
        for matrices, decay in ((True, training.weight_decay), (False, 0.0))
    ]
    betas = training.beta1, training.beta2
    return torch.optim.AdamW(groups, training.learning_rate, betas, training.adam_epsilon, fused=True)


def idiomatic_step(
    loss_of: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.AdamW,
    tokens: Tensor,
    block_size: int,
    training: TrainingConfig,
) -> Tensor:
    """Take one whole step on a random batch of the text (n,), int64, and return its loss."""
    starts = torch.randint(len(tokens) - block_size, (training.batch_size, 1))
    windows = tokens[starts + torch.arange(block_size + 1)]  # (B, 1) + (T + 1,) → (B, T + 1)
    loss = loss_of(windows[:, :-1], windows[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    if training.grad_clip:
        torch.nn.utils.clip_grad_norm_(
            [p for group in optimizer.param_groups for p in group["params"]], training.grad_clip
        )
    optimizer.step()
    return loss.detach()


class CachedDecoder:
    """Reads one sequence with a KV cache: first a piece of any length, then token by token."""

    def __init__(self, model: IdiomaticGPT) -> None:
        self.model = model.eval()
        self.past: list[tuple[Tensor, Tensor]] = []
        self.length = 0

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:
        """Return the logits (V,) after the last of the tokens (T,), which follow the tokens read before."""
        model, end = self.model, self.length + len(tokens)
        x = (model.wte(tokens) + model.wpe(torch.arange(self.length, end)))[None]
        cache = []
        for layer, block in enumerate(model.h):
            q, k, v = block.heads(x)
            if self.past:
                k, v = (torch.cat(parts, dim=2) for parts in zip(self.past[layer], (k, v), strict=True))
            cache.append((k, v))
            x = block.rest(x, F.scaled_dot_product_attention(q, k, v, is_causal=not self.past))
        self.past, self.length = cache, end
        logits: Tensor = model.lm_head(model.ln_f(x[0, -1]))
        return logits


def idiomatic_tokens(model: IdiomaticGPT, prompt: Sequence[int], count: int) -> Iterator[int]:
    """Yield tokens drawn from the model's probabilities; prompt and tokens together must fit the block size."""
    decoder, unread = CachedDecoder(model), torch.tensor(prompt)
    for _ in range(count):
        unread = torch.multinomial(decoder.read(unread).softmax(0), 1)
        yield int(unread)


@torch.inference_mode()
def idiomatic_tokens_uncached(model: IdiomaticGPT, prompt: Sequence[int], count: int) -> Iterator[int]:
    """Yield tokens like ``idiomatic_tokens``, each computed from all tokens before it, without a cache."""
    tokens = torch.tensor(prompt)
    for _ in range(count):
        tokens = torch.cat([tokens, torch.multinomial(CachedDecoder(model).read(tokens).softmax(0), 1)])
        yield int(tokens[-1])
