"""Values from JSON become what their types say, and everything else is refused by the name of its field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

import pytest

from gpt_data.errors import UserError
from gpt_data.files.json_values import AtLeast, From, convert, parse_json


def _make(values):
    if "bad" in values:
        raise UserError("bad must not be there")
    return tuple(values)


class Entry(TypedDict):
    count: Annotated[int, AtLeast(1)]
    text: str


@dataclass(frozen=True)
class Inner:
    loss: float
    step: int | None = None

    def __post_init__(self):
        if self.loss == 7:
            raise UserError("loss must not be 7")


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    flag: bool
    inner: Inner | None
    made: Annotated[tuple[str, ...], From(_make)]
    words: list[str] = field(default_factory=list)
    numbers: dict[str, float | None] = field(default_factory=dict)
    entry: Entry | None = None
    anything: Any = None


GOOD = {"kind": "a", "flag": True, "inner": {"loss": 1, "step": 2}, "made": {"x": 1}}


def test_objects_become_what_their_types_say():
    more = {"words": ["x"], "numbers": {"y": 2.5, "z": None}, "entry": {"count": 1, "text": ""}, "anything": [{}]}
    expected = Outer("a", True, Inner(1, 2), ("x",))
    assert convert(GOOD, Outer) == expected
    assert convert(GOOD | more, Outer) == Outer("a", True, Inner(1, 2), ("x",), *more.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": []}, "kind must be 'a' or 'b', not []"),
        ({"kind": "c"}, "kind must be 'a' or 'b', not 'c'"),
        ({"flag": 1}, "flag must be true or false, not 1"),
        ({"inner": "x"}, "inner must be an object or null, not 'x'"),
        ({"inner": {}}, "inner.loss is missing"),
        ({"inner": {"loss": True}}, "inner.loss must be a finite number, not True"),
        ({"inner": {"loss": float("inf")}}, "inner.loss must be a finite number, not inf"),
        ({"inner": {"loss": 10**400}}, "inner.loss must be a finite number, not a number of about 400 digits"),
        ({"inner": {"loss": 1, "step": 2.0}}, "inner.step must be a whole number or null, not 2.0"),
        ({"inner": {"loss": 1, "step": False}}, "inner.step must be a whole number or null, not False"),
        ({"inner": {"loss": 7}}, "inner: loss must not be 7"),
        ({"made": []}, "made must be an object, not []"),
        ({"made": {"bad": 1}}, "made: bad must not be there"),
        ({"words": ["x", "y", 3]}, "words[2] must be text, not 3"),
        ({"words": {"x": 1}}, "words must be a list, not {'x': 1}"),
        ({"numbers": {"a b\n": "x"}}, r"numbers.'a b\n' must be a finite number or null, not 'x'"),
        ({"entry": {"count": 0, "text": ""}}, "entry.count must be at least 1, not 0"),
        ({"entry": {"count": 1}}, "entry.text is missing"),
        ({"wrods": []}, "it has the unknown field 'wrods'; did you mean 'words'? known: 'kind', 'flag', "),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(UserError) as caught:
        convert(GOOD | changes, Outer)
    assert str(caught.value).startswith(message)
    with pytest.raises(UserError) as caught:
        convert({"outer": GOOD | changes}, dict[str, Outer], "file")
    assert str(caught.value).startswith(
        f"file.outer{' ' if message.startswith('it ') else '.'}{message.removeprefix('it ')}"
    )


def test_a_large_value_is_shown_briefly():
    with pytest.raises(UserError) as caught:
        convert([[["x" * 1000] * 1000] * 1000] * 1000, str, "name")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"NaN", b"[-Infinity]", b"[" * 100_000, b"1" * 5000])
def test_other_content_is_not_json(content):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_json(content)
