"""Every argument of every public function, with every kind of wrong value: one clear error, or a right result.

A wrong value may be harmless: ``seed=0`` is right, and where a list of ids is taken, so is an array. But no call may
end in an exception or a warning that NumPy, torch or Python wrote about something inside the library.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

import numpy_gpt
import torch_gpt
from gpt_data.errors import UserError
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from numpy_gpt import BigramConfig, GPTConfig, GradientError, initial_values
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.sampling import generate
from numpy_gpt.shared.model.names import dropout_shapes
from numpy_gpt.shared.runs.checkpoint import Checkpoint, save_checkpoint
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from torch_gpt.sampling import generate as twin_generate

CONFIG = GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4, dropout=0.5)
OTHER = GPTConfig(vocab_size=6, block_size=4, n_layer=2, n_head=2, n_embd=4)
BIGRAM = BigramConfig(vocab_size=5, block_size=4)
IDS = np.array([[1, 2, 3]])
LOGITS = np.array([0.5, 1.0, -1.0])
MASKS = {name: np.ones(shape, np.float32) for name, shape in dropout_shapes(CONFIG, 1, 3).items()}

Call = tuple[str, Callable[..., Any], dict[str, Any]]
"""A public function's name, the function, and arguments that are right."""


class Unreadable:
    """An object that NumPy cannot make an array of."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("no array")


def _wrong_values() -> dict[str, Any]:
    floats = np.arange(6.0).reshape(2, 3)
    values = initial_values(OTHER, 0)
    return {
        "None": None,
        "text": "x",
        "bytes": b"x",
        "NaN": float("nan"),
        "inf": float("inf"),
        "-1": -1,
        "0": 0,
        "2.5": 2.5,
        "1e300": 1e300,
        "1e-320": 1e-320,
        "10**30": 10**30,
        "10**5000": 10**5000,
        "True": True,
        "complex": 1 + 2j,
        "[]": [],
        "ragged": [[1, 2], [3]],
        "{}": {},
        "an object": object(),
        "unreadable": Unreadable(),
        "a function": lambda *_: None,
        "an empty array": np.zeros(0),
        "a 0-d array": np.array(1.0),
        "one axis": np.array([1, 2]),
        "two axes": floats,
        "three axes": np.ones((1, 2, 2)),
        "integers": np.arange(3),
        "bool array": np.ones((1, 3), bool),
        "complex array": np.ones(3, complex),
        "object array": np.array([None, "x", 1]),
        "text array": np.array(["a", "b"]),
        "structured array": np.zeros(3, [("a", int)]),
        "NaN array": np.array([np.nan, 1.0, 2.0]),
        "inf array": np.array([np.inf, 1.0, 2.0]),
        "huge array": np.array([1e308, -1e308, 0.0]),
        "negative array": np.array([-1.0, 2.0, 3.0]),
        "float16 array": np.ones(3, np.float16),
        "huge steps": np.array([1e308, 1e308, 1e308]),
        "longdouble array": np.ones(3, np.longdouble),
        "masked ids": np.ma.masked_array(IDS, IDS == 2),
        "a list of masked ids": [np.ma.masked_array([1, 2, 3], [0, 1, 0])],
        "masked row": np.ma.masked_array(LOGITS, LOGITS > 0),
        "big-endian": LOGITS.astype(">f8"),
        "read-only": _read_only(LOGITS),
        "a tensor": torch.tensor([0.5, 1.0, 2.0]),
        "integer tensor": torch.tensor([[1, 2, 3]]),
        "tensor with a gradient": torch.ones(3, requires_grad=True),
        "tensor on meta": torch.ones((1, 3), dtype=torch.int64, device="meta"),
        "row on meta": torch.ones(3, device="meta"),
        "bfloat16 tensor": torch.ones(3, dtype=torch.bfloat16),
        "sparse tensor": torch.eye(3).to_sparse(),
        "tensors by name": dict.fromkeys(initial_values(CONFIG, 0), torch.ones(2)),
        "arrays by name": initial_values(CONFIG, 0),
        "masked arrays by name": {name: np.ma.masked_array(value) for name, value in initial_values(CONFIG, 0).items()},
        "masked masks": {name: np.ma.masked_array(mask) for name, mask in MASKS.items()},
        "tensors on meta by name": {name: torch.ones(3, device="meta") for name in MASKS},
        "mask tensors on meta": {name: torch.ones(mask.shape, device="meta") for name, mask in MASKS.items()},
        "numbers by name": dict.fromkeys([*MASKS, *initial_values(CONFIG, 0)], 1.0),
        "other keys": {1: 2, "x": 3},
        "numpy_gpt's parameters of another config": numpy_gpt.parameters_from(OTHER, values),
        "torch_gpt's parameters of another config": torch_gpt.parameters_from(OTHER, values),
        "another config": OTHER,
        "a bigram config": BIGRAM,
        "a dtype": np.float64,
        "torch.float32": torch.float32,
        "torch.int64": torch.int64,
        "meta": "meta",
        "cuda:99": "cuda:99",
    }


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


WRONG = _wrong_values()


def _calls() -> Iterator[Call]:
    """Yield every public function with arguments that are right."""
    for config, prefix in ((CONFIG, "gpt"), (BIGRAM, "bigram")):
        values = initial_values(config, 0)
        ours, theirs = numpy_gpt.parameters_from(config, values), torch_gpt.parameters_from(config, values)
        masks = MASKS if config is CONFIG else {}
        given = {"tokens": IDS, "targets": IDS, "masks": masks, "record": lambda name, array: None, "fused": False}
        for module, first in ((numpy_gpt, {"parameters": ours}), (torch_gpt, {"parameters": theirs, "config": config})):
            for name in ("model.model_forward", "model.loss_of", "model.loss_and_gradients", "model.predict"):
                yield _call(module, name, prefix, first | given)
            yield _call(module, f"{prefix}.{prefix}_forward", prefix, first | given)
            for name in ("draws", "generate"):
                options = {"prompt": [1, 2], "uniforms": [0.1, 0.9], "temperature": 0.8, "top_k": 2, "top_p": 0.9}
                yield _call(module, f"sampling.{name}", prefix, first | options | {"cache": True, "fused": False})
            yield _call(module, "parameters.parameters_from", prefix, {"config": config, "values": values})
        logits, cache = numpy_gpt.model.model_forward(ours, IDS)
        backward = {"dlogits": np.ones_like(logits), "cache": cache, "record": given["record"]}
        yield _call(numpy_gpt, f"{prefix}.{prefix}_backward", prefix, backward)
        yield _call(numpy_gpt, "model.model_backward", prefix, backward)
        yield _call(numpy_gpt, "parameters.Parameters", prefix, {"config": config, "flat": ours.flat})
        start = {"config": config, "seed": 0, "dtype": "float32"}
        yield _call(numpy_gpt, "shared.model.initial_values.initial_values", prefix, start)
    yield from _other_calls()


def _other_calls() -> Iterator[Call]:
    for module, row in ((numpy_gpt, LOGITS), (torch_gpt, torch.from_numpy(LOGITS))):
        choice = {"logits": row, "temperature": 0.5, "top_k": 2, "top_p": 0.9}
        yield _call(module, "sampling.token_probabilities", "", choice)
        yield _call(module, "sampling.sample_token", "", {"probabilities": abs(row), "uniform": 0.5})
        parameters = module.parameters_from(CONFIG, initial_values(CONFIG, 0))
        rest = {"config": CONFIG, "fused": False} if module is torch_gpt else {"batch": 1}
        yield _call(module, "decoding.Decoder", "", {"parameters": parameters, **rest})
        decoder = module.decoding.Decoder(parameters, **rest)
        yield f"{module.__name__}.Decoder.read", _fresh_read(module, parameters, rest), {"tokens": IDS}
        assert decoder.length == 0
        yield f"{module.__name__}.keep_in", module.keep_in, {"store": {}}
        yield f"{module.__name__}.Intervention", module.Intervention, {"scale": row, "shift": 0.5}
        changes = {"changes": {"logits": module.Intervention(0.0)}, "record": lambda name, array: None}
        yield f"{module.__name__}.intervene", module.intervene, changes
    place = {"config": CONFIG, "values": initial_values(CONFIG, 0), "device": "cpu", "dtype": torch.float32}
    yield _call(torch_gpt, "parameters.parameters_from", "with a place", place)
    inputs = {"x": np.array([1.0, 2.0]), "y": np.array([0.5])}
    check = {
        "function": lambda given: given["x"] ** 2,
        "inputs": inputs,
        "gradients": {"x": np.array([6.0, 8.0])},
        "cotangent": np.array([3.0, 2.0]),
        "directions": 2,
        "step": 1e-4,
        "seed": 0,
    }
    yield "numpy_gpt.gradient_errors", numpy_gpt.gradient_errors, check
    yield "numpy_gpt.check_gradients", numpy_gpt.check_gradients, check | {"tolerance": 1e-7}
    yield from _engine_calls()
    yield from _library_calls()
    yield from _golden_calls()
    for name, config in (("GPTConfig", CONFIG), ("BigramConfig", BIGRAM)):
        yield name, type(config), {field: getattr(config, field) for field in config.__dataclass_fields__}


def _engine_calls() -> Iterator[Call]:
    model = replace(CONFIG, dropout=0.0)
    recipe = Recipe(name="x", dataset="none", model=model, training=TrainingConfig(dtype="float32", ema_decay=0.9))
    values = initial_values(CONFIG, 0)
    given = {"recipe": recipe, "values": values, "moments": (values, values), "trained": values}
    yield "NumpyEngine", NumpyEngine, given
    yield "TorchEngine", torch_gpt.TorchEngine, given | {"device": "cpu", "fused": False, "on_host": False}


def _library_calls() -> Iterator[Call]:
    for twin, place in ((numpy_gpt, {}), (torch_gpt, {"device": "cpu", "path": "explicit"})):
        yield _named(twin, twin.load_model), twin.load_model, {"run": None, "checkpoint": "best", **place}
        model = _small_model(twin, place)
        sampling = {"max_new_tokens": 2, "temperature": 0.5, "top_k": 2, "top_p": 0.9, "seed": 0}
        for function, arguments in (
            (model.predict, {}),
            (model.logits, {}),
            (model.loss, {}),
            (model.attention, {"layer": 0, "head": 1}),
            (model.step, {"learning_rate": 1e-4}),
            (model.guess, {"seed": 3}),
        ):
            yield _named(twin, function), function, {"text": "abc", **arguments}
        yield _named(twin, model.sample), model.sample, {"prompt": "ab", **sampling}
        prediction = model.predict("ab")
        yield _named(twin, prediction.likeliest), prediction.likeliest, {"count": 2, "position": 0}
        yield _named(twin, prediction.probability), prediction.probability, {"token": "a", "position": 0}
        recipe = {"dataset": "tiny", "n_embd": 4, "max_iters": 0, "eval_stride": None, "eval_iters": 0}
        paths = {"out_dir": None, "resume": None, "config": None, "source": None}
        compiled = {"compile": False, "tf32": False} if twin is torch_gpt else {}
        arguments = {"preset": "tiny", "progress": False, **paths, **recipe, **place, **compiled}
        yield _named(twin, twin.train), _somewhere(twin.train), arguments
        several = {name: value for name, value in arguments.items() if name != "resume"} | {"n_embd": (4, 6)}
        yield _named(twin, twin.compare), _somewhere(twin.compare), several
    trace = _small_model(numpy_gpt, {}).trace
    options = {"backward": False, "update": True, "learning_rate": 1e-4, "digits": 1}
    yield "Model.trace", trace, {"text": "ab", **options}
    lines = trace("ab").lines
    yield "TracedText.lines", lambda only: lines(only), {"only": "logits"}


def _golden_calls() -> Iterator[Call]:
    options = {"directory": "golden", "model": None, "steps": 1, "level": "ends", "layout": "ours", "seed": 270}
    yield "numpy_gpt.golden_pack", _somewhere(numpy_gpt.golden_pack), {**options, "dtype": "float32"}
    pack = _somewhere(numpy_gpt.golden_pack)(**options)
    theirs, names = {"L": np.float32(2.514428)}, {"L": "loss"}
    arguments = {"pack": pack, "theirs": theirs, "names": names, "dtype": "float32"}
    yield "numpy_gpt.golden_check", numpy_gpt.golden_check, arguments


def _small_model(twin: Any, place: Mapping[str, Any]) -> Any:
    with TemporaryDirectory() as directory:
        model = Checkpoint(CONFIG, CharacterTokenizer(tuple("abcde")), initial_values(CONFIG, 0))
        save_checkpoint(Path(directory) / "model", model)
        return twin.load_model(Path(directory) / "model", **place)


def _named(twin: Any, function: Callable[..., Any]) -> str:
    return f"{twin.__name__}.{function.__qualname__}"


def _somewhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that writes files, such as ``train``, in a directory of its own that is removed at the end."""

    def call(**arguments: Any) -> Any:
        with TemporaryDirectory() as place, contextlib.chdir(place):
            return function(**arguments)

    call.__name__ = function.__name__
    return call


