"""The model of a pack: a preset, a run, another program's model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt import golden_pack, initial_values
from numpy_gpt.golden.theirs.reading import read_theirs
from numpy_gpt.shared.interchange.microgpt import microgpt_config
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from numpy_gpt.shared.training.presets import preset
from parity_tests.shared.interchange.foreign_files import config_of, random_values, write_huggingface

QUICK = {"steps": 1, "level": "ends"}


def test_preset():
    pack, recipe = golden_pack("golden", "tiny16", seed=4, **QUICK), preset("tiny16")
    assert pack.config == recipe.model
    assert (pack.batch, pack.time) == (2, 7)  # below the block_size of 8
    assert np.array_equal(pack.arrays["wte.weight"], initial_values(recipe.model, 4)["wte.weight"])
    assert pack.optimizer["beta2"] == recipe.training.beta2
    masks = [name for name in pack.arrays if name.startswith("mask.")]
    assert "mask.h.0.attn.weights_dropout" in masks
    assert list(pack.arrays).index("targets") < list(pack.arrays).index(masks[0])


def test_microgpt():
    pack = golden_pack("golden", "microgpt", steps=2)
    assert (pack.config, pack.batch) == (microgpt_config(), 1)
    assert pack.config.parameter_count == 4192
    assert pack.arrays["config.norm"] == 1
    assert pack.arrays["wte.weight"].std() > 0.2
    assert read_theirs("golden/golden.safetensors", pack).arrays.keys() >= {"embedding.norm.out", "step2.loss"}


def test_a_run():
    pack = golden_pack("golden", SHIPPED_MODEL, **QUICK)
    model = load_checkpoint(SHIPPED_MODEL)
    assert np.array_equal(pack.arrays["h.1.mlp.c_fc.weight"], model.values["h.1.mlp.c_fc.weight"].astype(np.float32))


def test_another_programs_model():
    config = config_of()
    Path("gpt2").mkdir()
    values = random_values(config)
    write_huggingface(Path("gpt2"), config, values)
    pack = golden_pack("golden", "gpt2", **QUICK)
    assert np.array_equal(pack.arrays["wpe.weight"], values["wpe.weight"].astype(np.float32))


@pytest.mark.parametrize(
    ("model", "message"),
    [("bigram", "bigram is a bigram model"), ("nowhere", "nowhere"), ("", "must not be empty")],
)
def test_no_such_model(model, message):
    with pytest.raises(UserError, match=message):
        golden_pack("golden", model)
    assert not Path("golden").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, not 0"),
        ({"steps": 10**9}, "steps must be at most 1,000, not 1000000000; each has"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"level": "some"}, "level must be one of all, blocks, ends, not 'some'"),
        ({"layout": "jax"}, "layout must be one of ours, torch, llm.c, not 'jax'"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64, not 'float16'"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(UserError, match=message):
        golden_pack("golden", **options)
