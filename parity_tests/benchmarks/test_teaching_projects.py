"""The comparison with the projects that our recipes are named after: their sizes, and a row for each."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import teaching_projects
from benchmarks.support.text import random_text, text_for
from benchmarks.teaching_projects import COMPARISONS, last_letter, main, make_engine, recipe_of
from gpt_data.texts.words import WORDS
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.training.presets import preset
from parity_tests.shared.cli.programs import PROGRAMS


@pytest.mark.parametrize("name", COMPARISONS)
def test_ours_has_the_projects_size(name):
    comparison = COMPARISONS[name]
    count = parameter_count(recipe_of(comparison).model)
    if name == "tinygpt":  # it has no bias in q, k and v, and one in the output head
        count += 65 - 4 * 3 * 128
    assert comparison.parameters in (count, None)
    assert 0 < comparison.loss < math.log(65)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_row_for_each_comparison(capsys, monkeypatch, program):
    brief = {
        name: COMPARISONS[name]._replace(changes={**COMPARISONS[name].changes, "max_iters": 3})
        for name in ("tiny16", "words")
    }
    monkeypatch.setattr(teaching_projects, "COMPARISONS", brief)
    assert main(["--program", program]) == 0
    about, _, *table = capsys.readouterr().out.splitlines()
    assert about.startswith(program)
    assert len({row.count("|") for row in table}) == 1
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:]]
    assert [row[1:6] for row in rows] == [
        ["`tiny16`", "3", "6,864", "6,864", "1.5351"],
        ["`words`", "3", "1,944", "1,944", "4.1100"],
    ]
    for row, size in zip(rows, (32, 11), strict=True):
        assert all(0.8 * math.log(size) < float(loss) < 1.2 * math.log(size) for loss in row[6:8])  # hardly trained
    assert main(["words", "--program", program]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split("|")[:9] == table[-1].split("|")[:9]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_last_letter_is_that_of_four_letter_words(program):
    recipe = preset("words").override({"block_size": 4})
    engine = make_engine(program, recipe)
    text = text_for(recipe, None)
    words = [word for word in WORDS if len(word) == 4]
    alphabet = " aceilnorst"  # in order of id
    expected = [
        -math.log(engine.predict(np.array([[alphabet.index(letter) for letter in f" {word[:3]}"]]))[0, -1, at])
        for word, at in ((word, alphabet.index(word[3])) for word in words)
    ]
    assert len(words) > 100
    assert list(alphabet) == sorted({" ", *"".join(WORDS)})
    assert last_letter(engine, recipe, text) == pytest.approx(np.mean(expected), rel=1e-5)


def test_unknown_names_and_missing_texts(capsys, monkeypatch):
    assert main(["nosuch"]) == 2
    assert "a comparison must be one of 'minigpt'" in capsys.readouterr().err
    monkeypatch.setattr(teaching_projects, "text_for", lambda recipe, source: random_text(recipe))
    assert main(["minigpt"]) == 2
    assert "random tokens cannot be learnt; give the text with --source FILE" in capsys.readouterr().err
