"""Token ids: which of them are errors, and what happens without the checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.verdicts.builders import layer_case, model_case
from parity_tests.verdicts.evaluation import Case, Section


def _tokens(given: str, tokens: Any, targets: Any = ((1, 2, 3, 4),), **rest: Any) -> Case:
    return model_case(given, tokens, targets, **rest)


IDS = Section(
    "Token ids",
    "The same model, one sequence of four tokens. No id is cast, clipped or wrapped around.",
    (
        _tokens("id −1", [[0, 1, -1, 2]]),
        _tokens("id V = 5", [[0, 1, 5, 2]]),
        _tokens("id 2⁶³", [[0, 1, 2**63, 2]]),
        _tokens("id 2⁶⁴", [[0, 1, 2**64, 2]]),
        _tokens("id 2⁶³ in a uint64 array", np.array([[0, 1, 2**63, 2]], np.uint64)),
        _tokens("id 256 + 1, which is 1 in uint8", [[0, 1, 257, 2]]),
        _tokens("float ids: 0.0, 1.0, 2.0, 3.0", [[0.0, 1.0, 2.0, 3.0]]),
        _tokens("float ids: 0.5", [[0.5, 1.0, 2.0, 3.0]]),
        _tokens("bool ids", [[True, False, True, True]]),
        _tokens("text ids", [["a", "b", "c", "d"]]),
        _tokens("None for an id", [[0, 1, None, 2]]),
        _tokens("int64 ids", np.array([[0, 1, 4, 2]])),
        *(_tokens(f"{dtype} ids", np.array([[0, 1, 4, 2]], dtype)) for dtype in ("uint8", "uint16", "int32", "uint64")),
        _tokens("ragged lists", [[0, 1, 2], [3]]),
        _tokens("an empty list", []),
        _tokens("target −1, which does not count", [[0, 1, 4, 2]], [[1, -1, 3, 4]]),
        _tokens("target −100, which does not count", [[0, 1, 4, 2]], [[1, -100, 3, 4]]),
        _tokens("target −2", [[0, 1, 4, 2]], [[1, -2, 3, 4]]),
        _tokens("no target that counts", [[0, 1, 4, 2]], [[-1, -100, -1, -100]]),
        _tokens("target V = 5", [[0, 1, 4, 2]], [[1, 5, 3, 4]]),
        _tokens("float targets", [[0, 1, 4, 2]], [[1.0, 2.0, 3.0, 4.0]]),
        _tokens("an empty target", [[0, 1, 4, 2]], [[]]),
        _tokens("a target of another shape: (1, 3)", [[0, 1, 4, 2]], [[1, 2, 3]]),
        _tokens("a target of another shape: (4, 1)", [[0, 1, 4, 2]], [[1], [2], [3], [4]]),
        _tokens("a ragged target", [[0, 1, 4, 2]], [[1, 2], [3]]),
    ),
)

_TABLES = {"wte": np.arange(10.0).reshape(5, 2), "wpe": np.zeros((4, 2))}
_NO_IDS = np.zeros((0, 2), np.int64)
UNCHECKED = ("unchecked-layers",)


def _embedding(given: str, ids: list[int], **rest: Any) -> Case:
    dout = [[[1.0, -2.0]] * len(ids)]
    return layer_case(given, "embedding", {"tokens": np.array([ids]), **_TABLES}, dout, show=["out"], **rest)


def _loss(given: str, target: int, **rest: Any) -> Case:
    inputs = {"logits": [[[0.0, 1.0, 2.0]]], "targets": np.array([[target]])}
    return layer_case(given, "cross_entropy", inputs, show=["out"], **rest)


PAST_THE_CHECKS = Section(
    "Layers called past the checks",
    "`gpt_forward` and `loss_and_gradients` check ids and shapes once, before any layer sees them. The layers do not: "
    "code that calls them directly, or `torch_gpt.gpt.logits_of`, must pass valid ones. V = 5 and block_size = 4 for "
    "the embedding, V = 3 for the cross-entropy.",
    (
        _embedding("embedding, ids −1, 0", [-1, 0], reasons=UNCHECKED),
        _embedding("embedding, id V", [5, 0]),
        _embedding("embedding, T = block_size + 1", [0, 1, 2, 3, 4], reasons=UNCHECKED),
        _loss("cross-entropy, target −1", -1, reasons=UNCHECKED),
        _loss("cross-entropy, target −100", -100),
        _loss("cross-entropy, target V", 3, reasons=UNCHECKED),
        layer_case("cross-entropy, B = 0", "cross_entropy", {"logits": np.zeros((0, 2, 3)), "targets": _NO_IDS}),
        layer_case(
            "attention, B = 0",
            "attention",
            {"x": np.zeros((0, 3, 2)), "w": np.ones((2, 6)), "b": None, "w_proj": np.ones((2, 2)), "b_proj": None},
            np.zeros((0, 3, 2)),
            (1,),
            ["out", "dx"],
            reasons=UNCHECKED,
        ),
    ),
)

SECTIONS = (IDS, PAST_THE_CHECKS)
