"""``sample``: generate text with a trained model, token by token; ``--show`` adds the probabilities of each token.

``--show full`` also adds the vocabulary, and after each token the text so far.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_texts
from gpt_data.terminal import (
    Style,
    join_lines,
    page_style,
    plain,
    screen_size,
    show,
    terminal_columns,
    visible_length,
    wrap_prose,
)
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, describe, quote
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import (
    add_pager_flag,
    boolean,
    full_or_number,
    number,
    print_record,
    read_options,
    typed_text,
    whole_number,
)
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.stop_text import Written, read_stop, written_before
from numpy_gpt.shared.cli.tables import Column, in_columns, row_line, table_lines, title_line
from numpy_gpt.shared.cli.tokens import (
    encode_flag,
    likeliest,
    quote_token,
    read_text,
    token_width,
)
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.model.sampling_choice import Draw, check_choice
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.randomness import sampling_uniforms

SCHEMA_VERSION = 1
_FROM_FILE = "FILE:"
_LIKELIEST = 5
MOST_TOKENS = 10_000_000  # their random numbers are drawn in advance
_MOST_LISTED = 256  # tokens of a vocabulary: those of GPT-2 would fill a hundred screens
_SO_FAR = "          so far "
_PAGE = 120  # columns if the output is not a terminal
_BETWEEN = "---------------\n"


class Shown(NamedTuple):
    """What ``--show`` shows: the number of likeliest tokens, and whether also the vocabulary and the text so far."""

    candidates: int = _LIKELIEST
    full: bool = False


def _read_shown(text: str) -> Shown:
    return Shown(*full_or_number(text, _LIKELIEST, "candidates"))


class SampleOptions(NamedTuple):
    """The flags of ``sample``."""

    model: ModelChoice
    prompt: str | None
    max_new_tokens: int
    num_samples: int
    temperature: float
    top_k: int | None
    top_p: float
    seed: int
    stop: str | None
    cache: bool
    show: Shown | None
    no_pager: bool
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``sample``, with nanoGPT's names and defaults where they exist."""
    add = parser.add_argument
    add_model_flags(parser)
    what = (
        r"the beginning of the text (\n is a line break, \t a tab), or FILE:PATH without its last line break "
        "(default: a line break or a space)"
    )
    add("--prompt", metavar="TEXT", type=_prompt_argument, help=what)
    add("--max_new_tokens", metavar="N", type=whole_number, default=200, help="tokens in a sample (default: 200)")
    add("--num_samples", metavar="N", type=whole_number, default=1, help="number of samples (default: 1)")
    add("--temperature", metavar="T", type=number, default=1.0, help="divides the logits; 0 is argmax (default: 1)")
    add("--top_k", metavar="K", type=whole_number, help="sample only from the k likeliest tokens")
    what = "sample only from the likeliest tokens whose probabilities add up to p (default: 1)"
    add("--top_p", metavar="P", type=number, default=1.0, help=what)
    add("--seed", metavar="N", type=whole_number, default=1337, help="seed of the sampling (default: 1337)")
    what = r"end a sample before this text, such as a full stop or \n\n; it may begin and end inside a token"
    add("--stop", metavar="TEXT", type=typed_text, help=what)
    what = "cache keys and values: the same text, faster (default: True)"
    add("--cache", type=boolean, default=True, metavar="BOOL", help=what)
    what = (
        f"show the tokens of the prompt, and the N likeliest candidates for each new token (default: {_LIKELIEST}); "
        "full or full:N: also the vocabulary, and the text so far"
    )
    add("--show", type=_read_shown, nargs="?", const=Shown(), metavar="N", help=what)
    add_pager_flag(parser)
    add("--json", action="store_true", help="print one JSON record instead of the text")
    set_command(parser, program, _read_options, sample)


def _prompt_argument(text: str) -> str:
    return text if text.startswith(_FROM_FILE) else typed_text(text)  # a path is no text


def _read_options(arguments: argparse.Namespace) -> SampleOptions:
    return read_options(SampleOptions, arguments, model=read_model_choice(arguments))


SAMPLE = Command(
    "sample",
    "write text with a model",
    _add_flags,
    (
        'sample --prompt "hello"',
        'sample runs/tiny --prompt "to be" --temperature 0.8 --top_k 5 --num_samples 3 --max_new_tokens 20',
        'sample runs/tiny --prompt "once" --show --max_new_tokens 6 --temperature 0',
        'sample runs/tiny --prompt "I love" --show full:3 --max_new_tokens 6',
        'sample --prompt FILE:prompt.txt --stop "world" --json',
    ),
)


