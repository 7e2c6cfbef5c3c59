"""``sample``: generate text with a trained model, token by token; ``--show`` adds the probabilities of each token."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_regular
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
from gpt_data.tokens.token_text import stream_text
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import count_of, describe, quote, show_path
from numpy_gpt.shared.cli.choices import recipe_of
from numpy_gpt.shared.cli.model_choice import ModelChoice, add_model_flags, load_model, read_model_choice
from numpy_gpt.shared.cli.parser import add_pager_flag, boolean, number, print_record, read_options, whole_number
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tables import Column, row_line, table_lines, title_line
from numpy_gpt.shared.cli.tokens import (
    encode_flag,
    likeliest,
    quote_token,
    read_text,
    single_token,
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
_PAGE = 120  # columns if the output is not a terminal
_BETWEEN = "---------------\n"


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
    show: int | None
    no_pager: bool
    json: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``sample``, with nanoGPT's names and defaults where they exist."""
    add = parser.add_argument
    add_model_flags(parser)
    what = "the beginning of the text, or FILE:PATH without its last line break (default: a line break or a space)"
    add("--prompt", metavar="TEXT", help=what)
    add("--max_new_tokens", metavar="N", type=whole_number, default=200, help="tokens in a sample (default: 200)")
    add("--num_samples", metavar="N", type=whole_number, default=1, help="number of samples (default: 1)")
    add("--temperature", metavar="T", type=number, default=1.0, help="divides the logits; 0 is argmax (default: 1)")
    add("--top_k", metavar="K", type=whole_number, help="sample only from the k likeliest tokens")
    what = "sample only from the likeliest tokens whose probabilities add up to p (default: 1)"
    add("--top_p", metavar="P", type=number, default=1.0, help=what)
    add("--seed", metavar="N", type=whole_number, default=1337, help="seed of the sampling (default: 1337)")
    add("--stop", metavar="TOKEN", help="end a sample before this token, such as a full stop")
    what = "cache keys and values: the same text, faster (default: True)"
    add("--cache", type=boolean, default=True, metavar="BOOL", help=what)
    what = f"show the tokens of the prompt, and the N likeliest candidates for each new token (default: {_LIKELIEST})"
    add("--show", type=whole_number, nargs="?", const=_LIKELIEST, metavar="N", help=what)
    add_pager_flag(parser)
    add("--json", action="store_true", help="print one JSON record instead of the text")
    set_command(parser, program, _read_options, sample)


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
    stop = None if options.stop is None else single_token(tokenizer, options.stop, "--stop")
    engine = backend.make_engine(recipe_of(model), initial_state_of(model))
    width = 0 if options.show is None else token_width(tokenizer, model.config.vocab_size)
    all_draws = (_draws_before(stop, _draws(engine, prompt, place, options)) for place in range(options.num_samples))
    if options.json:
        records = [_sample_record(tokenizer, prompt, draws, options.show) for draws in all_draws]
        print_record({"schema_version": SCHEMA_VERSION, "prompt": text, "prompt_tokens": prompt, "samples": records})
    elif options.show is None:
        for place, draws in enumerate(all_draws):
            if place > 0:
                print(_BETWEEN, end="")
            _write_sample(tokenizer, text, prompt, draws)
    else:
        tables = (_table_parts(tokenizer, text, prompt, draws, options.show, width) for draws in all_draws)
        parts = chain.from_iterable(chain([_BETWEEN] if place else [], table) for place, table in enumerate(tables))
        show(parts, paged=not options.no_pager and _is_long(options, prompt))
    return 0


def _check_options(options: SampleOptions) -> None:
    check_choice(options.temperature, options.top_k, options.top_p)
    for name, least in (("max_new_tokens", 0), ("num_samples", 1), ("seed", 0), ("show", 1)):
        value = getattr(options, name)
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
    try:
        text = read_regular(Path(name)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{show_path(name)} must be UTF-8, but byte {error.start} is not ({error.reason}); save it as UTF-8"
        ) from error
    # An editor ends every file with a line break, which does not belong to the prompt.
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def default_prompt(tokenizer: Tokenizer) -> str:
    """Return how a text begins if nothing else is asked for: a line break, or a space."""
    return next((text for text in ("\n", " ") if text in tokenizer.vocabulary), tokenizer.vocabulary[0])


def _draws(engine: Engine, prompt: list[int], number: int, options: SampleOptions) -> Iterator[Draw]:
    uniforms = sampling_uniforms(options.seed, options.max_new_tokens, number)
    return engine.draws(prompt, uniforms, options.temperature, options.top_k, options.top_p, cache=options.cache)


def _draws_before(stop: int | None, draws: Iterator[Draw]) -> Iterator[Draw]:
    for draw in draws:
        if draw.token == stop:
            return
        yield draw


def _sample_record(tokenizer: Tokenizer, prompt: list[int], draws: Iterator[Draw], count: int | None) -> dict[str, Any]:
    tokens, probabilities, candidates = list[int](), [], []
    for draw in draws:
        tokens.append(draw.token)
        probabilities.append(float(draw.probabilities[draw.token]))
        if count is not None:
            top = _candidates(draw.probabilities, count)
            candidates.append([{"token": token, "probability": float(draw.probabilities[token])} for token in top])
    record: dict[str, Any] = {
        "text": stream_text(tokenizer, [*prompt, *tokens]),
        "tokens": tokens,
        "probabilities": probabilities,
    }
    return record if count is None else record | {"likeliest": candidates}


def _write_sample(tokenizer: Tokenizer, text: str, prompt: list[int], draws: Iterator[Draw]) -> None:
    stream = tokenizer.stream()
    for token in prompt:
        stream.add(token)
    sys.stdout.write(text)
    sys.stdout.flush()
    try:
        for draw in draws:
            sys.stdout.write(stream.add(draw.token))
            sys.stdout.flush()  # every token appears as soon as it is sampled, or its character is complete
    finally:
        print(stream.finish(), flush=True)  # also after Ctrl-C, so that the message gets its own line


def _is_long(options: SampleOptions, prompt: list[int]) -> bool:
    """Return whether the tables may be longer than the screen; otherwise each row appears as soon as it is sampled."""
    size = screen_size()
    return size is not None and options.num_samples * (len(prompt) + options.max_new_tokens + 6) >= size.lines


def _table_parts(
    tokenizer: Tokenizer, text: str, prompt: list[int], draws: Iterator[Draw], count: int, width: int
) -> Iterator[str]:
    style = page_style()
    tokens = list(prompt)
    titles = title_line(_draw_columns(count, width), style)
    yield join_lines([*prompt_table(tokenizer, text, prompt, width, style), "", titles])
    for step, draw in enumerate(draws, start=1):
        yield join_lines(draw_lines(tokenizer, step, draw, count, width, style))
        tokens.append(draw.token)
    yield join_lines(["", *wrap_prose(quote(stream_text(tokenizer, tokens), 10_000))])


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
