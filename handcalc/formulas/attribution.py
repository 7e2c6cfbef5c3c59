"""Attribution: the logit of a word, split by which part of the model wrote it into the residual stream.

The last vector of the residual stream is a sum (17.1): the token's vector, the position's, and what each head (17.4)
and each MLP added. The final norm and the head are linear once the norm's factor 1/σ is taken as it is, so each word
has a direction, (17.2) and (17.3), along which each part contributes (17.5), and the logit is their sum (17.6). In a
model without a final norm the direction is the word's row of the head, and the factor that of the embeddings' norm
(19.10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from handcalc.arithmetic.expression import Cells, Constant, Expression, Ref, total
from handcalc.formulas.head import head_matrix
from handcalc.formulas.norms.norm import EMBEDDING_NORM
from handcalc.formulas.step import Sizes, Step
from numpy_gpt.shared.model.config import GPTConfig

ATTRIBUTION = "attribution"
"""The prefix of every name of this module."""

LOGITS = f"{ATTRIBUTION}.logits"
"""The sum of all parts, which is the logit again, except for rounding."""

ATTRIBUTED = ("17.5", "17.6")
"""The equations of what each part adds to a logit, and of the sum."""

_DIRECTION = f"{ATTRIBUTION}.direction"


class Part(NamedTuple):
    """One part of the model that adds to every logit: the name of its step, and of its head if it has several."""

    name: str
    head: int | None
    title: str


def is_attribution(step: Step) -> bool:
    """Return whether a step belongs to the attribution of logits."""
    return step.name.startswith(f"{ATTRIBUTION}.")


def parts_of(config: GPTConfig) -> list[Part]:
    """Return the parts in order of computation: embedding, each head, bias and MLP of each layer, the norm's bias."""
    parts = [_part("token", "token embedding"), _part("position", "position embedding")]
    for layer in range(config.n_layer):
        attn, where = f"h.{layer}.attn", f"layer {layer}"
        parts += [_part(attn, f"{where}, head {head}", head) for head in range(config.n_head)]
        parts += [_part(f"{attn}.bias", f"{where}, attention's bias")] * config.bias
        parts += [_part(f"h.{layer}.mlp", f"{where}, feed-forward network")]
    return parts + [_part("bias", "bias of the final norm")] * _has_final_bias(config)


def _has_final_bias(config: GPTConfig) -> bool:
    return config.bias and not config.has_embedding_norm


def _part(name: str, title: str, head: int | None = None) -> Part:
    return Part(f"{ATTRIBUTION}.{name}", head, title)


def attribution_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    """Yield the steps from the forward pass to what each part adds to every logit (T, V), and their sum.

    Heads have an axis of their own, (H, T, V), and the bias of the final norm has no position, (V,).
    """
    if not config.has_embedding_norm:
        yield from _direction_steps(config, sizes)
    yield _contribution("token", "embedding.token[t,c]", _rows(Cells("embedding.token")), config, sizes)
    yield _contribution("position", "embedding.position[t,c]", _rows(Cells("embedding.position")), config, sizes)
    for layer in range(config.n_layer):
        yield from _layer_steps(f"h.{layer}", config, sizes)
    if _has_final_bias(config):
        yield _bias_step(config, sizes)
    yield _sum_step(config)


