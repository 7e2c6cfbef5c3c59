"""``attention``: what each head attends to in a text, now or over a training, in the terminal or in a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from gpt_data.errors import UserError
from gpt_data.files.atomic import atomic_files
from gpt_data.terminal import show, shows_colours, terminal_columns
from gpt_data.wording import show_path
from numpy_gpt.shared.attention.growth import Growth, growth_of, head_growths, validation_text
from numpy_gpt.shared.attention.maps import AttentionMaps, record_maps
from numpy_gpt.shared.attention.sentences import Measurement, measure_heads
from numpy_gpt.shared.cli.choices import add_source_flag, recipe_of
from numpy_gpt.shared.cli.model_choice import (
    ModelChoice,
    add_model_flags,
    describe_model,
    load_model,
    read_model_choice,
)
from numpy_gpt.shared.cli.parser import add_pager_flag, path, print_record, read_options, typed_text, whole_number
from numpy_gpt.shared.cli.program import Backend, Command, Program, initial_state_of, set_command
from numpy_gpt.shared.cli.tokens import encode_flag, read_text
from numpy_gpt.shared.model.arrays import Tokens
from numpy_gpt.shared.model.config_checks import check_place, require_attention
from numpy_gpt.shared.runs.checkpoint import Checkpoint
from numpy_gpt.shared.runs.snapshots import how_to_keep, snapshots_of

SCHEMA_VERSION = 1
_COLUMNS = 100  # if the output is not a terminal


class AttentionOptions(NamedTuple):
    """The flags of ``attention``."""

    model: ModelChoice
    text: str
    growth: bool
    source: Path | None
    window: int | None
    layer: int | None
    head: int | None
    png: Path | None
    html: Path | None
    json: bool
    no_pager: bool


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    """Add the flags of ``attention``."""
    add = parser.add_argument
    add_model_flags(parser)
    add("--text", metavar="TEXT", type=typed_text, required=True, help="the text that the model reads")
    what = "show how the maps grew in training, over the snapshots that train --snapshots N kept in this run"
    add("--growth", action="store_true", help=what)
    add_source_flag(parser)
    what = "of a text longer than the context, read only the Nth part of that many tokens, counted from 1"
    add("--window", type=whole_number, metavar="N", help=what)
    add("--layer", type=whole_number, metavar="N", help="show only layer N, counted from 0")
    add("--head", type=whole_number, metavar="N", help="show only head N of each layer, counted from 0")
    add("--png", type=path, metavar="FILE", help="draw all maps on one sheet in this file, instead of the terminal")
    add("--html", type=path, metavar="FILE", help="write all maps to this file as a web page that needs no other file")
    what = "print one JSON record instead of the maps: tokens, words, weights[layer][head][query][key], sentences"
    add("--json", action="store_true", help=what)
    add_pager_flag(parser)
    set_command(parser, program, _read_options, attention)


def _read_options(arguments: argparse.Namespace) -> AttentionOptions:
    return read_options(AttentionOptions, arguments, model=read_model_choice(arguments))


ATTENTION = Command(
    "attention",
    "show what each head attends to in a text",
    _add_flags,
    (
        'attention --text "hello world"',
        'attention runs/tiny --text "to be or not" --layer 1 --head 0',
        'attention runs/tiny --text "once upon a time" --png maps.png --html maps.html',
        'attention --text "to be or not to be" --window 2 --json',
        'attention runs/grown --text "to be or not" --growth --png growth.png',
    ),
    "A sentence under each map is a measurement of this text: which target gets the most attention above its share if\n"
    "attention were spread evenly, and how much.",
)


def attention(options: AttentionOptions, backend: Backend) -> int:
    """Show or write the maps and return the exit status."""
    if options.png and options.png == options.html:
        raise UserError(f"--png and --html must be two files, not both {show_path(options.png)}")
    model = load_model(*options.model)
    config = require_attention(model.config)
    check_place("layer", options.layer, config.n_layer)
    check_place("head", options.head, config.n_head)
    text = read_text(model.tokenizer, options.text, "--text")
    tokens, note = _choose_window(encode_flag(model.tokenizer, text, "--text"), config.block_size, options.window)
    forms = _growth_forms if options.growth else _map_forms
    drawn = forms(options, backend, model, tokens, note)
    files = _write_files({options.png: drawn.png, options.html: drawn.html})
    if options.json:
        print_record({"schema_version": SCHEMA_VERSION, **drawn.record()})
    elif files:
        print(f"wrote {' and '.join(map(show_path, files))}")
    else:
        show((f"{line}\n" for line in drawn.lines()), paged=not options.no_pager)
    return 0


class _Forms(NamedTuple):
    """Every form of a result, made when it is asked for: a picture, a page, lines of text, a JSON record."""

    png: Callable[[], bytes]
    html: Callable[[], bytes]
    lines: Callable[[], Iterable[str]]
    record: Callable[[], dict[str, Any]]


def _map_forms(options: AttentionOptions, backend: Backend, model: Checkpoint, tokens: Tokens, note: str) -> _Forms:
    maps = record_maps(
        backend.make_engine(recipe_of(model), initial_state_of(model)),
        model.tokenizer,
        tokens,
        model=describe_model(model.step, options.model),
        layer=options.layer,
        head=options.head,
        note=note,
    )

    def png() -> bytes:
        from numpy_gpt.shared.attention.drawing.sheet import sheet_png  # matplotlib takes a second to import

        return sheet_png(maps)

    def html() -> bytes:
        from numpy_gpt.shared.attention.drawing.page import maps_page

        return maps_page(maps).encode()

    def lines() -> Iterable[str]:
        from numpy_gpt.shared.attention.drawing.terminal import map_lines

        return map_lines(maps, terminal_columns(_COLUMNS), colour=shows_colours())

    return _Forms(png, html, lines, lambda: _map_record(maps))


def _growth_forms(options: AttentionOptions, backend: Backend, model: Checkpoint, tokens: Tokens, note: str) -> _Forms:
    if not snapshots_of(options.model.run):
        raise UserError(how_to_keep(options.model.run))
    growth = growth_of(
        options.model.run,
        tokens,
        validation_text(model, options.source),
        lambda snapshot: backend.make_engine(recipe_of(snapshot), initial_state_of(snapshot)),
        layer=options.layer,
        head=options.head,
        note=note,
        warn=lambda damage: print(f"warning: {damage}", file=sys.stderr),
    )

    def png() -> bytes:
        from numpy_gpt.shared.attention.drawing.film_strip import strip_png

        return strip_png(growth)

    def html() -> bytes:
        from numpy_gpt.shared.attention.drawing.growth_page import growth_page

        return growth_page(growth).encode()

    def lines() -> Iterable[str]:
        from numpy_gpt.shared.attention.drawing.growth_table import growth_lines

        return growth_lines(growth, terminal_columns(_COLUMNS))

    return _Forms(png, html, lines, lambda: _growth_record(growth))


def _choose_window(tokens: Tokens, size: int, window: int | None) -> tuple[Tokens, str]:
    """Return the tokens to read, and which part of the text they are if they are not all of it."""
    count = -(-len(tokens) // size)
    if window is None and count > 1:
        raise UserError(
            f"--text has {len(tokens):,} tokens, and the model reads at most {size:,} at once; give a shorter text, or "
            f"--window 1 to {count:,} for one part of it"
        )
    check_place("window", window, count, "this text", 1)
    if window is None or count == 1:
        return tokens, ""
    start = (window - 1) * size
    part = tokens[start : start + size]
    return part, f"tokens {start + 1:,} to {start + len(part):,} of {len(tokens):,}, read as a text of their own"


def _write_files(wanted: dict[Path | None, Callable[[], bytes]]) -> list[Path]:
    """Write the picture and the page that were asked for, both or neither, and return their paths."""
    contents = {path: make() for path, make in wanted.items() if path is not None}
    with atomic_files(*contents) as files:
        for file, content in zip(files, contents.values(), strict=True):
            file.write(content)
    return [*contents]


def _map_record(maps: AttentionMaps) -> dict[str, Any]:
    return {
        "model": maps.model,
        "text": maps.text,
        "tokens": maps.tokens.tokens.tolist(),
        "words": list(maps.words),
        "layers": list(maps.layers),
        "heads": list(maps.heads),
        "weights": maps.weights.tolist(),
        "sentences": [[_sentence_record(head) for head in layer] for layer in measure_heads(maps)],
    }


def _sentence_record(measurement: Measurement) -> dict[str, Any]:
    main = measurement.main
    return {
        "sentence": measurement.sentence(),
        "target": main and main.target.name,
        "share": main and main.share,
        "even_share": main and main.even_share,
        "queries": main and main.queries,
        "stands_out": main is not None and main.stands_out,
        "evenness": measurement.evenness,
    }


def _growth_record(growth: Growth) -> dict[str, Any]:
    return {
        "run": growth.run,
        "found": growth.found,
        "steps": list(growth.steps),
        "losses": list(growth.losses),
        "curve": [list(point) for point in growth.curve],
        "maps": [_map_record(maps) for maps in growth.maps],
        "heads": [
            {"layer": head.layer, "head": head.head, "target": head.title, "shares": list(head.shares)}
            for head in head_growths(growth)
        ],
    }
