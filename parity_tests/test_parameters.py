"""One flat array and its views: a change of one is a change of the other."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt import GPTConfig, initial_values, loss_and_gradients, loss_of, parameters_from
from numpy_gpt.parameters import in_chunks
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes
from torch_gpt.parameters import by_block

CONFIG = GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4)


def _parameters(config=CONFIG, dtype="float64"):
    return parameters_from(config, initial_values(config, 0, dtype))


def test_views_share_the_flat_array():
    parameters = _parameters()
    assert parameters.flat.size == parameter_count(CONFIG)
    parameters.flat[:] = np.arange(parameters.flat.size)
    assert sorted(value for view in parameters.values() for value in view.flat) == parameters.flat.tolist()
    parameters["h.1.mlp.c_fc.weight"][2, 3] = -1
    assert (parameters.flat == -1).sum() == 1
    assert parameters.blocks[1]["mlp.c_fc.weight"][2, 3] == -1


@pytest.mark.parametrize("size", [1, 2, 6, 7, 8, 14, 100])
def test_every_number_is_in_one_part(size):
    numbers, others = np.arange(size), -np.arange(size)
    parts = list(in_chunks(numbers, others, part=7))
    assert max(len(part) for part, _ in parts) <= 7
    assert np.array_equal(np.concatenate([part for part, _ in parts]), numbers)
    assert np.array_equal(np.concatenate([part for _, part in parts]), others)
    assert all(np.shares_memory(part, numbers) for part, _ in parts)


def test_tensors_are_copied_into_their_views():
    parameters = _parameters()
    tensors = {name: np.random.default_rng(1).normal(size=view.shape) for name, view in parameters.items()}
    copies = parameters.empty_like()
    assert copies.copy_from(dict(reversed(tensors.items()))) is copies
    assert all(np.array_equal(copies[name], tensor) for name, tensor in tensors.items())


def test_names_come_in_order_of_computation():
    assert list(_parameters()) == list(parameter_shapes(CONFIG))


def test_decay_reaches_matrices_only():
    parameters = _parameters()
    parameters.flat[:] = 1
    parameters.decayed[...] = 0
    assert {name: view.any() for name, view in parameters.items()} == {
        name: len(shape) == 1 for name, shape in parameter_shapes(CONFIG).items()
    }


@pytest.mark.parametrize(("tie", "name"), [(True, "wte.weight"), (False, "lm_head.weight")])
def test_a_tied_head_is_the_embedding(tie, name):
    config = GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4, tie_weights=tie)
    parameters = _parameters(config)
    assert np.shares_memory(parameters.head, parameters[name])
    assert ("lm_head.weight" in parameters) is not tie


def test_the_values_are_copied():
    values = initial_values(CONFIG, 0, "float64")
    parameters = parameters_from(CONFIG, values)
    parameters.flat[:] = 7
    assert not any((value == 7).any() for value in values.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("ln_f.bias"), "missing parameter 'ln_f.bias'"),
        (lambda values: values.update(extra=np.ones(2)), "unknown parameter 'extra'"),
        (lambda values: values.update({"ln_f.bias": np.ones(3)}), r"'ln_f.bias' must have shape \(4,\), not \(3,\)"),
        (lambda values: values.update({"ln_f.bias": np.ones(4, np.float32)}), "all parameters must be float32, or all"),
        (lambda values: values.update({"ln_f.bias": np.ones(4, int)}), "all parameters must be float32, or all"),
    ],
)
def test_bad_values_are_refused(change, message):
    values = initial_values(CONFIG, 0, "float64")
    change(values)
    with pytest.raises(UserError, match=message):
        parameters_from(CONFIG, values)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_deep_copy_is_independent(copied):
    original = _parameters(CONFIG)
    tokens, targets = [[1, 2, 3]], [[2, 3, 4]]
    before, start = original.flat.copy(), loss_of(original, tokens, targets)  # the views are there now
    assert len(original.blocks) == CONFIG.n_layer
    other = copied(original)
    _, gradients = loss_and_gradients(other, tokens, targets)
    for _ in range(3):
        other.decayed[...] *= 0.9
        other.flat -= 0.1 * gradients.flat
    assert loss_of(other, tokens, targets) < start
    assert np.array_equal(original.flat, before)
    assert loss_of(original, tokens, targets) == start
    for name in other:
        assert np.shares_memory(other[name], other.flat)


def test_a_shallow_copy_shares_its_numbers():
    original = _parameters(CONFIG)
    shallow = copy.copy(original)
    assert shallow.flat is original.flat
    assert np.shares_memory(shallow["wte.weight"], original.flat)
    assert original == original
    assert original != copy.deepcopy(original)
    assert len({original, shallow}) == 2


def test_twins_split_into_the_same_blocks():
    parameters = _parameters(replace(CONFIG, n_layer=12))  # so that one layer's name begins with another's
    blocks = by_block(dict(parameters), 12)
    assert [list(block) for block in blocks] == [list(names) for names in parameters.block_names]
    for block, expected in zip(blocks, parameters.blocks, strict=True):
        assert all(block[name] is tensor for name, tensor in expected.items())


def test_blocks_are_found_in_one_pass():
    names = _CountedNames(_parameters().views)
    by_block(names, CONFIG.n_layer)
    assert names.passes == 1


class _CountedNames(dict):
    passes = 0

    def items(self):
        self.passes += 1
        return super().items()
