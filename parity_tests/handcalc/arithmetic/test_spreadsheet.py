"""Trees as formulas: ranges where sums run over neighbours, single cells elsewhere, parentheses only where needed."""

from __future__ import annotations

import pytest

from handcalc.arithmetic.expression import (
    ONE,
    TWO,
    Cells,
    Constant,
    Expression,
    Positive,
    Ref,
    erf,
    exp,
    largest,
    log,
    total,
)
from handcalc.arithmetic.spreadsheet import Address, Places, column_letters, spreadsheet_formula
from handcalc.arithmetic.unknown import Choice, Power, UnknownToken, Where

X, Y, FAR = Cells("x"), Cells("y"), Cells("far")
TOKENS = [UnknownToken(position) for position in range(3)]
PLACES = Places(
    lambda name, index: Address(
        *{"x": ("here", 0, 0), "y": ("here", 9, 0), "far": ("other sheet", 0, 0)}[name]
    )._replace(row=index[0] + (9 if name == "y" else 0), column=index[1]),
    lambda token: Address("text", 4 + token.position, 1),
)


@pytest.mark.parametrize(
    ("tree", "formula"),
    [
        (X[0, 0] + FAR[1, 2], "A1 + 'other sheet'!C2"),
        (total(X[0, c] for c in range(4)), "SUM(A1:D1)"),
        (total(X[t, 1] for t in range(3)), "SUM(B1:B3)"),
        (total(X[t, t] for t in range(3)), "A1 + B2 + C3"),
        (total([X[0, 0], X[0, 1], Y[0, 0], X[0, 2]]), "SUM(A1:B1) + A10 + C1"),
        (total(X[0, c] * X[0, c] for c in range(3)), "SUMSQ(A1:C1)"),
        (total(X[0, c] * Y[1, c] for c in range(3)), "SUMPRODUCT(A1:C1,A11:C11)"),
        (total(X[0, c] * FAR[c, 1] for c in range(3)), "SUM(MMULT(A1:C1,'other sheet'!B1:B3))"),
        (total(FAR[c, 1] * X[0, c] for c in range(3)), "SUM(MMULT(A1:C1,'other sheet'!B1:B3))"),
        (total(X[0, c] * Y[0, 0] for c in range(2)), "A1*A10 + B1*A10"),
        (total([*(X[0, c] * Y[0, c] for c in range(2)), Y[5, 5]]) / TWO, "(SUMPRODUCT(A1:B1,A10:B10) + F15)/2"),
        (total(X[0, c] for c in range(2)) / TWO, "SUM(A1:B1)/2"),
        (X[0, 0] - (X[0, 1] - X[0, 2]), "A1 - (B1 - C1)"),
        (Constant("1e-5") * X[0, 0], "1E-05*A1"),
        (ONE / exp(log(X[0, 0])), "1/EXP(LN(A1))"),
        (erf(X[0, 0]), "_xlfn.ERF.PRECISE(A1)"),
        (largest([Constant(0), X[0, 0]]), "MAX(0,A1)"),
        (largest(X[0, c] for c in range(3)), "MAX(A1:C1)"),
        (Positive(X[0, 0]), "IF(A1>0,1,0)"),
        (Power((Constant("0.9"), X[0, 0])), "POWER(0.9,A1)"),
        (Choice(tuple(X[word, 1] for word in range(5)), TOKENS[1]), "INDEX(B1:B5,'text'!B6+1)"),
        (Where(X[0, 0], TOKENS[0], 7), "IF('text'!B5=7,A1,0)"),
        (total(Where(X[t, 2], TOKENS[t], 7) for t in range(3)), "SUMIF('text'!B5:B7,7,C1:C3)"),
    ],
)
def test_formula(tree: Expression, formula: str) -> None:
    assert spreadsheet_formula(tree, PLACES, "here") == formula


def test_renamed_references_keep_their_token() -> None:
    tree = Choice((X[0, 0], X[1, 0]), TOKENS[2]) - Where(X[0, 1], TOKENS[0], 4)
    renamed = tree.map_refs(lambda ref: Ref("y", ref.index))
    assert spreadsheet_formula(renamed, PLACES, "here") == "INDEX(A10:A11,'text'!B7+1) - IF('text'!B5=4,B10,0)"


@pytest.mark.parametrize(("column", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_column_letters(column: int, letters: str) -> None:
    assert column_letters(column) == letters
