"""Recipes in TOML: what a file may contain, and the errors for anything else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.training.presets import PRESETS, preset
from numpy_gpt.shared.training.recipe import TrainingConfig
from numpy_gpt.shared.training.recipe_file import read_recipe_file


def _read(tmp_path, content):
    path = tmp_path / "recipe.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_recipe_file(path)


def test_names_with_and_without_tables(tmp_path):
    expected = {"preset": "tiny16", "dataset": "words", "n_embd": 8, "max_iters": 5, "bias": True}
    assert _read(tmp_path, 'preset = "tiny16"\ndataset = "words"\nn_embd = 8\nmax_iters = 5\nbias = true') == expected
    tables = 'preset = "tiny16"\ndataset = "words"\n[model]\nn_embd = 8\nbias = true\n[training]\nmax_iters = 5'
    assert _read(tmp_path, tables) == expected
    assert _read(tmp_path, "") == {}


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_fits_into_a_file(tmp_path, name):
    def written(value):
        return (
            {True: "true", False: "false", None: '"none"'}.get(value, f'"{value}"')
            if (value is None or isinstance(value, bool | str))
            else repr(value)
        )

    recipe = preset(name)
    values = {item.name: getattr(part, item.name) for part in (recipe.model, recipe.training) for item in fields(part)}
    found = _read(tmp_path, "\n".join(f"{field} = {written(value)}" for field, value in values.items()))
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {n: type(value) for n, value in values.items()}


def test_number_formats(tmp_path):
    content = 'max_iters = 1e3\nbatch_size = 1_6\nlearning_rate = 1\nmin_lr = "NONE"\neval_stride = "none"'
    found = _read(tmp_path, content)
    assert found == {"max_iters": 1000, "batch_size": 16, "learning_rate": 1.0, "min_lr": None, "eval_stride": None}
    assert (type(found["max_iters"]), type(found["learning_rate"])) == (int, float)


def test_byte_order_mark_and_crlf(tmp_path):
    assert _read(tmp_path, "\ufeffn_embd = 8\r\nmax_iters = 3\r\n") == {"n_embd": 8, "max_iters": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("n_emb = 8", "unknown name 'n_emb'; did you mean 'n_embd'?"),
        ("[training]\nmax_iter = 8", "unknown name 'max_iter'; did you mean 'max_iters'?"),
        ("[training]\nn_embd = 8", "n_embd belongs to the table [model]; move it there"),
        ("[model]\nseed = 8", "seed belongs to the table [training]; move it there"),
        ('[model]\npreset = "tiny"', "unknown name 'preset'"),
        ("[modle]\nn_embd = 8", "unknown table [modle]; expected [model] or [training]"),
        ("[model.more]\nn_embd = 8", "unknown name 'more'"),
        ("model = 3", "unknown name 'model'"),
        ('n_embd = "8"', "n_embd must be a whole number, not '8'"),
        ("n_embd = true", "n_embd must be a whole number, not True"),
        ("n_embd = 8.5", "n_embd must be a whole number, not 8.5"),
        ("n_embd = inf", "n_embd must be a whole number, not inf"),
        ('n_embd = "none"', "n_embd must be a whole number, not 'none'"),
        ("n_embd = 1979-05-27", "n_embd must be a whole number, not datetime.date(1979, 5, 27)"),
        ("n_embd = [8]", "n_embd must be a whole number, not [8]"),
        ('dropout = "0.1"', "dropout must be a number, not '0.1'"),
        ("dropout = false", "dropout must be a number, not False"),
        ("bias = 1", "bias must be true or false, not 1"),
        ('bias = "true"', "bias must be true or false, not 'true'"),
        ("activation = 3", "activation must be text in quotes, not 3"),
        ("preset = 3", "preset must be text in quotes, not 3"),
        ("dataset = [1]", "dataset must be text in quotes, not [1]"),
        ("n_embd = 8\n[model]\nn_embd = 8", "n_embd is set twice; keep one"),
        ("n_embd = 8\nn_embd = 8", "must be a TOML file in UTF-8: Cannot overwrite a value"),
        ("[model]\n[model]", "must be a TOML file in UTF-8: Cannot declare"),
        ("n_embd =", "must be a TOML file in UTF-8: Invalid value"),
        ("n_embd 8", "must be a TOML file in UTF-8: Expected '='"),
        (b"\xff\xfe", "must be a TOML file in UTF-8: 'utf-8' codec"),
        (f"max_iters = {'9' * 5_000}", "must be a TOML file in UTF-8: Exceeds the limit"),
        (f"max_iters = 0x{'f' * 5_000}", "max_iters must be a number of at most 300 digits"),
        (f"bias = -{'9' * 4_000}", "bias must be a number of at most 300 digits"),
        (f"learning_rate = {'9' * 4_000}", "learning_rate must be a number of at most 300 digits"),
        (f"n_embd = [0x{'f' * 5_000}]", "recipe.toml: Exceeds the limit"),
        (f"a = {'[' * 20_000}", "must be a TOML file in UTF-8: "),
    ],
)
def test_errors_name_the_file(tmp_path, content, message):
    with pytest.raises(UserError) as error:
        _read(tmp_path, content)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "recipe.toml"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["missing.toml", "."])
def test_unreadable_file(tmp_path, path):
    with pytest.raises(UserError, match=r"^cannot read"):
        read_recipe_file(tmp_path / path)


def test_tables_share_no_name():
    model, training = ({item.name for item in fields(config)} for config in (GPTConfig, TrainingConfig))
    assert not model & training
