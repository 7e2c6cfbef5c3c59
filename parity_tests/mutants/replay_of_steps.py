"""Mutants of what an engine replays: steps, evaluations and tokens, and the slices' gradients, added in turn."""

from __future__ import annotations

from parity_tests.mutants.mutant import in_file

REPLAY_OF_STEPS = [
    *in_file(
        "replayed_step.py",
        ("two threads have the same tapes", "self._free.pop()", "self._free[-1]"),
        ("the variable decides against the flag", "if choice is not None:", "if choice:"),
        (
            "a copied model keeps its tapes",
            "def __reduce__(self) -> tuple[type[ReplayedModel], tuple[Parameters]]:",
            "def _reduced(self) -> tuple[type[ReplayedModel], tuple[Parameters]]:",
        ),
        (
            "a step's tape whatever the number of targets that count",
            '("gradients", tokens.shape, count',
            '("gradients", tokens.shape, float(tokens.size)',
        ),
        (
            "a loss's tape whatever the number of targets that count",
            '("loss", tokens.shape, count)',
            '("loss", tokens.shape, float(tokens.size))',
        ),
        ("a loss that the next slice writes over", "(tokens, targets)[0].copy()", "(tokens, targets)[0]"),
        ("masks of other layers", "dict(zip(names, rest, strict=False))", "dict(zip(names[::-1], rest, strict=False))"),
        ("a text that begins where the last one ended", "self._decoder.length = 0", "pass"),
    ),
    *in_file(
        "decoding.py",
        ("a tape of another place in the text", "place = length, tokens.shape, last", "place = tokens.shape, last"),
        (
            "logits that the next token's are written over",
            "return self.read_checked(tokens).copy()",
            "return self.read_checked(tokens)",
        ),
        ("tapes without end", "len(replayed) == 0 and sum", "False and sum"),
    ),
    *in_file(
        "model.py",
        ("a slice's loss that the next one writes over", "losses.append(loss.copy())", "losses.append(loss)"),
    ),
    *in_file("shared/model/parallel.py", ("nobody waits for a turn", "self._begins[number].wait()", "pass")),
]
