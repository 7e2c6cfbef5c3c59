"""Words of users in messages: quoted, on one line, of bounded length."""

from __future__ import annotations

from gpt_data.wording import describe, one_line, quote, show_path


def test_quote_cuts_the_middle():
    assert quote("a'b\x1b\n") == repr("a'b\x1b\n")
    assert quote("a" * 60) == repr("a" * 60)
    assert quote("a" * 50_000 + "z" * 50_000) == f"'{'a' * 40}…{'z' * 20}' (100,000 characters)"


def test_messages_are_one_bounded_line():
    assert one_line("first\nsecond\x1b]0;title\x07 é") == r"first\nsecond\x1b]0;title\x07 é"
    cut = one_line("a" * 50_000 + "z" * 50_000)
    assert len(cut) == 2001
    assert cut.startswith("aaa")
    assert cut.endswith("zzz")


def test_usual_paths_are_whole():
    assert show_path("runs/" + "x" * 900) == "runs/" + "x" * 900
    assert len(show_path("x" * 100_000)) == 1001
    assert show_path("a\nb") == r"a\nb"


def test_any_value_is_short():
    for value in ("\x1b\n" * 50_000, ["x\n" * 100_000], 10**100_000, {"a" * 100_000: 10**300}, b"\x1b" * 100_000):
        assert len(describe(value)) < 300
        assert describe(value).isprintable()
