"""Roles: models with planted heads have exactly the role that was planted, and random weights have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpt_data.texts.corpora import load_corpus
from gpt_data.tokens.character_tokenizer import CharacterTokenizer
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.attention.relations import relation_targets
from numpy_gpt.shared.attention.roles import FEWEST_WINDOWS, MARGIN, find_roles, role_sentence
from numpy_gpt.shared.attention.shares import sum_attention
from numpy_gpt.shared.attention.targets import TARGETS
from numpy_gpt.shared.attention.windows import spread, windows_of
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from parity_tests.shared.attention import planted
from parity_tests.shared.attention.scripted import ScriptedAttention

LETTERS = CharacterTokenizer.from_text("abcdefghijkl")
CORPORA = {name: load_corpus(name) for name in ("tiny", "grammar")}
TIME = 16


def _heads(config, values, windows, tokenizer):
    recipe = replace(preset("tiny"), model=config).override({"dtype": "float64"})
    targets = (*TARGETS, *relation_targets(tokenizer))
    sums = sum_attention(NumpyEngine(recipe, values), windows, tokenizer, targets)
    return find_roles(sums, targets, config.n_head).heads


def _roles(config, values, windows, tokenizer):
    return [_names(head) for head in _heads(config, values, windows, tokenizer)]


def _names(head):
    return [finding.target.name for finding in head.roles]


@pytest.mark.parametrize(
    ("model", "roles"),
    [
        (planted.previous_model, [["previous"]]),
        (planted.first_model, [["first"]]),
        (planted.copy_model, [["copy"]]),
        (planted.induction_model, [["previous"], ["induction"]]),
    ],
)
def test_planted_heads_are_recognised(model, roles):
    windows = list(np.random.default_rng(0).integers(LETTERS.vocab_size, size=(150, TIME)))
    built = model(LETTERS.vocab_size, TIME)
    assert _roles(built.config, built.values, windows, LETTERS) == roles


def test_a_planted_article_is_recognised():
    corpus = CORPORA["grammar"]
    _, sentences = windows_of(corpus.val, 32, corpus.tokenizer)
    model = planted.article_model(corpus.tokenizer, 32)
    assert _roles(model.config, model.values, spread(sentences, 100), corpus.tokenizer) == [["noun_article"]]


def test_a_subject_is_not_merely_the_first_noun():
    corpus = CORPORA["grammar"]
    sentences = spread(windows_of(corpus.val, 32, corpus.tokenizer)[1], 200)
    for last, roles in ((True, ["verb_subject"]), (False, [])):
        model = planted.noun_model(corpus.tokenizer, 32, last=last)
        (head,) = _heads(model.config, model.values, sentences, corpus.tokenizer)
        assert _names(head) == roles
        (subject,) = (finding for finding in head.findings if finding.target.name == "verb_subject")
        for control in (subject.even, subject.position):  # the first noun often is the subject: they do not notice
            assert control.difference[0] > MARGIN
        assert (subject.others.difference[0] > MARGIN) == last
        assert (subject.others.share == pytest.approx(1)) == last


@pytest.mark.parametrize("name", CORPORA)
def test_a_preference_for_words_is_not_for_the_previous_word(name):
    corpus = CORPORA[name]
    _, windows = windows_of(corpus.val, 32, corpus.tokenizer)
    model = planted.words_model(corpus.tokenizer, 32)
    assert _roles(model.config, model.values, spread(windows, 100), corpus.tokenizer) == [[]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CORPORA)
def test_random_weights_have_no_role(name, seed):
    recipe, corpus = preset(name), CORPORA[name]
    windows = spread(windows_of(corpus.val, recipe.model.block_size, corpus.tokenizer)[1], 40)
    values = initial_values(recipe.model, seed, "float64")
    roles = _roles(recipe.model, values, windows, corpus.tokenizer)
    assert roles == [[]] * (recipe.model.n_layer * recipe.model.n_head)


def _pairs(shares, heads=1):
    """Return what heads do that give the first of two tokens these shares, in as many windows."""
    maps = [np.array([[[1, 0], [share, 1 - share]]] * heads) for share in shares]
    targets = TARGETS[1:2]
    sums = sum_attention(ScriptedAttention(maps), [np.array([0, 1])] * len(maps), LETTERS, targets)
    return find_roles(sums, targets, heads)


def _shares(mean, error, count=100):
    normal = np.random.default_rng(0).normal(size=count)
    normal = (normal - normal.mean()) / normal.std()
    return mean + normal * error * np.sqrt(count)


def test_a_difference_must_exceed_the_margin():
    assert [_names(_pairs(_shares(0.5 + MARGIN + more, 0.001)).heads[0]) for more in (-0.01, 0.01)] == [
        [],
        ["previous"],
    ]


def test_many_differences_need_wider_intervals():
    shares = _shares(0.5 + MARGIN + 0.025, 0.01)  # 2.5 standard errors: enough for 1 test, but not for 50
    one, many = _pairs(shares), _pairs(shares, heads=50)
    assert (one.tests, many.tests) == (1, 50)
    assert _names(one.heads[0]) == ["previous"]
    assert [_names(head) for head in many.heads] == [[]] * 50
    lower, upper = many.heads[7].findings[0].even.difference
    assert lower == pytest.approx(MARGIN + 0.025 - 1.96 * 0.01, abs=0.002)  # the printed interval is not wider
    assert upper == pytest.approx(MARGIN + 0.025 + 1.96 * 0.01, abs=0.002)


def test_few_windows_have_no_interval():
    few, enough = (_pairs([0.9] * count).heads[0] for count in (FEWEST_WINDOWS - 1, FEWEST_WINDOWS))
    assert few.findings[0].even.difference is None and not few.roles
    assert few.findings[0].share == pytest.approx(0.9)
    assert _names(enough) == ["previous"]


def test_the_sentence_states_the_share_and_the_control():
    assert role_sentence(_pairs([0.9] * 30).heads[0]) == "the previous token: 0.90 of its attention (control: 0.50)"
    assert role_sentence(_pairs([0.5] * 30).heads[0]) == "no role found"