def _direction_steps(config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    matrix = head_matrix(config)
    words, scale, channels = Cells(matrix), Cells("ln_f.weight"), range(sizes.c)
    read, mean = Cells(f"{ATTRIBUTION}.read"), Cells(f"{ATTRIBUTION}.mean")
    yield Step(
        name=read.name,
        axes="vc",
        equation=f"read[v,c] = ln_f.weight[c]·{matrix}[v,c]",
        section="17.2",
        meaning="What each channel of the normalized vector is worth to the logit of each word.",
        cell=lambda v, c: scale[c] * words[v, c],
    )
    yield Step(
        name=mean.name,
        axes="v",
        equation=f"mean[v] = Σ_c read[v,c] / {sizes.c}",
        section="17.3",
        meaning="The mean over the channels.",
        cell=lambda v: total(read[v, c] for c in channels) / Constant(sizes.c),
    )
    yield Step(
        name=_DIRECTION,
        axes="vc",
        equation="direction[v,c] = read[v,c] - mean[v]",
        section="17.3",
        meaning="The direction of each word: the final norm subtracts the mean from the vector that it reads, and "
        "subtracting it here instead gives the same logit.",
        cell=lambda v, c: read[v, c] - mean[v],
    )


def _contribution(
    part: str,
    written: str,
    row: Callable[..., Ref],
    config: GPTConfig,
    sizes: Sizes,
    *,
    axes: str = "tv",
    meaning: str = "",
) -> Step:
    """Return the step (17.5): 1/σ times the dot product of what a part wrote with the direction of each word."""
    direction, along, factor = Cells(_DIRECTION), "direction", "ln_f.rstd"
    if config.has_embedding_norm:
        along = head_matrix(config)
        direction, factor = Cells(along), f"{EMBEDDING_NORM}.rrms" if part in ("token", "position") else ""

    def cell(*index: int) -> Expression:
        *head, t, v = index
        product = total(row(*head, t, c) * direction[v, c] for c in range(sizes.c))
        return Cells(factor)[t] * product if factor else product

    dot_product = f"Σ_c {written}·{along}[v,c]"
    return Step(
        name=f"{ATTRIBUTION}.{part}",
        axes=axes,
        equation=f"{part}[{','.join(axes)}] = " + (f"{factor}[t]·({dot_product})" if factor else dot_product),
        section="19.10" if config.has_embedding_norm else "17.5",
        meaning=meaning or f"What the {part}'s vector adds to the logit of each word.",
        cell=cell,
    )


def _rows(tensor: Cells) -> Callable[..., Ref]:
    return lambda *index: tensor[index]


def _layer_steps(block: str, config: GPTConfig, sizes: Sizes) -> Iterator[Step]:
    heads, weight = Cells(f"{block}.attn.heads"), Cells(f"{block}.attn.c_proj.weight")
    wrote, width = Cells(f"{ATTRIBUTION}.{block}.attn.out"), sizes.d
    yield Step(
        name=wrote.name,
        axes="htc",
        equation=f"out[h,t,c] = Σ_d heads[h,t,d]·c_proj.weight[{width}·h + d,c]",
        section="17.4",
        meaning="What each head adds to the residual stream: its rows of the projection.",
        cell=lambda h, t, c: total(heads[h, t, d] * weight[h * width + d, c] for d in range(width)),
    )
    yield _contribution(
        f"{block}.attn",
        "out[h,t,c]",
        _rows(wrote),
        config,
        sizes,
        axes="htv",
        meaning="What each head adds to the logit of each word.",
    )
    if config.bias:
        bias = Cells(f"{block}.attn.c_proj.bias")
        yield _contribution(
            f"{block}.attn.bias",
            "c_proj.bias[c]",
            lambda t, c: bias[c],
            config,
            sizes,
            meaning="What the bias of the projection adds to the logit of each word.",
        )
    yield _contribution(
        f"{block}.mlp",
        "mlp.out[t,c]",
        _rows(Cells(f"{block}.mlp.out")),
        config,
        sizes,
        meaning="What the feed-forward network adds to the logit of each word.",
    )


def _bias_step(config: GPTConfig, sizes: Sizes) -> Step:
    matrix = head_matrix(config)
    bias, words = Cells("ln_f.bias"), Cells(matrix)
    return Step(
        name=f"{ATTRIBUTION}.bias",
        axes="v",
        equation=f"bias[v] = Σ_c ln_f.bias[c]·{matrix}[v,c]",
        section="17.5",
        meaning="What the bias of the final norm adds to the logit of each word, whatever the text.",
        cell=lambda v: total(bias[c] * words[v, c] for c in range(sizes.c)),
    )


def _sum_step(config: GPTConfig) -> Step:
    def term(part: Part, t: int, v: int) -> Ref:
        if part.name == f"{ATTRIBUTION}.bias":
            return Cells(part.name)[v]
        return Cells(part.name)[(t, v) if part.head is None else (part.head, t, v)]

    return Step(
        name=LOGITS,
        axes="tv",
        equation="logits[t,v] = Σ of all parts",
        section="17.6",
        meaning="All parts together are the logit again; the last digits may differ, because each part is rounded.",
        cell=lambda t, v: total(term(part, t, v) for part in parts_of(config)),
    )