def sample(options: SampleOptions, backend: Backend) -> int:
    """Print the samples and return the exit status."""
    _check_options(options)
    model = load_model(*options.model)
    tokenizer = model.tokenizer
    text = read_text(tokenizer, _prompt_text(options.prompt, tokenizer), "--prompt")
    prompt = encode_flag(tokenizer, text, "--prompt").tolist()
    stop = None if options.stop is None else read_stop(tokenizer, options.stop, "--stop")
    engine = backend.make_engine(recipe_of(model), initial_state_of(model))
    width = 0 if options.show is None else token_width(tokenizer, model.config.vocab_size)
    samples = (
        written_before(stop, tokenizer, prompt, _draws(engine, prompt, place, options))
        for place in range(options.num_samples)
    )
    if options.json:
        records = [_sample_record(text, written, options.show) for written in samples]
        record = {"schema_version": SCHEMA_VERSION, "prompt": text, "prompt_tokens": prompt, "samples": records}
        is_full = options.show is not None and options.show.full
        print_record(record | ({"vocabulary": list(tokenizer.vocabulary)} if is_full else {}))
    elif options.show is None:
        for place, written in enumerate(samples):
            if place > 0:
                print(_BETWEEN, end="")
            _stream_text(text, written)
    else:
        tables = (_table_parts(tokenizer, text, prompt, written, options.show, width) for written in samples)
        parts = chain.from_iterable(chain([_BETWEEN] if place else [], table) for place, table in enumerate(tables))
        vocabulary = [*vocabulary_table(tokenizer, page_style()), ""] if options.show.full else []
        paged = not options.no_pager and _is_long(options, prompt, len(vocabulary))
        show(chain([join_lines(vocabulary)], parts), paged=paged)
    return 0


def _check_options(options: SampleOptions) -> None:
    check_choice(options.temperature, options.top_k, options.top_p)
    shown = None if options.show is None else options.show.candidates
    values = options.max_new_tokens, options.num_samples, options.seed, shown
    for name, value, least in zip(("max_new_tokens", "num_samples", "seed", "show"), values, (0, 1, 0, 1), strict=True):
        if value is not None and value < least:
            raise UserError(f"--{name} must be at least {least}, not {describe(value)}")
    if options.max_new_tokens > MOST_TOKENS:
        raise UserError(f"--max_new_tokens must be at most {MOST_TOKENS:,}, not {describe(options.max_new_tokens)}")


def _prompt_text(prompt: str | None, tokenizer: Tokenizer) -> str:
    if prompt is None:
        return default_prompt(tokenizer)
    if not prompt.startswith(_FROM_FILE):
        return prompt
    name = prompt.removeprefix(_FROM_FILE)
    if not name:
        raise UserError(f"--prompt {_FROM_FILE} must be followed by the name of a file, as in {_FROM_FILE}prompt.txt")
    text = "".join(read_texts([Path(name)]))
    # An editor ends every file with a line break, which does not belong to the prompt.
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def default_prompt(tokenizer: Tokenizer) -> str:
    """Return how a text begins if nothing else is asked for: a line break, or a space."""
    return next((text for text in ("\n", " ") if text in tokenizer.vocabulary), tokenizer.vocabulary[0])


def _draws(engine: Engine, prompt: list[int], number: int, options: SampleOptions) -> Iterator[Draw]:
    uniforms = sampling_uniforms(options.seed, options.max_new_tokens, number)
    return engine.draws(prompt, uniforms, options.temperature, options.top_k, options.top_p, cache=options.cache)


def _sample_record(text: str, written: Iterator[Written], shown: Shown | None) -> dict[str, Any]:
    texts, tokens, probabilities, candidates = [text], [], [], []
    for draw, piece in written:
        texts.append(piece)
        if draw is None:
            continue
        tokens.append(draw.token)
        probabilities.append(float(draw.probabilities[draw.token]))
        if shown is not None:
            top = _candidates(draw.probabilities, shown.candidates)
            candidates.append([{"token": token, "probability": float(draw.probabilities[token])} for token in top])
    record: dict[str, Any] = {"text": "".join(texts), "tokens": tokens, "probabilities": probabilities}
    return record if shown is None else record | {"likeliest": candidates}


def _stream_text(text: str, written: Iterator[Written]) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
    try:
        for _, piece in written:
            sys.stdout.write(piece)
            sys.stdout.flush()  # every token appears as soon as it is sampled
    finally:
        print(flush=True)  # also after Ctrl-C, so that the message gets its own line


