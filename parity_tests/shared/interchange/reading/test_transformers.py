"""Random models that the real ``transformers`` makes and writes are the same functions here, in both twins.

Everything is computed in float64, whose rounding errors in these gradients are about 1e-13 (layer norm of one or two
channels multiplies by 1/√ε). AdamW's division by √v + 1e-5 amplifies them by at most 1e5 times the learning rate, to
1e-10; with its usual 1e-8, a gradient that is 0 but for rounding would move weights by as much as 1e-7. A wrong layout,
activation, epsilon, scale or name is off by more than 1e-5. ``_FRACTION`` lies between, so that no verdict depends on
how a machine rounds.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import numpy_gpt
import torch_gpt
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.interchange.reading.place import read_foreign
from numpy_gpt.shared.model.record import keep_in
from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig
from parity_tests.shared.interchange.foreign_files import causal_masks
from parity_tests.support.comparator import assert_close
from torch_gpt.engine import TorchEngine

_FRACTION = 1e-7
_STEPS, _RATE, _EPSILON, _NEW_TOKENS = 5, 1e-2, 1e-5, 30
_ACTIVATIONS = ["gelu_new", "gelu_pytorch_tanh", "gelu_accurate", "gelu_fast", "gelu", "relu"]


@pytest.fixture(scope="module")
def transformers():
    library = pytest.importorskip("transformers", reason='pip install "numpy-gpt[interop]"')
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


@st.composite
def configs(draw):
    """Draw the fields of a GPT2Config."""
    n_head = draw(st.integers(1, 3))
    rate = draw(st.sampled_from([0.0, 0.1]))
    return {
        "vocab_size": draw(st.integers(5, 17)),
        "n_positions": draw(st.integers(33, 36)),
        "n_embd": n_head * draw(st.integers(1, 4)),
        "n_layer": draw(st.integers(1, 2)),
        "n_head": n_head,
        "activation_function": draw(st.sampled_from(_ACTIVATIONS)),
        "layer_norm_epsilon": draw(st.sampled_from([1e-5, 1e-3])),
        "tie_word_embeddings": draw(st.booleans()),
        "scale_attn_weights": draw(st.booleans()),
        "scale_attn_by_inverse_layer_idx": draw(st.booleans()),
        "reorder_and_upcast_attn": False,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), rate),
        **dict.fromkeys(("bos_token_id", "eos_token_id"), None),
    }


def random_model(transformers, fields, seed):
    """Return a GPT2LMHeadModel in float64 with random numbers everywhere, biases and norms included."""
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**fields)).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.normal(0.1, 0.4, parameter.shape, generator=generator, dtype=torch.float64))
    return model


def write_model(model, form, folder):
    """Write a model in one of the forms in which Hugging Face directories exist, and return the directory."""
    if form == "shards":
        model.save_pretrained(folder, max_shard_size=300)
        assert (folder / "model.safetensors.index.json").exists()
    elif form == "safetensors":
        model.save_pretrained(folder)
    else:
        state = dict(model.state_dict())
        if "masks" in form:
            state |= causal_masks(numpy_gpt.GPTConfig(**_sizes(model)))
            state["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
        model.config.save_pretrained(folder)
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization="legacy" not in form)
    return folder


def _sizes(model):
    config = model.config
    sizes = {"vocab_size": config.vocab_size, "block_size": config.n_positions, "n_layer": config.n_layer}
    return {**sizes, "n_head": config.n_head, "n_embd": config.n_embd}


FORMS = ["safetensors", "shards", "state dict", "legacy state dict with masks"]


@settings(max_examples=6)
@given(fields=configs(), form=st.sampled_from(FORMS), seed=st.integers(0, 99))
def test_a_model_is_the_same_function(transformers, tmp_path_factory, fields, form, seed):
    check_model(transformers, tmp_path_factory.mktemp("model"), fields, form, seed)


@pytest.mark.prove
@settings(max_examples=100)
@given(fields=configs(), form=st.sampled_from(FORMS), seed=st.integers(0, 99))
def test_a_hundred_models_are_the_same_function(transformers, tmp_path_factory, fields, form, seed):
    check_model(transformers, tmp_path_factory.mktemp("model"), fields, form, seed)


def check_model(transformers, folder, fields, form, seed):
    """Assert that logits, loss, gradients, five steps and thirty greedy tokens are those of transformers."""
    theirs = random_model(transformers, fields, seed)
    checkpoint = read_foreign(write_model(theirs, form, folder)).checkpoint
    rng = np.random.default_rng(seed)
    tokens = rng.integers(fields["vocab_size"], size=(2, 7))
    output = theirs(torch.tensor(tokens[:, :-1]))
    loss = torch.nn.functional.cross_entropy(output.logits.flatten(0, 1), torch.tensor(tokens[:, 1:]).flatten())
    loss.backward()
    expected = {name: parameter.grad.numpy().copy() for name, parameter in _named(theirs)}
    scaled = not fields["scale_attn_weights"] or fields["scale_attn_by_inverse_layer_idx"]
    for computed in (_with_numpy(checkpoint, tokens), _with_torch(checkpoint, tokens)):
        logits, our_loss, gradients = computed
        _assert_near("logits", logits, output.logits.detach().numpy())
        _assert_near("loss", our_loss, loss.detach().numpy())
        for name, gradient in gradients.items():
            _assert_near(name, *_without_queries(name, scaled, fields["n_embd"], gradient, expected[name]))
    _check_greedy(theirs, checkpoint, tokens[0, :3].tolist())
    if not scaled:  # a scale in q's weights is the same function, but another path of training
        _check_training(theirs, checkpoint, tokens)


def _named(model):
    return [(name.removeprefix("transformer."), parameter) for name, parameter in model.named_parameters()]


def _assert_near(name, actual, expected):
    assert_close(f"{name} (transformers)", actual, expected, _FRACTION * (np.abs(expected).max() + 1e-3))


def _without_queries(name, scaled, width, *arrays):
    """Leave out the gradient of q's weights if a scale is folded into them: it is then of other numbers."""
    return [array[..., width:] if scaled and "c_attn" in name else array for array in arrays]


