"""microgpt: its scalar autograd, written again from a description, computes what numpy_gpt computes; and its names.

The description: each token's row of ``wte`` and its position's row of ``wpe`` are added and normalized; each layer
normalizes, computes q, k and v, attends to the past with scores divided by the root of the head size, multiplies by
``attn_wo`` and adds; normalizes, multiplies by ``mlp_fc1``, takes max(x, 0), multiplies by ``mlp_fc2`` and adds;
``lm_head`` makes the logits. The loss is the mean surprise, and Adam has a rate that falls linearly to 0.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.adamw import adamw_state, adamw_step
from numpy_gpt.model import loss_and_gradients
from numpy_gpt.parameters import parameters_from
from numpy_gpt.shared.interchange.microgpt import (
    from_microgpt,
    loud_values,
    microgpt_config,
    microgpt_shapes,
    to_microgpt,
)
from numpy_gpt.shared.model.names import parameter_count, parameter_shapes

CONFIG = microgpt_config()
BOS = 26
NAMES = ("ava", "emma", "mia")
RATE, BETA1, BETA2, EPSILON, STEPS = 0.01, 0.85, 0.99, 1e-8, 1000


class Number:
    """A float that remembers its parents and the slope towards each."""

    def __init__(self, value, *parents):
        self.value, self.parents, self.gradient = value, parents, 0.0

    def __add__(self, other):
        other = number(other)
        return Number(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        other = number(other)
        return Number(self.value * other.value, (self, other.value), (other, self.value))

    def power(self, exponent):
        return Number(self.value**exponent, (self, exponent * self.value ** (exponent - 1)))

    def exp(self):
        value = math.exp(self.value)
        return Number(value, (self, value))

    def log(self):
        return Number(math.log(self.value), (self, 1 / self.value))

    def positive_part(self):
        return Number(max(self.value, 0.0), (self, 1.0 if self.value > 0 else 0.0))

    def propagate(self):
        """Give every number that this one was computed from its gradient."""
        order, seen, stack = [], set(), [(self, iter(self.parents))]
        while stack:
            node, rest = stack[-1]
            for parent, _ in rest:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append((parent, iter(parent.parents)))
                    break
            else:
                order.append(node)
                stack.pop()
        self.gradient = 1.0
        for node in reversed(order):
            for parent, slope in node.parents:
                parent.gradient += slope * node.gradient


def number(x):
    return x if isinstance(x, Number) else Number(x)


def added(numbers):
    numbers = list(numbers)
    result = numbers[0]
    for each in numbers[1:]:
        result = result + each
    return result


def dot(a, b):
    return added(x * y for x, y in zip(a, b, strict=True))


def times(rows, x):
    """Return the product of a matrix (out, in), a list of rows, with a vector."""
    return [dot(row, x) for row in rows]


def normalized(x):
    scale = (dot(x, x) * (1 / len(x)) + 1e-5).power(-0.5)
    return [each * scale for each in x]


def shares(x):
    largest = max(each.value for each in x)
    powers = [(each + -largest).exp() for each in x]
    whole = added(powers).power(-1)
    return [each * whole for each in powers]


def attended(query, keys, values, size):
    result = []
    for first in range(0, len(query), size):
        head = slice(first, first + size)
        weights = shares([dot(query[head], key[head]) * size**-0.5 for key in keys])
        result += [dot(weights, column) for column in zip(*(value[head] for value in values), strict=True)]
    return result


def mean_surprise(matrices, tokens, targets):
    """Return the loss as a Number: position by position, with the keys and values of the past kept."""
    past = [([], []) for _ in range(CONFIG.n_layer)]
    surprises = []
    for place, (token, target) in enumerate(zip(tokens, targets, strict=True)):
        x = normalized([a + b for a, b in zip(matrices["wte"][token], matrices["wpe"][place], strict=True)])
        for layer, (keys, values) in enumerate(past):
            w = {name.partition(".")[2]: rows for name, rows in matrices.items() if name.startswith(f"layer{layer}.")}
            read = normalized(x)
            keys.append(times(w["attn_wk"], read))
            values.append(times(w["attn_wv"], read))
            heads = attended(times(w["attn_wq"], read), keys, values, CONFIG.head_size)
            x = [a + b for a, b in zip(x, times(w["attn_wo"], heads), strict=True)]
            hidden = [each.positive_part() for each in times(w["mlp_fc1"], normalized(x))]
            x = [a + b for a, b in zip(x, times(w["mlp_fc2"], hidden), strict=True)]
        surprises.append(shares(times(matrices["lm_head"], x))[target].log() * -1.0)
    return added(surprises) * (1 / len(surprises))


def example(name):
    """Return tokens and targets of a name between two BOS."""
    ids = [BOS, *(ord(letter) - ord("a") for letter in name), BOS]
    return ids[:-1], ids[1:]


def assert_same(ours, theirs):
    for name, array in theirs.items():
        assert np.abs(ours[name] - array).max() <= 1e-12, name


def test_loss_gradients_and_adam_steps_are_those_of_scalars():
    parameters = parameters_from(CONFIG, loud_values(CONFIG, dtype="float64"))
    state = adamw_state(parameters)
    weights = {name: array.copy() for name, array in to_microgpt(CONFIG, parameters).items()}
    m, v = ({name: np.zeros_like(array) for name, array in weights.items()} for _ in range(2))
    for step, name in enumerate(NAMES):
        tokens, targets = example(name)
        scalars = {key: [[Number(float(x)) for x in row] for row in array] for key, array in weights.items()}
        loss = mean_surprise(scalars, tokens, targets)
        loss.propagate()
        own, gradients = loss_and_gradients(parameters, [tokens], [targets])
        assert abs(float(own) - loss.value) <= 1e-12

        theirs = {key: np.array([[x.gradient for x in row] for row in rows]) for key, rows in scalars.items()}
        assert_same(to_microgpt(CONFIG, gradients), theirs)
        rate = RATE * (1 - step / STEPS)
        for key, g in theirs.items():
            m[key] = BETA1 * m[key] + (1 - BETA1) * g
            v[key] = BETA2 * v[key] + (1 - BETA2) * g**2
            corrected = m[key] / (1 - BETA1 ** (step + 1)), v[key] / (1 - BETA2 ** (step + 1))
            weights[key] = weights[key] - rate * corrected[0] / (corrected[1] ** 0.5 + EPSILON)
        settings = {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weight_decay": 0.0}
        adamw_step(parameters, gradients, state, step + 1, rate, **settings)
        assert_same(to_microgpt(CONFIG, parameters), weights)


def test_names_and_shapes_are_those_of_its_file():
    assert microgpt_shapes(CONFIG) == {
        **{"wte": (27, 16), "wpe": (16, 16), "lm_head": (27, 16)},
        **{f"layer0.attn_w{letter}": (16, 16) for letter in "qkvo"},
        **{"layer0.mlp_fc1": (64, 16), "layer0.mlp_fc2": (16, 64)},
    }
    assert parameter_count(CONFIG) == sum(map(math.prod, microgpt_shapes(CONFIG).values())) == 4192


@pytest.mark.parametrize("changes", [{}, {"n_layer": 3, "n_embd": 6, "n_head": 2}, {"n_layer": 0}])
def test_its_matrices_and_ours_have_the_same_numbers(changes):
    config = microgpt_config(**changes)
    values = loud_values(config)
    matrices = to_microgpt(config, values)
    assert list(matrices) == list(microgpt_shapes(config))
    again = from_microgpt(config, {name: array.copy() for name, array in matrices.items()})
    assert list(again) == list(parameter_shapes(config))
    for name, array in values.items():
        assert again[name].dtype == np.float32 and np.array_equal(again[name], array)


def test_what_does_not_fit_is_refused():
    matrices = to_microgpt(CONFIG, loud_values(CONFIG))
    without = {name: array for name, array in matrices.items() if name != "wpe"}
    for given, message in (
        (without, "microgpt's 'wpe' is missing; there must be 'wte', 'wpe', 'lm_head', 'layer0.attn_wq'"),
        (matrices | {"layer1.attn_wq": matrices["wte"]}, "no matrix 'layer1.attn_wq' with 1 layer; did you mean"),
        (matrices | {"layer0.mlp_fc1": matrices["layer0.mlp_fc2"]}, r"mlp_fc1 must have shape \(64, 16\), \(out, in\)"),
    ):
        with pytest.raises(UserError, match=message):
            from_microgpt(CONFIG, given)
    with pytest.raises(UserError, match="microgpt's model always has norm='rms_norm', but this one has 'layer_norm'"):
        microgpt_shapes(replace(CONFIG, norm="layer_norm"))
