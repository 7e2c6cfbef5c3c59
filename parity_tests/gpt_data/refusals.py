"""The message of a call that must be refused: one printable line."""

from __future__ import annotations

import pytest

from gpt_data.errors import UserError


def refusal(call, *arguments, **options):
    """Return the message of the UserError that the call raises."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert message.isprintable()  # so there is no line break either
    return message
