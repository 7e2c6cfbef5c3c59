"""``sample``: text that a trained model writes, as it writes it; with ``--show`` how each token came about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpt_data.errors import UserError
from gpt_data.files.regular_file import read_regular
from gpt_data.tokens.tokenizer import Tokenizer
from gpt_data.wording import quote, show_path
from numpy_gpt.shared.cli.parser import number, print_record, truth, whole_number
from numpy_gpt.shared.cli.program import Program, add_model_flags, chosen_model, engine_for
from numpy_gpt.shared.cli.show import likeliest, prompt_table, shown_draw, shown_header, token_width
from numpy_gpt.shared.cli.token_text import single_token, token_text, tokens_of
from numpy_gpt.shared.model.sampling_choice import Draw, check_choice
from numpy_gpt.shared.training.engine import Engine
from numpy_gpt.shared.training.randomness import sampling_uniforms

SCHEMA_VERSION = 1
_FROM_FILE = "FILE:"
_LIKELIEST = 5
_MOST_TOKENS = 10_000_000  # their random numbers are drawn beforehand


def add_sample_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Give the parser what both twins' ``sample`` takes, with nanoGPT's names and defaults where it has them."""
    add_model_flags(parser)
    parser.add_argument(
        "--prompt", metavar="TEXT", help="what the text begins with, or FILE:PATH (default: a line break or a space)"
    )
    parser.add_argument(
        "--max_new_tokens", metavar="N", type=whole_number, default=200, help="tokens in a sample (default: 200)"
    )
    parser.add_argument(
        "--num_samples", metavar="N", type=whole_number, default=1, help="how many samples (default: 1)"
    )
    _add_drawing_flags(parser)
    parser.add_argument("--stop", metavar="TOKEN", help="end a sample before this token, such as a full stop")
    parser.add_argument(
        "--cache",
        type=truth,
        default=True,
        metavar="BOOL",
        help="keep keys and values: the same text, sooner (default: True)",
    )
    parser.add_argument(
        "--show",
        type=whole_number,
        nargs="?",
        const=_LIKELIEST,
        metavar="N",
        help=f"show how the prompt became tokens, and for each new one the N likeliest ({_LIKELIEST} if not given)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON record in place of the text")
    program.add_flags(parser)
    parser.set_defaults(command=lambda arguments: sample_command(program, arguments))


def _add_drawing_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--temperature", metavar="T", type=number, default=1.0, help="divides the logits; 0 is argmax (default: 1)"
    )
    parser.add_argument("--top_k", metavar="K", type=whole_number, help="draw from the k likeliest tokens only")
    parser.add_argument(
        "--top_p",
        metavar="P",
        type=number,
        default=1.0,
        help="draw from the likeliest tokens that make up p together (default: 1)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole_number, default=1337, help="seed of the drawing (default: 1337)"
    )


def sample_command(program: Program, arguments: argparse.Namespace) -> int:
    """Sample as the flags say and return the exit status."""
    _check(arguments)
    model = chosen_model(arguments)
    tokenizer = model.tokenizer
    text = _prompt(arguments.prompt, tokenizer)
    prompt = tokens_of(tokenizer, text, "--prompt").tolist()
    stop = None if arguments.stop is None else single_token(tokenizer, arguments.stop, "--stop")
    engine = engine_for(program, model, arguments)
    width = 0 if arguments.show is None else token_width(tokenizer, model.config.vocab_size)
    samples = []
    for place in range(arguments.num_samples):
        draws = _until(stop, _draws(engine, prompt, place, arguments))
        if arguments.json:
            samples.append(_record(tokenizer, text, draws, arguments.show))
            continue
        if place > 0:
            print("---------------")
        if arguments.show is None:
            _stream(tokenizer, text, draws)
        else:
            _show(tokenizer, text, prompt, draws, arguments.show, width)
    if arguments.json:
        print_record({"schema_version": SCHEMA_VERSION, "prompt": text, "prompt_tokens": prompt, "samples": samples})
    return 0


def _check(arguments: argparse.Namespace) -> None:
    check_choice(arguments.temperature, arguments.top_k, arguments.top_p)
    for name, least in (("max_new_tokens", 0), ("num_samples", 1), ("seed", 0), ("show", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UserError(f"--{name} must be at least {least}, not {value}")
    if arguments.max_new_tokens > _MOST_TOKENS:
        raise UserError(f"--max_new_tokens must be at most {_MOST_TOKENS:,}, not {arguments.max_new_tokens:,}")


def _prompt(given: str | None, tokenizer: Tokenizer) -> str:
    if given is None:
        return next((text for text in ("\n", " ") if text in tokenizer.vocabulary), tokenizer.vocabulary[0])
    if not given.startswith(_FROM_FILE):
        return given
    name = given.removeprefix(_FROM_FILE)
    if not name:
        raise UserError(f"--prompt {_FROM_FILE} must be followed by the name of a file, as in {_FROM_FILE}prompt.txt")
    try:
        return read_regular(Path(name)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{show_path(name)} must be UTF-8, but byte {error.start} is not ({error.reason}); save it as UTF-8"
        ) from error


def _draws(engine: Engine, prompt: list[int], number: int, arguments: argparse.Namespace) -> Iterator[Draw]:
    uniforms = sampling_uniforms(arguments.seed, arguments.max_new_tokens, number)
    return engine.draws(
        prompt, uniforms, arguments.temperature, arguments.top_k, arguments.top_p, cache=arguments.cache
    )


def _until(stop: int | None, draws: Iterator[Draw]) -> Iterator[Draw]:
    for draw in draws:
        if draw.token == stop:
            return
        yield draw


def _record(tokenizer: Tokenizer, text: str, draws: Iterator[Draw], show: int | None) -> dict[str, Any]:
    written, tokens, probabilities, shown_tokens = [text], [], [], []
    for draw in draws:
        written.append(token_text(tokenizer, draw.token))
        tokens.append(draw.token)
        probabilities.append(float(draw.probabilities[draw.token]))
        if show is not None:
            top = likeliest(draw.probabilities, show)
            shown_tokens.append([{"token": token, "probability": float(draw.probabilities[token])} for token in top])
    record: dict[str, Any] = {"text": "".join(written), "tokens": tokens, "probabilities": probabilities}
    return record if show is None else record | {"likeliest": shown_tokens}


def _stream(tokenizer: Tokenizer, text: str, draws: Iterator[Draw]) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
    try:
        for draw in draws:
            sys.stdout.write(token_text(tokenizer, draw.token))
            sys.stdout.flush()  # every token is seen when it is there
    finally:
        print(flush=True)  # after Ctrl-C too: what follows has a line of its own


def _show(tokenizer: Tokenizer, text: str, prompt: list[int], draws: Iterator[Draw], count: int, width: int) -> None:
    written = [text]
    print(prompt_table(tokenizer, text, prompt, width), end="\n\n")
    print(shown_header(count, width), flush=True)
    for place, draw in enumerate(draws, start=1):
        print(shown_draw(tokenizer, place, draw, count, width), flush=True)
        written.append(token_text(tokenizer, draw.token))
    print(f"\n{quote(''.join(written), 10_000)}")
