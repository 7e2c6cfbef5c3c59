"""Questions that ask for a reason, by topic, with the answers for the key: no number shows whether one understands."""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Reason(NamedTuple):
    """A question that begins with why or what, and its answer in a sentence or two."""

    question: str
    answer: str


REASONS: dict[str, tuple[Reason, ...]] = {
    "dot-product": (
        Reason(
            "What does a negative dot product say about the query and the key?",
            "They point in different directions, more than 90 degrees apart: on the whole, where one is high the other "
            "is low, so this key does not fit the query, and its position gets little attention.",
        ),
        Reason(
            "Why does a position never look at the positions after it?",
            "The model is trained to predict the next word. If it could see that word it would only copy it, and when "
            "it writes a text there is no next word to see yet.",
        ),
    ),
    "scaling": (
        Reason(
            "Why are the scores divided by the square root of the head size, and not left as they are?",
            "A dot product is a sum of head_size products, so it is typically √head_size times as large as one of "
            "them. Unscaled, softmax would give almost everything to one position, and its gradients would vanish.",
        ),
        Reason(
            "Why the square root of the head size, and not the head size itself?",
            "The variance of a sum of independent products grows with their number, so its typical size grows with "
            "the square root of that number.",
        ),
    ),
    "softmax": (
        Reason(
            "Why may the largest score be subtracted from all scores without changing the result?",
            "It multiplies numerator and denominator by the same factor exp(-max), which cancels. It only keeps the "
            "exponentials from becoming too large.",
        ),
        Reason(
            "Why are exponentials used, and not simply each score divided by the sum of the scores?",
            "Scores may be negative or add up to 0, and then such shares make no sense. Exponentials are positive, "
            "and they turn a difference between scores into a ratio.",
        ),
    ),
    "weighted-sum": (
        Reason(
            "Why can the result of attention never lie outside the range of the values that are averaged?",
            "No attention weight is negative, and they add up to 1, so the result is a weighted mean of the values.",
        ),
        Reason(
            "Why is the result of attention added to the residual stream instead of replacing it?",
            "What was known before is kept, each part only has to add what it found, and the gradient has a direct "
            "path back to the earlier layers.",
        ),
    ),
    "layer-norm": (
        Reason(
            "What happens to the normalized vector if all numbers of the vector are multiplied by 10, and why?",
            "Practically nothing: mean and standard deviation both become 10 times as large, and the factor cancels "
            "(up to epsilon).",
        ),
        Reason(
            "Why is epsilon added to the variance?",
            "If all numbers of the vector are equal the variance is 0, and without epsilon one would divide by 0.",
        ),
    ),
    "gelu": (
        Reason(
            "Why does a feed-forward network need an activation such as GELU at all?",
            "Without it, the two matrices could be multiplied into one: the network could compute nothing but weighted "
            "sums, however many layers it has.",
        ),
        Reason(
            "What is GELU close to for a large positive number and for a large negative one, and why?",
            "The number itself and 0: tanh is then close to 1 or to -1, and so 0.5·(1 + tanh) is close to 1 or to 0.",
        ),
    ),
    "cross-entropy": (
        Reason(
            "Why is the loss of a single word never negative?",
            "A probability is at most 1, so its logarithm is at most 0, and the loss is minus that logarithm.",
        ),
        Reason(
            "What would the loss be if the model gave the word that came next the probability 1, and why?",
            "0: the logarithm of 1 is 0. The model would not be surprised at all.",
        ),
    ),
    "gradient": (
        Reason(
            "Why is the gradient of the logit of the word that came next negative?",
            "The loss falls when that logit rises. Its gradient is (p - 1) / predictions, and p is below 1.",
        ),
        Reason(
            "Why do the gradients of all logits of one position add up to 0?",
            "The probabilities add up to 1, and 1 is subtracted from exactly one of them. Adding the same number to "
            "all logits changes no probability, so it cannot change the loss.",
        ),
    ),
    "adamw": (
        Reason(
            "Why are both averages divided by 1 - beta^t in the first steps?",
            "They start from 0 and are too small at first: after t steps the gradients have only the share 1 - beta^t "
            "of the total weight, and the 0 at the start has the rest.",
        ),
        Reason(
            "Why do all weights move by about the same amount in a step, although their gradients differ a lot?",
            "The average gradient is divided by the root of the average square, its typical size. What is left is a "
            "number whose size is about 1 or less, times the learning rate.",
        ),
    ),
}


def random_reason(topic: str, rng: Random) -> Reason:
    """Return one of the topic's questions for a reason."""
    return rng.choice(REASONS[topic])
