"""What all linear layers share: their three backward products, and the mistakes that each of them may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy_gpt.golden.operations.operation import BACKWARD, Operation, Rule, Value
from numpy_gpt.shared.model.config import GPTConfig


def transposed(a: Any) -> Any:
    """Swap the last two axes."""
    return a.swapaxes(-1, -2)


def rows(a: Any) -> Any:
    """Return one row for each position: (…, C) → (N, C)."""
    return a.reshape(-1, a.shape[-1])


def misread(a: Any) -> Any:
    """Read a matrix (I, O) from memory that is taken for (O, I): for a square one, its transpose."""
    return a.reshape(a.shape[::-1]).T


def miswritten(a: Any) -> Any:
    """Write the numbers of the transpose (O, I) where a matrix (I, O) is expected."""
    return a.T.reshape(a.shape)


READINGS = (misread, miswritten)


class Linear(NamedTuple):
    """A linear layer inside an operation.

    ``name`` is for people; ``x``, ``out``, ``dout`` and ``dx`` are the operation's names of its input, its output and
    their gradients, ``weight`` the beginning of its parameters'; ``axes`` are those of out, weight and bias;
    ``forward`` and ``backward`` are its equations.
    """

    name: str
    x: str
    out: str
    weight: str
    dout: str
    dx: str
    axes: tuple[str, str, str]
    forward: str
    backward: str


def declare_forward(operation: Operation, layer: Linear) -> None:
    """Declare the output of a linear layer."""

    @operation.array(layer.out, layer.axes[0], layer.forward)
    def linear_out(s: Any) -> Value:
        return s.o.linear(s[layer.x], s[f"{layer.weight}.weight"], s.get(f"{layer.weight}.bias"))


def declare_backward(operation: Operation, layer: Linear) -> None:
    """Declare the gradients of its weight, bias and input, and the mistakes of both passes."""
    dx_axes = ",".join((*layer.axes[0].split(",")[:-1], layer.axes[1].split(",")[0]))

    @operation.array(f"{layer.weight}.dweight", layer.axes[1], layer.backward, BACKWARD)
    def dweight(s: Any) -> Value:
        return s.o.matmul(s.o.shaped(s.o.shaped(s[layer.x], rows), transposed), s.o.shaped(s[layer.dout], rows))

    @operation.array(f"{layer.weight}.dbias", layer.axes[2], layer.backward, BACKWARD, exists=_has_bias)
    def dbias(s: Any) -> Value:
        return s.o.total(s.o.shaped(s[layer.dout], rows), 0)

    @operation.array(layer.dx, dx_axes, layer.backward, BACKWARD)
    def linear_dx(s: Any) -> Value:
        return s.o.matmul(s[layer.dout], s.o.shaped(s[f"{layer.weight}.weight"], transposed))

    _declare_mistakes(operation, layer)


def _has_bias(config: GPTConfig) -> bool:
    return config.bias


def _declare_mistakes(operation: Operation, layer: Linear) -> None:
    _declare_forward_mistakes(operation, layer)
    _declare_transpositions(operation, layer)
    _declare_sums(operation, layer)


def _declare_forward_mistakes(operation: Operation, layer: Linear) -> None:
    name, x, out, weight, dout, dx, _, forward, _ = layer
    at = f"{operation.name}.{weight}"

    def with_weight(change: Callable[[Any], Any], both: bool) -> dict[str, Rule]:
        rules: dict[str, Rule] = {
            out: lambda s: s.o.linear(s[x], s.o.shaped(s[f"{weight}.weight"], change), s.get(f"{weight}.bias"))
        }
        if both:
            rules[dx] = lambda s: s.o.matmul(s[dout], s.o.shaped(s.o.shaped(s[f"{weight}.weight"], change), transposed))
        return rules

    for reading in READINGS:
        operation.mistake(
            f"{at}.transposed",
            f"{name}.weight is read as if it were stored (out, in): it is (in, out)",
            forward,
            with_weight(reading, both=True),
        )
    operation.mistake(
        f"{at}.no_bias",
        f"{name}.bias is forgotten",
        forward,
        {out: lambda s: s.o.matmul(s[x], _present(s, f"{weight}.weight", s.has(f"{weight}.bias")))},
    )
    operation.mistake(
        f"{at}.bias_twice",
        f"{name}.bias is added twice",
        forward,
        {out: lambda s: s.o.add(s.right(out), _present(s, f"{weight}.bias", s.has(f"{weight}.bias")))},
    )


def _declare_transpositions(operation: Operation, layer: Linear) -> None:
    name, weight, at = layer.name, layer.weight, f"{operation.name}.{layer.weight}"
    dout, dx, backward = layer.dout, layer.dx, layer.backward
    operation.mistake(
        f"{at}.dx_transposed",
        f"the gradient of {name}'s input takes the weight, not its transpose",
        backward,
        {dx: lambda s: s.o.matmul(s[dout], s.o.shaped(s[f"{weight}.weight"], lambda w: transposed(misread(w))))},
    )
    for reading in READINGS:
        operation.mistake(
            f"{at}.dweight_transposed",
            f"the gradient of {name}.weight is transposed: doutᵀ x, not xᵀ dout",
            backward,
            wraps={f"{weight}.dweight": lambda s, right, reading=reading: s.o.shaped(right, reading)},
        )


def _declare_sums(operation: Operation, layer: Linear) -> None:
    name, weight, at = layer.name, layer.weight, f"{operation.name}.{layer.weight}"
    x, dout, backward = layer.x, layer.dout, layer.backward
    for which, keep, words in (("last", -1, "the last"), ("first", 0, "the first")):
        rules: dict[str, Any] = {
            f"{weight}.dweight": _of_one(x, dout, keep),
            f"{weight}.dbias": lambda s, keep=keep: s.o.total(s.o.shaped(s[dout], lambda a: rows(a[keep])), 0),
        }
        for part in (rules, *({key: rule} for key, rule in rules.items())):
            operation.mistake(
                f"{at}.batch_{which}",
                f"the gradients of {name} are those of {words} sequence of the batch, not the sum over the batch",
                backward,
                part,
            )
    operation.mistake(
        f"{at}.batch_mean",
        f"the gradients of {name} are divided by the batch size once more",
        backward,
        wraps={
            f"{weight}.dweight": lambda s, right: s.o.scale(right, 1 / len(s.tokens)),
            f"{weight}.dbias": lambda s, right: s.o.scale(right, 1 / len(s.tokens)),
        },
    )
    dbias = f"{weight}.dbias"
    for ending, sentence, wrap in (
        ("zero", "forgotten: it is 0", lambda s, right: s.o.scale(right, 0.0)),
        ("last", "that of the last position", lambda s, right: s.o.shaped(s[dout], lambda a: rows(a)[-1])),
        ("mean", "the mean over the positions, not the sum", lambda s, right: s.o.scale(right, 1 / s.tokens.size)),
    ):
        words = f"the gradient of {name}.bias is {sentence}"
        operation.mistake(f"{at}.dbias_{ending}", words, backward, wraps={dbias: wrap})


def _of_one(x: str, dout: str, keep: int) -> Rule:
    def rule(s: Any) -> Value:
        s.require(len(s.tokens) > 1)
        first = s.o.shaped(s[x], lambda a: transposed(rows(a[keep])))
        return s.o.matmul(first, s.o.shaped(s[dout], lambda a: rows(a[keep])))

    return rule


def _present(s: Any, key: str, condition: bool) -> Value:
    s.require(condition)
    return s[key]