def _fresh_read(module: Any, parameters: Any, rest: Mapping[str, Any]) -> Callable[..., Any]:
    return lambda tokens: module.decoding.Decoder(parameters, **rest).read(tokens)


def _call(module: Any, path: str, label: str, arguments: Mapping[str, Any]) -> Call:
    *rooms, name = path.split(".")
    function = getattr(import_module(".".join([module.__name__, *rooms])), name)
    known = inspect.signature(function).parameters
    return (
        f"{module.__name__}.{name} {label}".strip(),
        function,
        {key: value for key, value in arguments.items() if key in known},
    )


CALLS = list(_calls())


def _finish(result: Any) -> Any:
    return list(result) if isinstance(result, Iterator) else result


@pytest.mark.parametrize(("name", "function", "arguments"), CALLS, ids=[name for name, *_ in CALLS])
def test_a_wrong_argument_is_one_clear_error(name, function, arguments):
    _finish(function(**arguments))
    faults = []
    for parameter in arguments:
        for label, wrong in WRONG.items():
            if callable(wrong) and parameter in ("record", "function"):
                continue  # what a function of the caller's raises is the caller's
            try:
                _finish(function(**{**arguments, parameter: wrong}))
                if parameter not in ("store", "out_dir", "directory") and _is_never_right(label, arguments):
                    faults.append(f"{parameter}={label}: taken in silence")
            except UserError as error:
                if "\n" in str(error) or len(str(error)) > 400:
                    faults.append(f"{parameter}={label}: not one short line: {error}")
            except GradientError:
                pass  # a verdict, not a failure
            except Exception as error:
                faults.append(f"{parameter}={label}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)


def _is_never_right(label: str, arguments: Mapping[str, Any]) -> bool:
    other_model = label in ("another config", "torch_gpt's parameters of another config")
    return "masked" in label or "meta" in label or (other_model and "parameters" in arguments)


@pytest.mark.parametrize("twin", [numpy_gpt, torch_gpt], ids=lambda twin: twin.__name__)
def test_each_model_has_its_own_forward(twin):
    for config, other in ((CONFIG, "bigram"), (BIGRAM, "gpt")):
        parameters = twin.parameters_from(config, initial_values(config, 0))
        rest = (config,) if twin is torch_gpt else ()
        with pytest.raises(UserError, match="the model must be a"):
            getattr(twin, f"{other}_forward")(parameters, *rest, IDS)


def test_gradients_need_parameters_that_require_them():
    parameters = torch_gpt.parameters_from(CONFIG, initial_values(CONFIG, 0))
    parameters = {name: parameter.detach() for name, parameter in parameters.items()}
    with pytest.raises(UserError, match=r"parameter 'wte\.weight' must require a gradient"):
        torch_gpt.loss_and_gradients(parameters, CONFIG, IDS, IDS)


def test_generation_is_refused_before_the_first_token():
    values = initial_values(CONFIG, 0)
    with pytest.raises(UserError, match="temperature must be a number, not None"):
        generate(numpy_gpt.parameters_from(CONFIG, values), [1], [0.5], temperature=None)
    with pytest.raises(UserError, match="temperature must be a number, not None"):
        twin_generate(torch_gpt.parameters_from(CONFIG, values), CONFIG, [1], [0.5], temperature=None)


@pytest.mark.parametrize("flat", [np.zeros(8)[::2], np.zeros(4, int), np.zeros(4, ">f8"), np.ma.zeros(4), [0.0] * 4])
def test_a_flat_array_of_another_kind_is_refused(flat):
    config = GPTConfig(vocab_size=1, block_size=1, n_layer=0, n_head=1, n_embd=1)
    with pytest.raises(UserError, match="the flat array must"):
        numpy_gpt.Parameters(config, flat)


def test_every_public_function_is_tried():
    tried = {getattr(function, "__name__", "") for _, function, _ in CALLS}
    public = {name for module in (numpy_gpt, torch_gpt) for name in module.__all__}
    assert public - tried == {"GradientError"}  # an exception, which is not called
