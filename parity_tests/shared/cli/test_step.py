"""``step``: the probabilities before and after equal predictions before and after one training step."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint
from parity_tests.kills import contents
from parity_tests.shared.cli.programs import assert_rejected, run_program
from parity_tests.support.comparator import assert_identical
from torch_gpt.engine import TorchEngine

TEXT = "to be or not"


def _engine(program, model):
    make = NumpyEngine if program == "numpy_gpt" else TorchEngine
    return make(recipe_of(model), model.values, model.moments)


def test_before_and_after_equal_predictions(program, run, trained):
    model = load_checkpoint(trained)
    engine, tokens = _engine(program, model), model.tokenizer.encode(TEXT)
    inputs, targets = tokens[None, :-1], tokens[None, 1:]
    before = engine.predict(inputs)[0]
    loss = engine.training_step(inputs, targets, model.step, 1e-2).loss
    after = engine.predict(inputs)[0]
    record = run("step", trained, "--text", TEXT, "--learning_rate", 1e-2, "--json").record
    assert_identical("before", np.array(record["before"]), before)
    assert_identical("after", np.array(record["after"]), after)
    assert record["losses"] == [loss, engine.loss(inputs, targets)]
    assert record["losses"][1] < record["losses"][0]
    assert (record["tokens"], record["learning_rate"]) == (tokens.tolist(), 1e-2)
    assert not np.array_equal(before, after)


def test_averaged_model_shows_trained_weights(program, run):
    run(
        "train",
        "tiny",
        "--max_iters",
        40,
        "--eval_interval",
        40,
        "--warmup_iters",
        5,
        "--ema_decay",
        0.99,
        "--out_dir",
        "run",
    )
    model = load_checkpoint(Path("run"))
    plain = recipe_of(model).override({"ema_decay": 0.0})
    engine = (NumpyEngine if program == "numpy_gpt" else TorchEngine)(plain, model.trained, model.moments)
    tokens = model.tokenizer.encode(TEXT)
    expected = engine.predict(tokens[None, :-1])[0]
    record = run("step", "run", "--text", TEXT, "--learning_rate", 0, "--json").record
    np.testing.assert_allclose(record["before"], expected, rtol=0, atol=1e-6)  # torch may use fused operations or not
    assert record["losses"][0] == pytest.approx(record["losses"][1], rel=1e-6)
    out = run("step", "run", "--text", TEXT).out
    assert out.startswith("this model's weights are averages; the tables show the weights in training")


def test_programs_print_the_same(capsys, trained):
    for flags in (["step", "--text", "hello world"], ["step", trained, "--text", TEXT, "--steps", 3, "--top", 5]):
        ours = run_program("numpy_gpt", capsys, *flags)
        assert ours.out == run_program("torch_gpt", capsys, *flags).out
        assert ours.err == ""


def test_tables_show_every_probability(run, trained):
    result = run("step", trained, "--text", TEXT)
    record = run("step", trained, "--text", TEXT, "--json").record
    vocabulary = load_checkpoint(trained).tokenizer.vocabulary
    *places, end = result.out.split("\n\n")
    assert len(places) == 6
    for place, table in enumerate(places):
        title, _, *rows = table.splitlines()
        before, after = (np.array(record[name][place]) for name in ("before", "after"))
        target = record["tokens"][place + 1]
        assert title == f"after {''.join(vocabulary[t] for t in record['tokens'][: place + 1])!r} comes " + repr(
            vocabulary[target]
        )
        found = [re.match(r"  (.+?) +(\d\.\d{6}) +(\d\.\d{6}) +([+-]\d\.\d{6})(  <- target)?$", row) for row in rows]
        order = np.argsort(-before, kind="stable")
        assert [match.groups() for match in found if match] == [
            (
                repr(vocabulary[token]),
                f"{before[token]:.6f}",
                f"{after[token]:.6f}",
                f"{after[token] - before[token]:+.6f}",
                "  <- target" if token == target else None,
            )
            for token in order
        ]
        assert after.sum() == pytest.approx(1)
    losses = record["losses"]
    assert end == (
        f"1 step at learning rate {record['learning_rate']:g}: loss {losses[0]:.6f} -> {losses[1]:.6f} nats per token\n"
    )


def test_top_always_includes_the_target(run, trained):
    *places, _ = run("step", trained, "--text", TEXT, "--top", 1).out.split("\n\n")
    for table in places:
        assert table.count("<- target") == 1
        assert len(table.splitlines()) - 3 in (1, 2)


def test_best_guesses_are_judged(run):
    wrong = ["step", "--text", "hello fun", "--learning_rate", 0.01, "--steps", 20]  # it has to learn a new word
    record = run(*wrong, "--json").record
    places = run(*wrong).out.split("\n\n")[:-1]
    vocabulary = load_checkpoint(SHIPPED_MODEL).tokenizer.vocabulary
    judged = []
    for place, table in enumerate(places):
        guesses = [int(np.argmax(record[name][place])) for name in ("before", "after")]
        right = [guess == record["tokens"][place + 1] for guess in guesses]
        assert right == [record["succeeded_before"][place], record["succeeded_after"][place]]
        before, after = (
            f"{vocabulary[guess]!r} ({'succeeded' if hit else 'failed'})"
            for guess, hit in zip(guesses, right, strict=True)
        )
        assert table.splitlines()[-1] == f"best guess before: {before}, after: {after}"
        judged += right
    assert judged == [True, True, False, True]


def test_default_rate_lowers_the_loss(run):
    losses = run("step", "--text", "hello world", "--json", "--steps", 5).record["losses"]
    assert len(losses) == 6
    assert losses[0] > losses[1] > losses[5]
    rate = run("step", "--text", "hello world", "--json").record["learning_rate"]
    assert rate == pytest.approx(3e-4)  # the last one of the model's training


def test_nothing_is_saved(run, trained):
    before = contents(trained)
    assert run("step", trained, "--text", TEXT, "--steps", 3).status == 0
    assert contents(trained) == before


def test_dropout_and_accumulation_are_ignored(program, run):
    recipe = ["--dropout", 0.5, "--gradient_accumulation_steps", 4, "--batch_size", 2, "--max_iters", 2]
    assert run("train", "tiny", *recipe, "--out_dir", "run").status == 0
    model = load_checkpoint(Path("run"))
    tokens = model.tokenizer.encode(TEXT)
    result = run("step", "run", "--text", TEXT, "--json")
    assert result.status == 0, result.err
    loss = _engine(program, model).loss(tokens[None, :-1], tokens[None, 1:])
    assert result.record["losses"][0] == pytest.approx(loss, rel=1e-6)  # dropping half of all values would change more


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "required: --text"),
        (["--text", ""], "--text: text must not be empty"),
        (
            ["--text", "hello"],
            "--text must have 2 to 9 tokens, so that each but the last has a target; it has 1; give",
        ),
        (["--text", "to be or not to be"], "it has 11; give fewer"),
        (["--text", "hello wurld"], "--text: unknown word 'wurld'"),
        (["--text", "hello world", "--learning_rate", "nan"], "must be a number, not 'nan'"),
        (["--text", "hello world", "--learning_rate", "-1"], "learning_rate must be at least 0 and finite, not -1.0"),
        (["--text", "hello world", "--learning_rate", "inf"], "learning_rate must be at least 0 and finite, not inf"),
        (["--text", "hello world", "--learning_rate", "1e300", "--steps", "2"], "try a lower learning_rate"),
        (["--text", "hello world", "--steps", "0"], "--steps must be at least 1, not 0"),
        (["--text", "hello world", "--top", "-2"], "--top must be at least 1, not -2"),
        (["nowhere", "--text", "hello world"], "no model at nowhere"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    assert_rejected(run("step", *flags), message)
