"""The lowest loss that any model can reach on a text made by a known process.

The process draws phrases uniformly and independently and writes them one after another, each followed by a
space. Its state s is a place: (phrase, position in it), the space included. Inside a phrase the next place is
certain; after a phrase's last place each phrase's first one has probability 1/phrases. Call these transitions
A(s, s′). Phrases are drawn equally often and each of their S places is passed once, so a window that starts
anywhere in the text starts at each place with the same probability π(s) = 1/S.

A reader who knows the process but not the place holds beliefs bₜ(s) = p(s | x₁ … xₜ₋₁), and by Bayes' rule

    b₁(s)                = π(s)
    p(xₜ | x₁ … xₜ₋₁)    = Σₛ bₜ(s)·[token(s) = xₜ]
    bₜ₊₁(s′)             = Σₛ bₜ(s)·[token(s) = xₜ]·A(s, s′) / p(xₜ | x₁ … xₜ₋₁)

No predictor that sees only the window has a lower expected −ln p than this posterior (Gibbs' inequality). On
one finite text a model can end below it by luck, or by having memorised that text; by knowing the process it
cannot.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gpt_data.checks import TokenIds, token_sequence
from gpt_data.errors import UserError
from gpt_data.texts.corpora import Corpus
from gpt_data.tokens.batches import evaluation_windows


def corpus_loss_floor(corpus: Corpus, split: str, block_size: int, stride: int = 1) -> float | None:
    """Return the loss floor of ``"train"`` or ``"val"``, in nats per token; None for an unknown process.

    Raises
    ------
    UserError
        If the split has another name, or as ``loss_floor`` does.
    """
    if split not in ("train", "val"):
        raise UserError(f"split must be 'train' or 'val', not {split!r}")
    if corpus.phrases is None:
        return None
    phrases = [corpus.tokenizer.encode(f"{phrase} ") for phrase in corpus.phrases]
    return loss_floor(corpus.train if split == "train" else corpus.val, phrases, block_size, stride)


def loss_floor(tokens: npt.ArrayLike, phrases: Sequence[npt.ArrayLike], block_size: int, stride: int = 1) -> float:
    """Return the mean over all targets of −ln p(target | inputs up to it in its window), in nats per token.

    Parameters
    ----------
    tokens
        The text (n,).
    phrases
        The ids of each phrase, with the space that follows it.
    block_size, stride
        Which windows: see ``gpt_data.tokens.batches.evaluation_windows``.

    Raises
    ------
    UserError
        If there is no phrase or an empty one, the text is too short, or the process cannot have made it.
    """
    process = [token_sequence(phrase, "phrases") for phrase in phrases]
    if not process or not all(phrase.size for phrase in process):
        raise UserError("a process must have at least one phrase, and each phrase at least one token")
    total, count = 0.0, 0
    for inputs, targets in evaluation_windows(tokens, block_size, stride):
        total += _surprise(np.column_stack([inputs, targets[:, -1]]), process)
        count += targets.size
    return total / count


def _surprise(windows: TokenIds, process: list[TokenIds]) -> float:
    """Return Σ −ln p over the windows' (B, T + 1) tokens but the first of each, which nothing precedes."""
    token_of_place = np.concatenate(process)
    last = np.cumsum([phrase.size for phrase in process]) - 1
    belief = np.full((len(windows), len(token_of_place)), 1.0 / len(token_of_place))
    total = 0.0
    for time, token in enumerate(windows.T):
        belief *= token_of_place == token[:, None]
        probability = belief.sum(axis=1)
        if not probability.all():
            window = int(np.argmin(probability))
            raise UserError(
                f"the process cannot have made this text: token {token[window]} at position {time} of "
                f"the window {windows[window].tolist()!s:.200} is impossible there; check the phrases"
            )
        if time:
            total -= float(np.log(probability).sum())
        belief = _one_step(belief / probability[:, None], last)
    return total


def _one_step(belief: npt.NDArray[np.float64], last: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return belief · A (B, S): one place further; from the phrases' last places to the first of any phrase.

    Place after place in one row, phrase after phrase, A only shifts: no matrix product is needed.
    """
    after = np.roll(belief, 1, axis=1)
    first = np.roll(last + 1, 1)
    first[0] = 0
    after[:, first] = belief[:, last].mean(axis=1)[:, None]
    return after
