"""``heads``: what each attention head looks at, in both programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gpt_data.texts.corpora import load_corpus
from numpy_gpt.shared.attention.targets import TARGETS
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.runs.checkpoint import Checkpoint, save_checkpoint
from numpy_gpt.shared.training.presets import preset
from parity_tests.shared.attention.planted import article_model
from parity_tests.shared.cli.programs import assert_rejected, run_program

NAMES = [target.name for target in TARGETS]


def _save(name, config, values, recipe, tokenizer):
    stored = None if recipe is None else replace(recipe, model=config).to_dict()
    save_checkpoint(Path(name), Checkpoint(config, tokenizer, values, recipe=stored))
    return name


def _numbers(record):
    """Return every fraction of a record in order, and the rest of it as text."""
    numbers = []
    text = json.dumps(json.loads(json.dumps(record), parse_float=lambda digits: numbers.append(float(digits))))
    return numbers, text


def test_programs_measure_the_same(capsys, trained):
    ours, twin = (
        run_program(program, capsys, "heads", trained, "--json").record for program in ("numpy_gpt", "torch_gpt")
    )
    (found, text), (others, other_text) = _numbers(ours), _numbers(twin)
    assert text == other_text
    assert len(found) > 100
    assert others == pytest.approx(found, abs=1e-9)


def test_the_record_has_every_head_and_target(numpy_run):
    record = numpy_run("heads", "--json").record
    assert (record["corpus"], record["unit"], record["windows"]) == ("tiny", "window", 43)
    assert [(head["layer"], head["head"]) for head in record["heads"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    tests = 0
    for head in record["heads"]:
        assert [finding["target"] for finding in head["targets"]] == NAMES
        shares = {finding["target"]: finding["even"]["share"] for finding in head["targets"]}
        roles = [finding["target"] for finding in head["targets"] if finding["is_role"]]
        assert head["roles"] == sorted(roles, key=lambda name: -shares[name])
        assert (head["sentence"] == "no role found") == (not head["roles"])
        for finding in head["targets"]:
            assert (finding["position"] is None) == (finding["target"] in ("itself", "previous", "first"))
            assert finding["others"] is None or finding["target"] in ("copy", "induction")
            for control in filter(None, (finding["even"], finding["position"], finding["others"])):
                assert 0 <= control["share"] <= 1 and control["queries"] > 0
                if control is finding["others"] and finding["target"] == "copy":
                    assert control["difference"] is None and control["queries"] == 1  # of a word: too few
                    continue
                lower, upper = control["difference"]
                assert lower <= control["share"] - control["control"] <= upper
                tests += 1
    assert record["tests"] == tests == 4 * (3 + 4 * 2 + 1)


def test_layer_and_head_only_choose_what_is_shown(numpy_run):
    whole = numpy_run("heads", "--json").record
    part = numpy_run("heads", "--layer", 1, "--head", 0, "--json").record
    assert part["heads"] == [whole["heads"][2]]
    assert part["tests"] == whole["tests"]
    out = numpy_run("heads", "--head", 1).out
    assert [line for line in ("layer 0, head 1: ", "layer 1, head 1: ", "head 0") if line in out] == [
        "layer 0, head 1: ",
        "layer 1, head 1: ",
    ]


def test_the_table_shows_the_record_and_fits_a_terminal(numpy_run):
    out = numpy_run("heads", "--layer", 0, "--head", 0).out
    (head,) = numpy_run("heads", "--layer", 0, "--head", 0, "--json").record["heads"]
    assert max(map(len, out.splitlines())) <= 80
    assert f"layer 0, head 0: {head['sentence']}" in out.replace("\n    ", " ")
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.split()[:1] and line.split()[0] in NAMES}
    for finding in head["targets"]:
        expected = [finding["target"], f"{finding['even']['share']:.3f}"]
        for name in ("even", "position"):
            if finding[name] is None:
                expected += ["-", "-"]
            else:
                lower, upper = finding[name]["difference"]
                expected += [f"{finding[name]['control']:.3f}", f"{lower:+.3f}..{upper:+.3f}"]
        assert rows[finding["target"]] == [*expected, str(finding["even"]["queries"])]


def test_a_planted_article_is_found_in_the_grammar(numpy_run):
    tokenizer = load_corpus("grammar").tokenizer
    model = article_model(tokenizer, 32)
    values = {name: value.astype("float32") for name, value in model.values.items()}
    _save("planted", model.config, values, preset("grammar"), tokenizer)
    result = numpy_run("heads", "planted", "--windows", 60)
    assert "layer 0, head 0: a noun's article: 1.00 of its attention (control: " in result.out
    assert "over 60 sentences of 2,022" in result.out
    assert result.out.count("\n- or another ") == 7
    assert max(map(len, result.out.splitlines())) <= 80


def test_another_text_with_the_same_vocabulary(run, numpy_run):
    assert numpy_run("prepare", "tiny", "--out_dir", "copy").status == 0
    assert run("heads", "--dataset", "copy", "--json").record == run("heads", "--json").record
    assert_rejected(run("heads", "--dataset", "words"), "the corpus 'words' has a different vocabulary from the model")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere"], "no model at nowhere"),
        (["--windows", "19"], "--windows must be at least 20, not 19"),
        (["--windows", "few"], "must be a whole number, not 'few'"),
        (["--layer", "2"], "--layer 2 does not exist: this model has 2 layers, numbered 0 to 1"),
        (["--head", "-1"], "--head -1 does not exist: each layer has 2 heads, numbered 0 to 1"),
        (["--dataset", "nowhere"], "unknown dataset 'nowhere'"),
        (["--source", "x.txt"], "only the corpus 'shakespeare' has a source"),
    ],
)
def test_errors_are_one_line(run, flags, message):
    assert_rejected(run("heads", *flags), message)


def test_models_that_cannot_be_measured(run):
    corpus, bigram, recipe = load_corpus("tiny"), preset("bigram"), preset("tiny")
    table = replace(bigram.model, vocab_size=32)
    _save("bigram", table, initial_values(table, 0), replace(bigram, dataset="tiny"), corpus.tokenizer)
    assert_rejected(run("heads", "bigram"), "a bigram model has no attention")
    flat = replace(recipe.model, n_layer=0)
    _save("flat", flat, initial_values(flat, 0), recipe, corpus.tokenizer)
    assert_rejected(run("heads", "flat"), "this model has no layers")
    _save("unknown", recipe.model, initial_values(recipe.model, 0), None, corpus.tokenizer)
    assert_rejected(run("heads", "unknown"), "this model does not say what it was trained on; give --dataset")
    wide = replace(recipe.model, block_size=64)
    _save("wide", wide, initial_values(wide, 0), recipe, corpus.tokenizer)
    assert_rejected(run("heads", "wide"), "needs at least 20 windows, and the validation text of 'tiny' has 6")
