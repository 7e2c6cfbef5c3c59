"""The tests themselves are tested: real bugs of public projects must make them fail; one command tries all mutants."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity_tests.mutants.__main__ import ROOT, try_mutant
from parity_tests.mutants.mutant_list import MUTANTS, REAL


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_applies_once(mutant):
    assert (ROOT / "numpy_gpt" / mutant.path).read_text(encoding="utf-8").count(mutant.before) == 1
    assert mutant.before != mutant.after


def test_few_mutants_are_explained():
    assert len(MUTANTS) >= 40
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert sum(bool(mutant.explained) for mutant in MUTANTS) <= 0.05 * len(MUTANTS)


@pytest.mark.parametrize(
    "mutant",
    [REAL[0], *(pytest.param(mutant, marks=pytest.mark.prove) for mutant in REAL[1:])],
    ids=lambda mutant: mutant.name,
)
def test_real_bugs_are_killed(mutant):
    verdict = try_mutant(mutant, everything=False)
    assert verdict.killed
    assert Path(mutant.path).stem in verdict.by


@pytest.mark.prove
def test_a_harmless_change_survives():
    harmless = next(mutant for mutant in MUTANTS if mutant.explained)
    assert not try_mutant(harmless, everything=False).killed