def _with_numpy(checkpoint, tokens):
    parameters = numpy_gpt.parameters_from(checkpoint.config, checkpoint.values)
    loss, gradients = numpy_gpt.loss_and_gradients(parameters, tokens[:, :-1], tokens[:, 1:])
    return numpy_gpt.gpt_forward(parameters, tokens[:, :-1])[0], np.array(float(loss)), dict(gradients)


def _with_torch(checkpoint, tokens):
    kept = {}
    engine = TorchEngine(_recipe(checkpoint), checkpoint.values, None, "cpu")
    engine.predict(tokens[:, :-1], keep_in(kept))
    parameters = torch_gpt.parameters_from(checkpoint.config, checkpoint.values)
    loss, gradients = torch_gpt.loss_and_gradients(parameters, checkpoint.config, tokens[:, :-1], tokens[:, 1:])
    return kept["logits"], loss.numpy(), {name: gradient.numpy() for name, gradient in gradients.items()}


def _recipe(checkpoint):
    training = TrainingConfig(dtype="float64", beta2=0.95, grad_clip=1.0, adam_epsilon=_EPSILON, max_iters=9)
    config = numpy_gpt.GPTConfig(**{**vars(checkpoint.config), "dropout": 0.0})
    return Recipe(name="model", dataset="", model=config, training=training)


def _check_greedy(theirs, checkpoint, prompt):
    """Assert that of thirty greedy tokens, ours with the cache, each is the likeliest there, or as likely."""
    for engine_type in (NumpyEngine, TorchEngine):
        place = ("cpu",) if engine_type is TorchEngine else ()
        engine = engine_type(_recipe(checkpoint), checkpoint.values, None, *place)
        ours = [draw.token for draw in engine.draws(prompt, [0.5] * _NEW_TOKENS, temperature=0)]
        with torch.no_grad():
            logits = theirs(torch.tensor([prompt + ours[:-1]])).logits[0, len(prompt) - 1 :]
        chosen = logits[torch.arange(_NEW_TOKENS), torch.tensor(ours)]
        _assert_near("likeliest token", chosen.numpy(), logits.max(-1).values.numpy())


def _check_training(theirs, checkpoint, tokens):
    """Compare the weights after five steps of AdamW, decaying matrices only, with clipping, as nanoGPT trains."""
    parameters = list(theirs.parameters())
    groups = [[p for p in parameters if p.dim() >= 2], [p for p in parameters if p.dim() < 2]]
    optimizer = torch.optim.AdamW(
        [{"params": group, "weight_decay": decay} for group, decay in zip(groups, (0.1, 0.0), strict=True)],
        lr=_RATE,
        eps=_EPSILON,
        betas=(0.9, 0.95),
    )
    engines = [
        NumpyEngine(_recipe(checkpoint), checkpoint.values),
        TorchEngine(_recipe(checkpoint), checkpoint.values, None, "cpu"),
    ]
    for step in range(_STEPS):
        optimizer.zero_grad()
        logits = theirs(torch.tensor(tokens[:, :-1])).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(tokens[:, 1:]).flatten()).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for engine in engines:
            engine.training_step(tokens[:, :-1], tokens[:, 1:], step, _RATE)
    for engine in engines:
        values = engine.values()
        for name, parameter in _named(theirs):
            _assert_near(name, values[name], parameter.detach().numpy())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32(transformers, tmp_path, kind):
    fields = {"vocab_size": 9, "n_positions": 4, "n_embd": 4, "n_layer": 1, "n_head": 2, "eos_token_id": None}
    theirs = random_model(transformers, fields | {"bos_token_id": None}, 0).to(kind)
    theirs.save_pretrained(tmp_path)
    model = read_foreign(tmp_path)
    assert model.notes == (f"{str(kind).removeprefix('torch.')} numbers are read as float32",)
    for name, parameter in _named(theirs):
        assert np.array_equal(model.checkpoint.values[name], parameter.detach().float().numpy()), name


def test_a_model_without_head_is_tied(transformers, tmp_path):
    fields = {"vocab_size": 9, "n_positions": 4, "n_embd": 4, "n_layer": 1, "n_head": 2, "eos_token_id": None}
    theirs = random_model(transformers, fields | {"bos_token_id": None}, 0)
    theirs.transformer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["GPT2Model"]
    values = read_foreign(tmp_path).checkpoint.values
    assert all(np.array_equal(values[name], parameter.detach().numpy()) for name, parameter in _named(theirs))
