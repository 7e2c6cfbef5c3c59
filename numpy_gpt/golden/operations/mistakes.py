"""All mistakes that a port may have made, in the order of the operations."""

from __future__ import annotations

from numpy_gpt.golden.operations import attention_mistakes as attention_mistakes  # declares them
from numpy_gpt.golden.operations.adamw import ADAMW, CLIPPING
from numpy_gpt.golden.operations.attention import ATTENTION
from numpy_gpt.golden.operations.branch import BRANCH
from numpy_gpt.golden.operations.embedding import EMBEDDING
from numpy_gpt.golden.operations.feed_forward import FEED_FORWARD
from numpy_gpt.golden.operations.head import HEAD, LOSS
from numpy_gpt.golden.operations.norm import NORM
from numpy_gpt.golden.operations.operation import Mistake
from numpy_gpt.golden.operations.precision import PRECISION

OPERATIONS = (EMBEDDING, NORM, ATTENTION, FEED_FORWARD, BRANCH, HEAD, LOSS, CLIPPING, ADAMW, PRECISION)


def all_mistakes() -> list[Mistake]:
    """Return every mistake; several may be versions of one, with the same id."""
    return [mistake for operation in OPERATIONS for mistake in operation.mistakes]
