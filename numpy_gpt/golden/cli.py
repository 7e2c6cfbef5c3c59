"""The commands ``golden pack``, ``golden names`` and ``golden check``."""

from __future__ import annotations

import argparse

from gpt_data.files.streams import finish_without_output
from gpt_data.terminal import print_prose
from gpt_data.wording import show_path
from numpy_gpt.golden.pack.form import DTYPES, LAYOUTS, LEVELS, SEED
from numpy_gpt.shared.cli.parser import EXIT_STATUS, Parser, add_debug_flag, path, whole_number
from numpy_gpt.shared.cli.program import Command, Program


def _add_flags(parser: argparse.ArgumentParser, program: Program) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for name, purpose, add_flags in (("pack", "write a pack", _add_pack_flags),):
        inner = commands.add_parser(
            name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", epilog=EXIT_STATUS
        )
        add_debug_flag(inner)
        add_flags(inner)


GOLDEN = Command(
    "golden",
    "check a port of the model to another language: packs of known arrays, and a checker",
    _add_flags,
    ("golden pack golden",),
)


def _add_pack_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=path, metavar="DIR", help="where to write the pack")
    what = "a run, a preset, or a model of another program (default: a small model that shows mistakes)"
    parser.add_argument("--model", metavar="MODEL", help=what)
    parser.add_argument("--steps", type=whole_number, default=3, help="training steps (default: 3)")
    what = (
        "all arrays; what the blocks hand to each other; or logits, loss, gradients and new parameters (default: all)"
    )
    parser.add_argument("--level", choices=LEVELS, default="all", help=what)
    what = "how matrices are stored: (in, out); (out, in) as in torch; or as in llm.c (default: ours)"
    parser.add_argument("--layout", choices=LAYOUTS, default="ours", help=what)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the stored numbers (default: float32)")
    parser.add_argument(
        "--seed", type=whole_number, default=SEED, help=f"of texts and initial values (default: {SEED})"
    )
    parser.set_defaults(command=_pack)


@finish_without_output()
def _pack(arguments: argparse.Namespace) -> int:
    from numpy_gpt.golden.doors import golden_pack  # start-up time matters

    names = ("model", "steps", "level", "layout", "dtype", "seed")
    golden_pack(arguments.directory, **{name: getattr(arguments, name) for name in names})
    print_prose(f"saved {show_path(arguments.directory)}")
    return 0
