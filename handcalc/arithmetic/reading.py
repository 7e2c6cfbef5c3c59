"""Read written arithmetic as a tree of ``handcalc.arithmetic.expression``; nothing is executed.

::

    sum     = product { ("+" | "-") product }
    product = signed { ("*" | "/") signed }
    signed  = { "+" | "-" } power
    power   = atom [ "^" whole number from -100 to 100 ]
    atom    = number | "inf" | "(" sum ")" | "√" atom | function "(" sum { "," sum } ")"

``**`` means ``^``, and · × − ÷ ² ³ mean what they look like. A chain of + and - becomes one flat sum, and one of * and
/ becomes one quotient of two flat products: the exact values are the same, and long lines do not make deep trees.
"""

from __future__ import annotations

import re
from decimal import Decimal

from handcalc.arithmetic.bounds import FUNCTIONS
from handcalc.arithmetic.expression import (
    MINUS_ONE,
    ONE,
    Constant,
    Expression,
    Function,
    Maximum,
    Product,
    Quotient,
    Sum,
    sqrt,
)
from handcalc.arithmetic.notation import NUMBER, normalize_signs, read_literal

DEEPEST = 30
LARGEST_POWER = 100
_MOST_FACTORS = 20_000

_TOKEN = re.compile(rf"\s*({NUMBER}|[^\W\d]\w*|[-+*/^(),√])")
_FUNCTION_NAMES = {**{name: name for name in FUNCTIONS}, "ln": "log", "max": "max"}


class UnreadableArithmetic(ValueError):
    """Arithmetic that cannot be read; the message says why."""


def parse_arithmetic(text: str) -> Expression:
    """Return the tree of the written arithmetic.

    Raises
    ------
    UnreadableArithmetic
        If it is not arithmetic over + - * / ^ ( ) exp log sqrt tanh erf max, or nested too deeply.
    """
    parser = _Parser(_tokens(normalize_signs(text)))
    expression = parser.sum()
    if (left := parser.next) is not None:
        raise UnreadableArithmetic(f"there is {left!r} where an operator should be")
    return expression


def _tokens(text: str) -> list[str]:
    tokens, place, text = [], 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableArithmetic(f"{text[place:].strip()[:1]!r} is not part of arithmetic")
        tokens.append(match[1])
        place = match.end()
    return tokens


class _Parser:
    """A recursive-descent parser that counts its nesting depth."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._place, self._depth, self._copies = tokens, 0, 0, 1

    @property
    def next(self) -> str | None:
        """The next token, None at the end."""
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self) -> str:
        if (token := self.next) is None:
            raise UnreadableArithmetic("it ends too early")
        self._place += 1
        return token

    def _expect(self, token: str) -> None:
        if (came := self.next) != token:
            what = "at its end" if came is None else f"before {came!r}"
            raise UnreadableArithmetic(f"a {token!r} is missing {what}")
        self._place += 1

    def sum(self) -> Expression:
        terms = [self._product()]
        while self.next in ("+", "-"):
            sign = self._take()
            term = self._product()
            terms.append(term if sign == "+" else _negative(term))
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def _product(self) -> Expression:
        above, below = [self._signed()], list[Expression]()
        while self.next in ("*", "/"):
            (above if self._take() == "*" else below).append(self._signed())
        return Quotient((_product_of(above), _product_of(below))) if below else _product_of(above)

    def _signed(self) -> Expression:
        negative = False
        while self.next in ("+", "-"):
            negative ^= self._take() == "-"
        return _negative(self._power()) if negative else self._power()

    def _power(self) -> Expression:
        start, outside, self._copies = self._place, self._copies, 1
        base = self._atom()
        if self.next == "^":
            self._take()
            power = self._exponent()
            self._copies *= max(1, abs(power))
            if self._copies * (self._place - start) > _MOST_FACTORS:
                raise UnreadableArithmetic("its nested powers are too large for the calculator")
            base = _raise_to(base, power)
        self._copies = max(outside, self._copies)  # a product repeats no more than its largest power
        return base

    def _exponent(self) -> int:
        bracketed = self.next == "("
        if bracketed:
            self._take()
        sign = self._take() if self.next in ("+", "-") else "+"
        digits = self._take()
        if not digits.isdecimal() or len(digits) > 3 or int(digits) > LARGEST_POWER:
            raise UnreadableArithmetic(f"a power must be a whole number from -{LARGEST_POWER} to {LARGEST_POWER}")
        if bracketed:
            self._expect(")")
        if self.next == "^":
            raise UnreadableArithmetic("a power of a power needs parentheses to say which comes first")
        return int(f"{sign}{digits}")

    def _atom(self) -> Expression:
        token = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableArithmetic(f"it is nested more than {DEEPEST} deep")
        atom = self._atom_after(token)
        self._depth -= 1
        return atom

    def _atom_after(self, token: str) -> Expression:
        if token == "(":
            inside = self.sum()
            self._expect(")")
            return inside
        if token == "√":
            return sqrt(self._atom())
        if token[0].isdecimal() or token[0] == ".":
            try:
                return Constant(read_literal(token))
            except ValueError as error:
                raise UnreadableArithmetic(str(error)) from error
        if token == "inf":
            return Constant(Decimal("Infinity"))
        if token not in _FUNCTION_NAMES:
            raise UnreadableArithmetic(f"there is {token!r} where a number should be")
        return self._call(_FUNCTION_NAMES[token])

    def _call(self, function: str) -> Expression:
        self._expect("(")
        arguments = [self.sum()]
        while self.next == ",":
            self._take()
            arguments.append(self.sum())
        self._expect(")")
        if function == "max":
            return Maximum(tuple(arguments))
        if len(arguments) > 1:
            raise UnreadableArithmetic(f"{function} takes one number, not {len(arguments)}")
        return Function(function, arguments[0])


def _negative(expression: Expression) -> Expression:
    if isinstance(expression, Constant):
        return Constant(expression.value.copy_negate())
    return Product((MINUS_ONE, expression))


def _product_of(factors: list[Expression]) -> Expression:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _raise_to(base: Expression, power: int) -> Expression:
    if power == 0:
        return ONE
    product = _product_of([base] * abs(power))
    return product if power > 0 else Quotient((ONE, product))
