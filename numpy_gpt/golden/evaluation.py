"""Evaluating the graph from given arrays: what a port has is taken as it is, and the rest follows from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_gpt.golden.graph import Graph, Node, prefix_of
from numpy_gpt.golden.operations.operation import Mistake, NotApplicable, Rule, Value
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.tolerances import Bounded


class Setting(NamedTuple):
    """What is known besides arrays: AdamW's numbers and the learning rate of every step."""

    optimizer: Mapping[str, float]
    learning_rates: Sequence[float]


class Given(NamedTuple):
    """The arrays that computations start from.

    ``inputs`` are the pack's parameters, masks, and by step tokens and targets; ``theirs`` are the port's own arrays,
    in float64, complete: cells that do not count have been filled in, and ``doubt`` is how far
    those may be off; ``raw`` are the port's arrays as they came.
    """

    inputs: Mapping[str, Any]
    theirs: dict[str, Any]
    doubt: dict[str, Any]
    raw: Mapping[str, Any]


class Change(NamedTuple):
    """A mistake, and the arrays in which it is made."""

    mistake: Mistake
    applies: Callable[[Node], bool] = lambda node: True


class Evaluation:
    """Values of arrays by name, with chosen operations and mistakes; every array is computed once."""

    def __init__(
        self,
        graph: Graph,
        given: Given,
        setting: Setting,
        operations: Any,
        dtype: str,
        changes: Iterable[Change] = (),
        base: Evaluation | None = None,
        bits: int = 0,
    ) -> None:
        """Start with nothing computed; what does not depend on ``bits`` is taken from ``base``, if there is one."""
        self._base, self._bits = base, bits
        self.graph, self.given, self.setting, self.dtype = graph, given, setting, dtype
        self.plain_operations = operations
        self._changes: dict[str, list[Change]] = {}
        for change in changes:
            for kind in change.mistake.kinds:
                self._changes.setdefault(kind, []).append(change)
            operations = change.mistake.operations(operations) if change.mistake.operations else operations
        self.operations = operations
        self._memo: dict[str, tuple[Value, int]] = {}
        self._active: set[str] = set()
        self._ready = 0  # of the milestones, so many have been computed
        self._leaves: dict[str, Value] = {}
        self._applied: set[int] = set()
        self._trail = 0

    def value(self, name: str) -> Value:
        """Return the port's own array, or else what follows."""
        if name in self.given.theirs:
            value = self._leaf(name, self.given.theirs[name], self.operations.stored)
            if name in self.given.doubt and isinstance(value, Bounded):
                return Bounded(value.value, value.error + self.given.doubt[name], value.rounding)
            return value
        if name not in self._memo:
            self._memo[name] = self._known(name) or self._computed(name)
        value, trail = self._memo[name]
        self._trail |= trail
        return value

    def _known(self, name: str) -> tuple[Value, int] | None:
        if self._base is None:
            return None
        self._base.value(name)
        found = self._base._memo[name]
        return None if found[1] & self._bits else found

    def computed(self, name: str, trail: int = -1) -> tuple[Value, int]:
        """Return what follows for an array, even if the port has it, and the bits of all arrays computed for it.

        ``trail`` are the bits of the arrays that it may need, as far as that is known.

        """
        bit = self.graph.nodes[name].bit
        ready = self._ready if trail == -1 else 0
        for milestone in self.graph.milestones[ready:]:  # one after the other: no recursion is deeper than a block
            if milestone.bit >= bit:
                break
            ready += 1
            if milestone.bit & trail:
                self.value(milestone.name)
        if trail == -1:
            self._ready = ready
        return self._computed(name)

    def _computed(self, name: str) -> tuple[Value, int]:
        node = self.graph.nodes[name]
        if name in self._active:  # a mistake that is made in one place only may need its own result
            raise NotApplicable
        self._active.add(name)
        outer, self._trail = self._trail, node.bit
        try:
            value = self._rule(node)
            return value, self._trail
        finally:
            self._trail = outer
            self._active.discard(name)

    def forget(self, names: Iterable[str]) -> None:
        """Free computed arrays that nothing will need again."""
        for name in names:
            self._memo.pop(name, None)

    def touched(self, node: Node, keys: Sequence[str]) -> bool:
        """Return whether the port has one of these arrays, or a mistake changes one; the others count as computed."""
        assert node.place is not None
        names = [prefix_of(node.step) + node.place.name(key) for key in keys]
        for name in names:
            if name in self.graph.nodes and name not in self.given.theirs:
                self._trail |= self.graph.nodes[name].bit
        changed = any(self._changed(f"{node.place.operation.name}:{key}", node) for key in keys)
        return changed or any(name in self.given.theirs for name in names)

    def applied(self, mistake: Mistake) -> bool:
        """Return whether a mistake has changed an array."""
        return mistake.operations is not None or id(mistake) in self._applied

    def value_of(self, value: Value) -> Any:
        """Return the plain numbers of a value."""
        return value.value if isinstance(value, Bounded) else value

    def _changed(self, kind: str, node: Node) -> list[Change]:
        return [change for change in self._changes.get(kind, ()) if change.applies(node)]

    def _rule(self, node: Node) -> Value:
        if node.array is None:
            return self._input(node)
        scope = Scope(self, node)
        value, right = None, node.array.rule
        for change in self._changed(node.kind, node):
            try:
                if node.kind in change.mistake.rules:
                    value = change.mistake.rules[node.kind](scope)
                if node.kind in change.mistake.wraps:
                    value = change.mistake.wraps[node.kind](scope, right(scope) if value is None else value)
            except NotApplicable:
                continue
            self._applied.add(id(change.mistake))
        return right(scope) if value is None else self._at_least(value, right, scope)

    def _at_least(self, value: Value, rule: Rule, scope: Scope) -> Value:
        """Return a mistake's value with the right rule's bound, if that is wider: few mistakes have sharp ones."""
        if not isinstance(value, Bounded):
            return value
        try:
            right = rule(scope)
        except NotApplicable:  # with the mistake in place, the right rule may need this very array
            return value
        if value.shape != right.shape:
            return value
        return Bounded(value.value, np.maximum(_known(value.error), _known(right.error)), value.rounding)

    def _input(self, node: Node) -> Value:
        if node.kind in ("tokens", "targets"):
            return np.asarray(self.given.inputs[node.name])
        value = self._input_value(node)
        for change in self._changed(node.kind, node):
            try:
                value = change.mistake.wraps[node.kind](Scope(self, node), value)
                self._applied.add(id(change.mistake))
            except NotApplicable:
                continue
        return value

    def _input_value(self, node: Node) -> Value:
        coarse = self.dtype in ("bfloat16", "float16")  # a port in such numbers has rounded the pack's weights
        return (self.operations.stored if coarse else self.operations.exact)(self.given.inputs[node.name], self.dtype)

    def _leaf(self, name: str, array: Any, enter: Callable[[Any, str], Value]) -> Value:
        if name not in self._leaves:
            self._leaves[name] = enter(array, self.dtype)
        return self._leaves[name]


