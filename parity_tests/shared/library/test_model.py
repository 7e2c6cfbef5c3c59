"""A model as an object: its results are the commands', in both twins, and what it cannot read is one clear error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpt_data.errors import UserError
from handcalc.page.json_format import json_lines
from handcalc.trace import main as trace
from handcalc.tracing.selection import EVERYTHING
from numpy_gpt.library import load_model as load_numpy_model
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL, save_checkpoint
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.shared.library.library_examples import hostile_model
from parity_tests.support.comparator import assert_identical


def test_a_step_is_the_commands(load_model, run):
    for steps in (1, 2):
        record = run("step", "--text", "hello world", "--steps", steps, "--learning_rate", 1e-3, "--json").record
        model = load_model()
        predicted = model.predict(record["tokens"][:-1]).probabilities
        assert predicted.tolist() == record["before"]
        learned = [model.step("hello world", learning_rate=1e-3) for _ in range(steps)]
        assert [one.loss_before for one in learned] == record["losses"][:-1]
        assert learned[-1].loss_after == model.loss("hello world") == record["losses"][-1]
        assert learned[0].before.tolist() == record["before"]
        assert learned[-1].after.tolist() == record["after"]
        assert learned[-1].learning_rate == record["learning_rate"]


def test_a_step_of_a_run_continues_its_moments_and_its_average(load_model, run, tmp_path):
    out = ["--out_dir", tmp_path / "run", "--ema_decay", 0.9, "--dtype", "float64"]
    run("train", "tiny", "--max_iters", 3, "--eval_stride", "none", *out)
    record = run("step", tmp_path / "run", "--text", "to be", "--json").record
    learned = load_model(tmp_path / "run").step("to be")
    assert [learned.loss_before, learned.loss_after] == record["losses"]
    assert learned.after.tolist() == record["after"]


def test_a_sample_is_the_commands(load_model, run):
    options = {"max_new_tokens": 9, "temperature": 0.8, "top_k": 5, "top_p": 0.9, "seed": 7}
    flags = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    record = run("sample", "--prompt", "to be", *flags, "--json").record
    model = load_model()
    assert model.sample("to be", **options) == record["samples"][0]["text"]
    assert model.sample(record["prompt_tokens"], **options) == record["samples"][0]["text"]
    default = run("sample", "--max_new_tokens", 3, "--json").record
    assert model.sample(max_new_tokens=3) == default["samples"][0]["text"]


def test_maps_are_the_commands(load_model, run):
    record = run("attention", "--text", "to be or not", "--json").record
    maps = load_model().attention("to be or not")
    assert maps.weights.tolist() == record["weights"]
    assert (maps.model, list(maps.words)) == (record["model"], record["words"])
    one = load_model().attention("to be or not", layer=1, head=0)
    assert one.weights.tolist() == [[record["weights"][1][0]]]


def test_a_trace_is_the_commands(load_model, capsys):
    assert trace(["hello ", "--backward", "--format", "json", "--digits", "6"]) == 0
    written = capsys.readouterr().out.splitlines()
    assert list(json_lines(load_model().trace("hello ", backward=True, digits=6), EVERYTHING, full=False)) == written


def test_a_trace_has_the_weights_of_now(load_model):
    model = load_model()
    before = model.trace("hello")
    model.step("hello world", learning_rate=0.01)
    assert model.trace("hello").numbers["wte.weight"] != before.numbers["wte.weight"]


def test_logits_and_parameters_are_the_models(twin, load_model):
    model = load_model()
    ids = model.tokenizer.encode("once upon a")
    parameters = twin.parameters_from(model.config, model.parameters)
    rest = () if twin.__name__ == "numpy_gpt" else (model.config,)
    kept = {}
    twin.predict(parameters, *rest, [ids], record=twin.keep_in(kept))
    assert_identical("logits", model.logits("once upon a"), np.asarray(kept["logits"])[0])
    with pytest.raises(ValueError, match="read-only"):
        model.parameters["wte.weight"][0, 0] = 1


def test_a_text_and_its_ids_are_the_same(load_model):
    model = load_model()
    ids = model.tokenizer.encode("hello world")
    for given in (ids, ids.tolist(), tuple(ids.tolist()), torch.from_numpy(ids), "Hello World"):
        assert model.loss(given) == model.loss("hello world")
        assert model.predict(given).text == "hello world"
        assert model.trace(given).text == "hello world"


def test_a_prediction_is_read_by_word(load_model):
    prediction = load_model().predict("once upon a")
    (word, probability), *_ = prediction.likeliest(1)
    assert word == " "
    assert probability == prediction.probability(" ") == prediction.probabilities[-1].max()
    assert prediction.likeliest(2, position=0)[0][1] == prediction.probabilities[0].max()
    for call in (lambda: prediction.probability("zebra"), lambda: prediction.likeliest(position=5)):
        with pytest.raises(UserError, match="must be"):
            call()


def test_a_step_that_fails_changes_nothing(load_model):
    model = load_model()
    before, loss = model.parameters, model.loss("hello world")
    for rate in (1e120, -1.0, float("nan"), "fast"):  # with weights of 1e120, GELU's cube overflows
        with pytest.raises(UserError, match="learning_rate"):
            model.step("hello world", learning_rate=rate)
    after = model.parameters
    for name, value in before.items():
        assert_identical(name, after[name], value)
    assert model.loss("hello world") == loss


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must not be empty"),
        ([], "at least one token"),
        ("zebra", "unknown word 'zebra'"),
        ("hello world hello world hello world", "at most 8|2 to 9 tokens"),
        (
            [[1, 2, 3]],
            r"one row of at least one token, not an array of shape \(1, 3\); give one sequence at a time, with",
        ),
        (["hello", "world"], "give one text, without brackets, not a list of texts"),
        (None, "must be an array of integers, not None"),
        (7, "must be an array of integers, not 7"),
        ([1.5], "token ids must be integers, not float64"),
        ([-1], r"token ids must lie in \[0, 32\), but the one at \(0,\) is -1"),
        ([32], r"token ids must lie in \[0, 32\)"),
        (b"hello", "not b'hello'"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(load_model, text, message):
    model = load_model()
    for ask in (model.predict, model.logits, model.loss, model.attention, model.step, model.trace):
        with pytest.raises(UserError, match=message.replace("2 to 9", ".*")) as caught:
            ask(text)
        assert "\n" not in str(caught.value)


def test_functions_of_arrays_say_which_brackets_are_missing(twin):
    model = twin.load_model()
    rest = () if twin.__name__ == "numpy_gpt" else (model.config,)
    parameters = twin.parameters_from(model.config, model.parameters)
    with pytest.raises(UserError, match=r"one sequence is a batch of one: \[tokens\], with two pairs of brackets"):
        twin.predict(parameters, *rest, [1, 2, 3])
    with pytest.raises(UserError, match="not 'hello'; encode the text first, or ask the model that load_model returns"):
        twin.predict(parameters, *rest, "hello")


def test_ids_without_a_text_are_refused(tmp_path):
    model = load_numpy_model(hostile_model(tmp_path))
    padding = model.config.vocab_size - 1
    assert model.vocabulary[padding] == f"<|{padding}|>"
    with pytest.raises(UserError, match="token ids must lie in"):
        model.attention([padding])


def test_a_bigram_model_has_no_attention_and_everything_else(load_model, run, tmp_path):
    (tmp_path / "text.txt").write_text("ab ba abba baab " * 40)
    run("prepare", "text", tmp_path / "text.txt", "--out_dir", tmp_path / "data")
    bigram = ["--dataset", tmp_path / "data", "--block_size", 4, "--eval_iters", 0, "--max_iters", 1]
    run("train", "bigram", *bigram, "--out_dir", tmp_path / "run")
    model = load_model(tmp_path / "run")
    with pytest.raises(UserError, match="a bigram model has no attention"):
        model.attention("ab")
    assert model.predict("ab").probabilities.shape == model.logits("ab").shape == (2, 3)
    assert model.sample("ab", max_new_tokens=2, temperature=0)[:2] == "ab"
    assert model.step("abba").loss_before > 0
    assert "bigram" in model.trace("ab")._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "no model at nowhere: there is no such file or directory"),
        ((".",), "give a run directory of `numpy_gpt train`, or a directory with"),
        (("",), "a path must not be empty"),
        ((5,), "a path must be a string or a Path, not 5"),
        ((b"runs",), "a path must be a string or a Path, not b'runs'"),
        ((None, "first"), "checkpoint must be 'last' or 'best', not 'first'"),
        ((None, None), "checkpoint must be 'last' or 'best', not None"),
    ],
)
def test_what_is_no_model_is_one_clear_error(load_model, arguments, message, empty_directory):
    with pytest.raises(UserError, match=message):
        load_model(*arguments)


def test_a_checkpoint_directory_is_a_model(load_model, tmp_path):
    save_checkpoint(tmp_path / "mine", load_checkpoint(SHIPPED_MODEL))
    model = load_model(str(tmp_path / "mine"))
    assert (model.name, load_model().name) == ("mine", "tiny")
    assert model.loss("hello world") == load_model().loss("hello world")


def test_completion_shows_the_whole_api(load_model):
    model = load_model()
    public = [name for name in dir(model) if not name.startswith("_")]
    shown = ["attention", "config", "logits", "loss", "name", "parameters", "predict", "sample", "step", "tokenizer"]
    assert public == [*shown, "trace", "vocabulary"]
    for name in public:
        assert getattr(type(model), name).__doc__, name
    assert (model.config.n_embd, len(model.vocabulary), model.parameters["wte.weight"].shape) == (6, 32, (32, 6))
