"""A model's calls, written down once and replayed: the loss with its gradients, the loss alone, the next token."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.wording import quote
from numpy_gpt.decoding import Decoder
from numpy_gpt.gpt import Masks
from numpy_gpt.model import LossAndGradients, loss_and_gradients_of, loss_of_checked, next_logits
from numpy_gpt.parameters import Parameters
from numpy_gpt.replay.replayed import Arrays, Replayed, Workspace
from numpy_gpt.sampling import Reading, logits_reader, softmax
from numpy_gpt.shared.model.arrays import Array, Tokens
from numpy_gpt.shared.model.config import GPTConfig

REPLAY_VARIABLE = "NUMPY_GPT_REPLAY"
_SHAPES = 16  # kinds of calls that a thread keeps tapes for; the commands need few, a program may ask for any number


def wants_replay(choice: bool | None) -> bool:
    """Return what is chosen, or else what the environment variable says, or else True.

    Raises
    ------
    UserError
        If the variable is neither true nor false.
    """
    if choice is not None:
        return choice
    text = os.environ.get(REPLAY_VARIABLE, "true")
    if text.lower() not in ("true", "false"):
        raise UserError(f"the environment variable {REPLAY_VARIABLE} must be true or false, not {quote(text)}")
    return text.lower() == "true"


class ReplayedStep:
    """What an engine replays: loss and gradients of the weights in training, and the rest with those of inference."""

    def __init__(self, parameters: Parameters, inference: Parameters) -> None:
        self.training = ReplayedModel(parameters)
        self.inference = self.training if inference is parameters else ReplayedModel(inference)


class ReplayedModel:
    """A model's loss and gradients, replayed; each thread has tapes and memory of its own.

    A copy (``copy.deepcopy``, ``pickle``) has none of them: they lie in this process's memory.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._free: list[_Tapes] = []  # those that no thread uses now
        self._all: list[_Tapes] = []

    def __reduce__(self) -> tuple[type[ReplayedModel], tuple[Parameters]]:
        return ReplayedModel, (self._parameters,)

    def loss_and_gradients(
        self, tokens: Tokens, targets: Tokens, masks: Masks, count: float
    ) -> AbstractContextManager[LossAndGradients]:
        """Compute a slice's loss and gradients, valid inside the context; the arguments have been checked."""
        tapes = self._take()
        try:
            replayed = tapes.of(("gradients", tokens.shape, count, tuple(masks)), self._gradients_at)
            loss, flat = replayed(tokens, targets, *masks.values())
        except BaseException:
            self._free.append(tapes)
            raise
        return _Held((loss, flat), tapes, self._free)

    def _gradients_at(self, kind: Any) -> Callable[..., Arrays]:
        _, _, count, names = kind

        def compute(tokens: Tokens, targets: Tokens, *rest: Array) -> Arrays:
            parameters = Parameters(self._parameters.config, rest[-1])
            masks = dict(zip(names, rest, strict=False))
            loss, gradients = loss_and_gradients_of(parameters, tokens, targets, masks, count)
            return loss, parameters.empty_like().copy_from(gradients).flat

        return compute

    def loss(self, tokens: Tokens, targets: Tokens, count: float) -> Array:
        """Return a slice's loss, without dropout; the arguments have been checked."""
        with self._tapes() as tapes:
            return tapes.of(("loss", tokens.shape, count), self._loss_at)(tokens, targets)[0].copy()

    def _loss_at(self, kind: Any) -> Callable[..., Arrays]:
        _, _, count = kind

        def compute(tokens: Tokens, targets: Tokens, flat: Array) -> Arrays:
            return (loss_of_checked(Parameters(self._parameters.config, flat), tokens, targets, count),)

        return compute

    @contextmanager
    def reading(self, cache: bool) -> Iterator[Reading]:
        """Open what computes the next token of a text that grows."""
        with self._tapes() as tapes:
            decoder = tapes.decoder() if cache and isinstance(self._parameters.config, GPTConfig) else None

            def window(tokens: Tokens) -> Array:
                return tapes.of(("window", tokens.shape), self._window_at)(tokens)[0].copy()

            softmax_of_row = tapes.of("softmax", _softmax_at)
            reader = logits_reader(self._parameters, cache, decoder, window)
            yield Reading(reader, lambda z: softmax_of_row(z)[0].copy())

    def _window_at(self, kind: Any) -> Callable[..., Arrays]:
        def compute(tokens: Tokens, flat: Array) -> Arrays:
            return (next_logits(Parameters(self._parameters.config, flat), tokens),)

        return compute

    @property
    def execution(self) -> str:
        """How the last calls were computed: ``replay``, ``plain``, or plain with the reason why it will stay so."""
        last = [tapes.last for tapes in self._all if tapes.last is not None]
        reason = next((each.given_up for each in last if each.given_up is not None), None)
        if reason is not None:
            return f"plain: {reason}"
        return "replay" if last and all(each.was_replayed for each in last) else "plain"

    @contextmanager
    def _tapes(self) -> Iterator[_Tapes]:
        tapes = self._take()
        try:
            yield tapes
        finally:
            self._free.append(tapes)

    def _take(self) -> _Tapes:
        try:
            return self._free.pop()  # one operation, so two threads never get the same
        except IndexError:
            tapes = _Tapes(self._parameters)
            self._all.append(tapes)
            return tapes


def _softmax_at(kind: Any) -> Callable[..., Arrays]:
    return lambda z, _: (softmax(z),)


class _Tapes:
    """The tapes of one thread, which share its memory."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters, self._workspace = parameters, Workspace()
        self._kinds: dict[Any, Replayed] = {}
        self._decoder: Decoder | None = None
        self.last: Replayed | None = None

    def of(self, kind: Any, make: Callable[[Any], Callable[..., Arrays]]) -> Replayed:
        """Return the tape of this kind of call, whose function ``make(kind)`` reads the parameters' flat array."""
        replayed = self._kinds.get(kind)
        if replayed is None:
            if len(self._kinds) == _SHAPES:
                self._kinds.clear()
            replayed = self._kinds[kind] = Replayed(make(kind), self._workspace, (self._parameters.flat,))
        self.last = replayed
        return replayed

    def decoder(self) -> Decoder:
        """Return a decoder that has read nothing."""
        if self._decoder is None:
            self._decoder = Decoder(self._parameters, replays=True)
        self._decoder.length = 0
        return self._decoder


class _Held(NamedTuple):
    """A result in the memory of tapes, which no other call uses before the context ends."""

    result: LossAndGradients
    tapes: _Tapes
    free: list[_Tapes]

    def __enter__(self) -> LossAndGradients:
        return self.result

    def __exit__(self, *error: object) -> None:
        self.free.append(self.tapes)
