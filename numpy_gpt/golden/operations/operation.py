"""What an operation is: the arrays that it computes, each with its rule, and the mistakes that ports make in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy_gpt.shared.model.config import GPTConfig

Value = Any
"""A Bounded, or a float64 array if the operations are Sampled."""
Rule = Callable[[Any], Value]
"""Computes an array from a Scope, which gives the earlier arrays by their names inside the operation."""

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
FUTURE = "future"


class NotApplicable(Exception):
    """A mistake that these shapes or this config do not allow."""


class Array(NamedTuple):
    """An array of an operation: its axes in letters, its equation, its rule, and for which configs it exists."""

    name: str
    axes: str
    equation: str
    phase: str
    skip: str
    rule: Rule
    exists: Callable[[GPTConfig], bool]
    hidden: bool  # a port may name it, but a pack does not contain it


class Mistake(NamedTuple):
    """What a port may have done instead: other rules for some arrays, by kind, such as ``attention:scaled``.

    Mistakes with one id are versions of the same one. ``rules`` compute an array from a Scope; ``wraps`` from a Scope
    and what the right rule gives; ``operations`` is a function that changes how products are computed everywhere.
    ``size_only`` says that rounding hides the exact values, so that only the size of the error can be recognised.
    """

    id: str
    sentence: str
    equation: str
    rules: Mapping[str, Any] = {}
    wraps: Mapping[str, Any] = {}
    operations: Callable[[Any], Any] | None = None
    size_only: bool = False

    @property
    def kinds(self) -> set[str]:
        """The kinds of arrays that it changes."""
        return {*self.rules, *self.wraps}


@dataclass
class Operation:
    """A collection of arrays and mistakes; its name is the first part of their kinds."""

    name: str
    arrays: dict[str, Array] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def array(
        self,
        name: str,
        axes: str,
        equation: str,
        phase: str = FORWARD,
        *,
        skip: str = "",
        exists: Callable[[GPTConfig], bool] = lambda config: True,
        hidden: bool = False,
    ) -> Callable[[Rule], Rule]:
        """Declare an array whose rule is the decorated function."""

        def declare(rule: Rule) -> Rule:
            self.arrays[name] = Array(name, axes, equation, phase, skip, rule, exists, hidden)
            return rule

        return declare

    def mistake(
        self, identifier: str, sentence: str, equation: str, rules: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Declare a mistake; the keys of ``rules`` and ``wraps`` are names in this operation, or kinds with a colon."""
        wraps = {self._kind(key): wrap for key, wrap in options.pop("wraps", {}).items()}
        own = {self._kind(key): rule for key, rule in (rules or {}).items()}
        self.mistakes.append(Mistake(identifier, sentence, equation, own, wraps, **options))

    def _kind(self, key: str) -> str:
        return key if ":" in key else f"{self.name}:{key}"
