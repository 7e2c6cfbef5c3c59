"""The commands ``golden pack``, ``golden names`` and ``golden check``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from gpt_data.files.streams import finish_without_output
from gpt_data.terminal import join_lines, page_style, print_prose, show
from gpt_data.wording import count_of, show_path
from numpy_gpt.golden.pack.form import DTYPES, LAYOUTS, LEVELS, SEED, SHIPPED_PACKS, STEPS
from numpy_gpt.shared.cli.commands import add_command
from numpy_gpt.shared.cli.parser import Parser, add_pager_flag, path, print_record, read_options, whole_number
from numpy_gpt.shared.cli.program import Command, Program

SCHEMA_VERSION = 1
_PORT_DTYPES = ("float64", "float32", "bfloat16", "float16")
_DIRECTORY = f"a pack's directory, or one that ships: {', '.join(SHIPPED_PACKS)}"


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (_PACK, _NAMES, _CHECK):
        add_command(commands, program, command)


class PackOptions(NamedTuple):
    """The flags of ``golden pack``."""

    directory: Path
    model: str | None
    steps: int
    level: str
    layout: str
    dtype: str
    seed: int


def _add_pack_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    parser.add_argument("directory", type=path, metavar="DIR", help="where to write the pack")
    what = "gpt2 or microgpt, which show mistakes; a run, a preset, or another program's model (default: gpt2)"
    parser.add_argument("--model", metavar="MODEL", help=what)
    parser.add_argument("--steps", type=whole_number, default=STEPS, help=f"training steps (default: {STEPS})")
    what = "every array; or what blocks pass on; or only logits, loss, gradients and new parameters (default: all)"
    parser.add_argument("--level", choices=LEVELS, default=LEVELS[0], help=what)
    what = "matrices as (in, out); as torch's Linear has them; or as llm.c's arrays (default: ours)"
    parser.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help=what)
    what = "of the stored numbers, which are computed in float64 (default: float32)"
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help=what)
    what = f"of the texts and initial values (default: {SEED})"
    parser.add_argument("--seed", type=whole_number, default=SEED, help=what)
    parser.set_defaults(command=lambda arguments: _pack(read_options(PackOptions, arguments)))


@finish_without_output()
def _pack(options: PackOptions) -> int:
    from numpy_gpt.golden.doors import golden_pack  # start-up time matters, here and below

    pack = golden_pack(**options._asdict())
    arrays, steps = count_of(len(pack.arrays), "array"), count_of(pack.steps, "step")
    print_prose(f"saved {show_path(options.directory)}: {arrays} of {steps}; golden.tsv lists them")
    return 0


class NamesOptions(NamedTuple):
    """The flags of ``golden names``."""

    directory: Path
    no_pager: bool


def _add_names_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    parser.add_argument("directory", type=path, metavar="DIR", help=_DIRECTORY)
    add_pager_flag(parser)
    parser.set_defaults(command=lambda arguments: _names(read_options(NamesOptions, arguments)))


def _names(options: NamesOptions) -> int:
    from numpy_gpt.golden.pack.reading import read_pack
    from numpy_gpt.golden.theirs.what_to_dump import name_lines

    show([join_lines(name_lines(read_pack(options.directory), page_style()))], paged=not options.no_pager)
    return 0


class CheckOptions(NamedTuple):
    """The flags of ``golden check``."""

    directory: Path
    theirs: Path
    dtype: str | None
    map: Path | None
    json: bool


def _add_check_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    parser.add_argument("directory", type=path, metavar="DIR", help=_DIRECTORY)
    what = "what the port wrote: .safetensors, .npz, a folder of .npy files, or golden.h's file"
    parser.add_argument("theirs", type=path, metavar="THEIRS", help=what)
    what = "what the port computes in (default: what its numbers show)"
    parser.add_argument("--dtype", choices=_PORT_DTYPES, help=what)
    what = "a table of names: on each line the port's name, a tab, and the pack's"
    parser.add_argument("--map", type=path, metavar="NAMES.TSV", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON record instead of the report")
    parser.set_defaults(command=lambda arguments: _check(read_options(CheckOptions, arguments)))


def _check(options: CheckOptions) -> int:
    from numpy_gpt.golden.doors import check_theirs
    from numpy_gpt.golden.pack.reading import read_pack
    from numpy_gpt.golden.theirs.names import read_name_map
    from numpy_gpt.golden.theirs.reading import read_theirs

    pack = read_pack(options.directory)
    names = None if options.map is None else read_name_map(options.map)
    findings = check_theirs(pack, read_theirs(options.theirs, pack, names), options.dtype)
    if options.json:
        print_record({"schema_version": SCHEMA_VERSION, **findings.as_json()})
    else:
        from numpy_gpt.golden.check.report import report

        print(report(findings))
    return findings.status


_PACK = Command(
    "pack",
    "write the arrays of a model's training steps to files that any language can read",
    _add_pack_flags,
    ("golden pack golden", "golden pack tiny-pack --model tiny --steps 1 --layout torch"),
    "golden.tsv lists the arrays in the order of computation, with their places in golden.safetensors. The config,\n"
    "and how far each array may be off, are in golden.json. docs/check-a-port.md has the details.",
)
_NAMES = Command(
    "names",
    "say which arrays a port should write first, with shapes and equations",
    _add_names_flags,
    ("golden names golden",),
    "The equations are those of docs/derivations.md.",
)
_CHECK = Command(
    "check",
    "name the first array of a port that does not follow from its own earlier ones, and the cause",
    _add_check_flags,
    ("golden check golden golden/golden.safetensors",),
    "Any subset of the arrays will do. The status is 1 if one does not follow.\n"
    "On a line of --map may be a third column, the order of the port's axes: (out,in) if transposed, or 0,2,1,3; a *\n"
    "stands for the same text in both names.",
)
GOLDEN = Command(
    "golden",
    "check a port of the model to another language against known arrays",
    _add_flags,
    (*_PACK.examples[:1], *_NAMES.examples, *_CHECK.examples),
    "A port writes its arrays with golden.h, which a pack contains, or in a format of NumPy or safetensors.\n"
    "docs/check-a-port.md shows how.",
)
