"""Every named array of a model's training steps, in order of computation, and how each follows from earlier ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from numpy_gpt.golden.operations.adamw import ADAMW, CLIPPING
from numpy_gpt.golden.operations.attention import ATTENTION
from numpy_gpt.golden.operations.branch import BRANCH
from numpy_gpt.golden.operations.embedding import EMBEDDING
from numpy_gpt.golden.operations.feed_forward import FEED_FORWARD
from numpy_gpt.golden.operations.head import HEAD, LOSS
from numpy_gpt.golden.operations.norm import NORM
from numpy_gpt.golden.operations.operation import BACKWARD, FORWARD, UPDATE, Array, Mistake, Operation
from numpy_gpt.golden.operations.rms_norm import EMBEDDING_NORM, RMS_NORM
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import Shape, gradient_name, parameter_shapes

GIVEN = "given"


class Place(NamedTuple):
    """Where an operation stands: before its names comes ``prefix``; ``links`` are names that come from elsewhere."""

    operation: Operation
    prefix: str
    links: Mapping[str, str]
    layer: int = -1

    def name(self, key: str) -> str:
        """Return the full name, within one step, of what the operation calls ``key``."""
        return self.links.get(key, self.prefix + key)


class Node(NamedTuple):
    """An array: what a pack says about it, and what computes it. ``kind`` is the same in every layer and step."""

    name: str
    kind: str
    shape: Shape
    axes: str
    equation: str
    phase: str
    skip: str
    step: int
    place: Place | None = None
    array: Array | None = None
    bit: int = 0

    @property
    def plain(self) -> str:
        """The name without its step."""
        return self.name.split(".", 1)[1] if self.step > 1 else self.name


class Graph:
    """The arrays of ``steps`` training steps of a GPT on batches (B, T); ``nodes`` are in the order of computation."""

    def __init__(self, config: GPTConfig, batch: int, time: int, steps: int = 1, dropout: bool | None = None) -> None:
        self.config, self.batch, self.time, self.steps = config, batch, time, steps
        self.dropout = config.dropout > 0 if dropout is None else dropout
        self.parameters = parameter_shapes(config)
        self.sizes = {
            **{"B": batch, "T": time, "S": time, "C": config.n_embd, "H": config.n_head, "D": config.head_size},
            **{"F": config.n_hidden, "V": config.vocab_size, "3C": 3 * config.n_embd, "block_size": config.block_size},
        }
        self.nodes: dict[str, Node] = {}
        places = tuple(self._places())
        for step in range(1, steps + 1):
            self._given(step)
            for phase, order in ((FORWARD, places), (BACKWARD, places[::-1]), (UPDATE, tuple(self._updates()))):
                for place in order:
                    for array in place.operation.arrays.values():
                        if array.phase == phase and array.exists(config) and self._has_mask(array):
                            self._add(place, array, step)
        for bit, (name, node) in enumerate(self.nodes.items()):
            self.nodes[name] = node._replace(bit=1 << bit)
        self._bits_of_kind: dict[str, int] = {}
        for node in self.nodes.values():
            self._bits_of_kind[node.kind] = self._bits_of_kind.get(node.kind, 0) | node.bit
        self.milestones = [node for node in self.nodes.values() if node.kind in _MILESTONES]

    def _has_mask(self, array: Array) -> bool:
        return self.dropout or not array.name.endswith("dropout")

    def _given(self, step: int) -> None:
        named = prefix_of(step)
        for name in ("tokens", "targets"):
            self._put(Node(named + name, name, (self.batch, self.time), "B,T", "-", GIVEN, "", step))
        if step == 1:
            for name, shape in self.parameters.items():
                self._put(Node(name, "parameter", shape, self.axes_of(name), "-", GIVEN, "", step))

    def _add(self, place: Place, array: Array, step: int) -> None:
        plain = place.name(array.name)
        axes = array.axes if array.axes != "P" else self.axes_of(place.links["parameter"])
        shape = tuple(self.sizes[letter] for letter in axes.split(",")) if axes else ()
        name, kind = prefix_of(step) + plain, f"{place.operation.name}:{array.name}"
        if name in self.nodes:  # without a last norm, the head's dx is already the gradient of the last stream
            return
        equation = _EQUATIONS.get(plain.partition("mlp.")[2], array.equation)
        self._put(Node(name, kind, shape, axes, equation, array.phase, array.skip, step, place, array))

    def _put(self, node: Node) -> None:
        self.nodes[node.name] = node

    def bits(self, mistake: Mistake) -> int:
        """Return the bits of all arrays that a mistake changes; all bits if it changes every product."""
        return -1 if mistake.operations else sum(self._bits_of_kind.get(kind, 0) for kind in mistake.kinds)

    def axes_of(self, parameter: str) -> str:
        """Return the axes of a parameter, in letters."""
        return next((axes for end, axes in _PARAMETER_AXES.items() if parameter.endswith(end)), "C")

    def _places(self) -> Iterator[Place]:
        config = self.config
        last = self._stream(config.n_layer)
        tables = {name: name for name in ("wte.weight", "wpe.weight", "wte.dweight", "wpe.dweight", "head.dweight")}
        if config.has_embedding_norm:
            yield Place(EMBEDDING, "embedding.", {**tables, "dnorm": "embedding.norm.dx", "dbypass": ""})
            yield Place(EMBEDDING_NORM, "embedding.norm.", {"x": self._embedded(), **self._from_above(0)})
        else:
            yield Place(EMBEDDING, "embedding.", {**tables, **self._from_above(0)})
        for layer in range(config.n_layer):
            yield from self._block(layer)
        read = last if config.has_embedding_norm else "ln_f.out"
        if not config.has_embedding_norm:
            yield Place(NORM, "ln_f.", {"x": last, "dresidual": ""})
        head = "wte.weight" if config.tie_weights else "lm_head.weight"
        dweight = "head.dweight" if config.tie_weights else "lm_head.dweight"
        yield Place(HEAD, "", {"x": read, "stream": last, "head": head, "dx": gradient_name(read), "dweight": dweight})
        yield Place(LOSS, "", {})

    def _block(self, layer: int) -> Iterator[Place]:
        at, stream = f"h.{layer}.", self._stream(layer)
        middle = f"{at}attn.residual"
        norm = RMS_NORM if self.config.norm == "rms_norm" else NORM
        around, out = f"{at}attn.dresidual", f"{at}attn.out"  # the gradient around the norm, and what is added after it
        yield Place(norm, f"{at}ln_1.", {"x": stream, "dresidual": around, "after": out}, layer)
        links = {"x": f"{at}ln_1.out", "stream": stream, "dx": f"{at}ln_1.dout", "dstream": around}
        yield Place(ATTENTION, f"{at}attn.", links, layer)
        beyond = {"dnorm": f"{at}ln_2.dx", "dbypass": f"{at}mlp.dresidual", "norm": f"{at}ln_1."}
        yield Place(BRANCH, f"{at}attn.", {"stream": stream, "normed": f"{at}ln_1.out", **beyond}, layer)
        around, out = f"{at}mlp.dresidual", f"{at}mlp.out"
        yield Place(norm, f"{at}ln_2.", {"x": middle, "dresidual": around, "after": out}, layer)
        links = {"x": f"{at}ln_2.out", "stream": middle, "dx": f"{at}ln_2.dout", "dstream": around}
        yield Place(FEED_FORWARD, f"{at}mlp.", {**links, "earlier": stream}, layer)
        beyond = {**self._from_above(layer + 1), "norm": f"{at}ln_2."}
        yield Place(BRANCH, f"{at}mlp.", {"stream": middle, "normed": f"{at}ln_2.out", **beyond}, layer)

    def _stream(self, layer: int) -> str:
        if layer:
            return f"h.{layer - 1}.mlp.residual"
        return "embedding.norm.out" if self.config.has_embedding_norm else self._embedded()

    def _embedded(self) -> str:
        return "embedding.dropout" if self.dropout else "embedding.sum"

    def _from_above(self, layer: int) -> dict[str, str]:
        """Return the two parts of the gradient of the stream that enters a layer: through its norm, and around it."""
        if layer == self.config.n_layer:
            return {"dnorm": "ln_f.dx", "dbypass": ""}
        return {"dnorm": f"h.{layer}.ln_1.dx", "dbypass": f"h.{layer}.attn.dresidual"}

    def _updates(self) -> Iterator[Place]:
        yield Place(CLIPPING, "clipping.", {})
        for name in self.parameters:
            links = {"parameter": name, **{key: f"{key}.{name}" for key in ("clipped", "m", "v", "updated")}}
            yield Place(ADAMW, f"{name}:", links)


def prefix_of(step: int) -> str:
    """Return what stands before the names of a step's arrays: nothing for the first."""
    return f"step{step}." if step > 1 else ""


_EQUATIONS = {"residual": "10.2", "dresidual": "10.4"}
"""Those of the feed-forward network's branch, where they differ from attention's."""
_MILESTONES = ("branch:residual", "branch:dresidual", "adamw:updated")
_PARAMETER_AXES = {
    "wte.weight": "V,C",
    "wpe.weight": "block_size,C",
    "lm_head.weight": "V,C",
    "c_attn.weight": "C,3C",
    "c_attn.bias": "3C",
    "attn.c_proj.weight": "C,C",
    "mlp.c_proj.weight": "F,C",
    "c_fc.weight": "C,F",
    "c_fc.bias": "F",
}