def _is_long(options: SampleOptions, prompt: list[int], before: int) -> bool:
    """Return whether the tables, with ``before`` lines before them, may be longer than the screen.

    Otherwise each row appears as soon as it is sampled.
    """
    size = screen_size()
    rows = options.max_new_tokens * (2 if options.show is not None and options.show.full else 1)
    return size is not None and before + options.num_samples * (len(prompt) + rows + 6) >= size.lines


def _table_parts(
    tokenizer: Tokenizer, text: str, prompt: list[int], written: Iterator[Written], shown: Shown, width: int
) -> Iterator[str]:
    style = page_style()
    titles = title_line(_draw_columns(shown.candidates, width), style)
    yield join_lines([*prompt_table(tokenizer, text, prompt, width, style), "", titles])
    for step, (draw, piece) in enumerate(written, start=1):
        text += piece
        lines = [] if draw is None else draw_lines(tokenizer, step, draw, shown.candidates, width, style)
        yield join_lines([*lines, *([text_so_far(text, style)] if shown.full else [])])
    yield join_lines(["", *wrap_prose(quote(text, 10_000))])


def vocabulary_table(tokenizer: Tokenizer, style: Style = plain) -> list[str]:
    """Return the vocabulary as ids and tokens, in columns that fit the terminal; of a large one, the beginning."""
    tokens = range(min(tokenizer.vocab_size, _MOST_LISTED))
    width = len(f"{tokens[-1]}")
    entries = [f"{token:{width}} {quote_token(tokenizer, token)}" for token in tokens]
    more = f"; the first {_MOST_LISTED}:" if len(tokens) < tokenizer.vocab_size else ":"
    title = f"vocabulary of {count_of(tokenizer.vocab_size, 'token')}, each after its id{more}"
    return [*(style("heading", line) for line in wrap_prose(title)), *in_columns(entries, terminal_columns(_PAGE))]


def text_so_far(text: str, style: Style = plain) -> str:
    """Return the line below a sampled token: the text with it, of which only the end is shown if it is long."""
    room = max(terminal_columns(_PAGE) - len(_SO_FAR) - 1, 10)
    tail = text[-room:]
    while len(repr(tail)) > room:
        tail = tail[1:]
    cut = "…" if len(tail) < len(text) else ""
    return f"{_SO_FAR}{cut}{style('value', repr(tail))}"


def prompt_table(tokenizer: Tokenizer, text: str, tokens: Sequence[int], width: int, style: Style = plain) -> list[str]:
    """Return the tokens of a text: one line per token, with its position and id."""
    columns = [Column("position"), Column("token", "left", width, "name"), Column("id", width=4)]
    rows = [(str(place), quote_token(tokenizer, token), str(token)) for place, token in enumerate(tokens)]
    title = f"prompt {quote(text)}: {count_of(len(tokens), 'token')} of a vocabulary of {tokenizer.vocab_size:,}"
    return [*(style("heading", line) for line in wrap_prose(title)), *table_lines(columns, rows, style)]


def _draw_columns(count: int, width: int) -> list[Column]:
    names = [_with_probability(name, "p", width) for name in ("sampled", "argmax")]
    last = f"the {count} likeliest" if count > 1 else "the likeliest"
    roles = {names[0]: "value"}
    return [Column("new", width=8), *(Column(name, "left", role=roles.get(name, "")) for name in (*names, last))]


def draw_lines(tokenizer: Tokenizer, step: int, draw: Draw, count: int, width: int, style: Style = plain) -> list[str]:
    """Return one sampled token as a row: the token, the argmax and the likeliest ones, with their probabilities.

    The probabilities are those used for sampling: after temperature, top-k and top-p. A row that is wider than the
    terminal continues on the next line.
    """
    p = draw.probabilities
    top = _candidates(p, count)
    cells = [str(step)]
    cells += [
        _with_probability(quote_token(tokenizer, token), f"{p[token]:.4f}", width) for token in (draw.token, top[0])
    ]
    start = row_line(_draw_columns(count, width)[: len(cells)], cells, style)
    return _wrap(start, [f"{quote_token(tokenizer, token)} {p[token]:.4f}" for token in top])


def _with_probability(token: str, probability: str, width: int) -> str:
    return f"{token:<{width}} {probability:>6}"


def _candidates(probabilities: Array, count: int) -> list[int]:
    return [token for token in likeliest(probabilities, count) if probabilities[token] > 0]


def _wrap(start: str, parts: Sequence[str]) -> list[str]:
    """Return the parts after ``start``, on as many lines as the terminal's width requires."""
    page = terminal_columns(_PAGE)
    indent = visible_length(start) if visible_length(start) <= page // 2 else 8
    lines = [start]
    for part in parts:
        if visible_length(lines[-1]) + 2 + len(part) > page and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += f"  {part}"
    return lines