def _known(error: Any) -> Any:
    """Return an error bound; where it is not a number, nothing is known."""
    return np.nan_to_num(error, nan=np.inf, posinf=np.inf)


class Scope:
    """What a rule sees: the arrays of its own place by their short names, the operations, and the numbers."""

    def __init__(self, evaluation: Evaluation, node: Node) -> None:
        self.evaluation, self.node = evaluation, node
        self.o = evaluation.operations

    def __getitem__(self, key: str) -> Value:
        return self.at(self.node.place.name(key) if self.node.place else key)

    def at(self, plain: str, step: int | None = None) -> Value:
        """Return an array by its full name within a step, by default this one; a parameter as it is in that step.

        Raises
        ------
        NotApplicable
            If the model has none of that name: a mistake about it cannot be made.
        """
        step = self.node.step if step is None else step
        if plain in self.evaluation.graph.parameters and step > 1:
            plain, step = f"updated.{plain}", step - 1
        self.require(prefix_of(step) + plain in self.evaluation.graph.nodes)
        return self.evaluation.value(prefix_of(step) + plain)

    def link(self, key: str) -> str:
        """Return the name that a link stands for."""
        assert self.node.place is not None
        return self.node.place.links.get(key, "")

    def has(self, key: str) -> bool:
        """Return whether the model has the array or parameter."""
        assert self.node.place is not None
        plain = self.node.place.name(key)
        return plain in self.evaluation.graph.parameters or plain in self.evaluation.graph.nodes

    def get(self, key: str) -> Value | None:
        """Return an array, or None if the model does not have it."""
        return self[key] if self.has(key) else None

    def touched(self, *keys: str) -> bool:
        """Return whether a formula for all of these arrays at once does not apply."""
        return self.evaluation.touched(self.node, keys)

    def right(self, key: str) -> Value:
        """Return what the right rule gives for an array of this place."""
        assert self.node.place is not None
        return self.node.place.operation.arrays[key].rule(self)

    def own(self, key: str) -> Any:
        """Return the port's own array of this place, from which a mistake reads its constant.

        Raises
        ------
        NotApplicable
            If the port does not have it.
        """
        assert self.node.place is not None
        name = prefix_of(self.node.step) + self.node.place.name(key)
        self.require(name in self.evaluation.given.theirs)
        return self.evaluation.given.theirs[name]

    def require(self, condition: bool) -> None:
        """Say that a mistake cannot be made here unless the condition holds.

        Raises
        ------
        NotApplicable
            If it does not.
        """
        if not condition:
            raise NotApplicable

    def mask(self, name: str) -> Value | None:
        """Return a dropout mask as an exact input, or None."""
        assert self.node.place is not None
        full = prefix_of(self.node.step) + "mask." + self.node.place.name(name)
        inputs = self.evaluation.given.inputs
        return self.o.exact(inputs[full], self.evaluation.dtype) if full in inputs else None

    @property
    def config(self) -> GPTConfig:
        """The model's config."""
        return self.evaluation.graph.config

    @property
    def tokens(self) -> Any:
        """The step's tokens (B, T)."""
        return np.asarray(self.evaluation.given.inputs[prefix_of(self.node.step) + "tokens"])

    @property
    def targets(self) -> Any:
        """The step's targets (B, T)."""
        return np.asarray(self.evaluation.given.inputs[prefix_of(self.node.step) + "targets"])

    @property
    def optimizer(self) -> Mapping[str, float]:
        """AdamW's numbers."""
        return self.evaluation.setting.optimizer

    @property
    def step(self) -> int:
        """The step, counted from 1."""
        return self.node.step

    def learning_rate(self, step: int | None = None) -> float:
        """Return the rate of a step, by default this one."""
        return self.evaluation.setting.learning_rates[(self.node.step if step is None else step) - 1]
