"""How every layer is compared: one description of the layer, and the checks that run on it.

A ``Layer`` says how numpy_gpt computes output and gradients, which functions of torch compute the same, and what the
layer's bound is. The checks do not depend on the layer, and the layers' test files do not compare anything themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from numpy_gpt.gradcheck import check_gradients
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.record import Record, ignore, keep_in
from numpy_gpt.tolerances import between_two, exact, worst_case
from parity_tests.support.comparator import assert_close, assert_identical
from parity_tests.tolerances.sensitivity import between_two_statistical, deviations
from torch_gpt.record import with_gradients

Arrays = Mapping[str, Array]
DTYPES = ("float64", "float32")
EXPLICIT = "explicit"


@dataclass(frozen=True)
class Layer:
    """One layer with its inputs. All functions take the inputs by name and record what the layer records.

    ``inputs`` are the arrays that have gradients, ``fixed`` those that have none (masks). ``ours`` returns the output
    and the gradients by input name; ``theirs`` has torch's ways to the same output: ``explicit`` records everything
    that ours does, the others what they can. ``bound`` is ours as a statement over any kind of bound; ``deep`` layers
    use formula 8's statistical form, because propagated bounds multiply up.
    """

    name: str
    inputs: Arrays
    dout: Array
    ours: Callable[[Arrays, Arrays, Array, Record], tuple[Array, dict[str, Array]]]
    theirs: Mapping[str, Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Record], Tensor]]
    bound: Callable[[Any, Mapping[str, Any], Mapping[str, Any], Any, Record], tuple[Any, dict[str, Any]]]
    fixed: Arrays = field(default_factory=dict)
    deep: bool = False


def assert_twins_agree(layer: Layer) -> None:
    """Compare every array of the layer in both dtypes: ours with each of torch's ways, and those with each other."""
    tolerances_in = tolerances_of(layer)
    for dtype in DTYPES:
        tolerances = tolerances_in(dtype)
        ours = our_arrays(layer, dtype)
        ways = {way: their_arrays(layer, way, dtype) for way in layer.theirs}
        assert ours.keys() == tolerances.keys(), sorted(ours.keys() ^ tolerances.keys())
        missing = ours.keys() - ways[EXPLICIT].keys()
        assert not missing, f"torch_gpt.{layer.name} does not record {sorted(missing)}"
        for way, theirs in ways.items():
            _compare(f"{layer.name} ({way})", ours, theirs, tolerances)
            if way != EXPLICIT:
                _compare(f"{layer.name} (explicit, {way})", ways[EXPLICIT], theirs, tolerances)


def assert_twins_are_identical(
    layer: Layer, only: set[str] | None = None, ways: tuple[str, ...] = (), dtypes: tuple[str, ...] = DTYPES
) -> None:
    """Compare bit for bit, for inputs whose products and sums are all exact; ``only`` names the linear arrays."""
    for dtype in dtypes:
        ours = our_arrays(layer, dtype)
        for way in ways or layer.theirs:
            theirs = their_arrays(layer, way, dtype)
            for name in ours.keys() & theirs.keys() if only is None else only & theirs.keys():
                assert_identical(f"{layer.name}.{name} ({way}, whole numbers)", ours[name], theirs[name])


def assert_gradients_are_differences(layer: Layer, step: float = 1e-4) -> None:
    """Compare every gradient with central differences in float64, to 1e-7."""
    out, gradients = layer.ours(layer.inputs, layer.fixed, layer.dout, ignore)
    assert out.shape == layer.dout.shape

    def function(inputs: Mapping[str, Array]) -> Array:
        return layer.ours(inputs, layer.fixed, layer.dout, ignore)[0]

    assert gradients.keys() == layer.inputs.keys()
    try:
        check_gradients(function, layer.inputs, gradients, layer.dout, step=step)
    except AssertionError as error:
        raise AssertionError(f"{layer.name}: {error}") from None


def tolerances_of(layer: Layer) -> Callable[[str], dict[str, Array]]:
    """Return the function from dtype to every array's tolerance, by the names of ``our_arrays``."""
    if not layer.deep:
        return lambda dtype: _worst_cases(layer, dtype)
    statistical = deviations(lambda tape: _stated(layer, tape, tape.exact))
    return lambda dtype: {name: between_two_statistical(value, dtype) for name, value in statistical.items()}


def our_arrays(layer: Layer, dtype: str) -> dict[str, Array]:
    """Return what numpy_gpt computes: output, what is recorded, and the gradient of each input by d and its name."""
    kept: dict[str, Array] = {}
    inputs, fixed = _cast(layer.inputs, dtype), _cast(layer.fixed, dtype)
    before = {name: value.copy() for name, value in inputs.items()}
    out, gradients = layer.ours(inputs, fixed, layer.dout.astype(dtype), keep_in(kept))
    for name, value in before.items():
        assert_identical(f"{layer.name}: its own input {name}, afterwards", inputs[name], value)
    return kept | {"output": out} | {f"gradient of {name}": value for name, value in gradients.items()}


def their_arrays(layer: Layer, way: str, dtype: str) -> dict[str, Array]:
    """Return the same from torch, by autograd, as NumPy arrays."""
    kept: dict[str, Array] = {}

    def record(name: str, tensor: Tensor) -> None:
        kept[name] = tensor.numpy().copy()

    inputs = {name: torch.from_numpy(value).requires_grad_() for name, value in _cast(layer.inputs, dtype).items()}
    fixed = {name: torch.from_numpy(value) for name, value in _cast(layer.fixed, dtype).items()}
    out = layer.theirs[way](inputs, fixed, with_gradients(record))
    gradients = torch.autograd.grad(out, list(inputs.values()), torch.from_numpy(layer.dout.astype(dtype)))
    named = {f"gradient of {name}": part.numpy() for name, part in zip(inputs, gradients, strict=True)}
    return kept | {"output": out.detach().numpy()} | named


def _compare(title: str, actual: Arrays, expected: Arrays, tolerances: Mapping[str, Any]) -> None:
    required = {name for name in actual if name == "output" or name.startswith("gradient of ")}
    assert required <= expected.keys(), f"{title}: {sorted(required - expected.keys())}"
    for name in tolerances:
        if name in actual and name in expected:
            assert_close(f"{title}, {name}", actual[name], expected[name], tolerances[name])


def _worst_cases(layer: Layer, dtype: str) -> dict[str, Array]:
    def lift(value: Array) -> Any:
        return exact(value, dtype)

    return {name: between_two(bound) for name, bound in _stated(layer, worst_case, lift).items()}


def _stated(layer: Layer, ops: Any, lift: Callable[[Array], Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    inputs = {name: lift(value) for name, value in layer.inputs.items()}
    fixed = {name: lift(value) for name, value in layer.fixed.items()}
    out, gradients = layer.bound(ops, inputs, fixed, lift(layer.dout), kept.__setitem__)
    return kept | {"output": out} | {f"gradient of {name}": value for name, value in gradients.items()}


def _cast(arrays: Arrays, dtype: str) -> dict[str, Array]:
    return {name: value.astype(dtype) for name, value in arrays.items()}


def present(**gradients: Array | None) -> dict[str, Array]:
    """Return the gradients that exist: an absent bias has none."""
    return {name: value for name, value in gradients.items() if value is not None}
