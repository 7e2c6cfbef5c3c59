"""The commands that both programs have, and the parser of a program."""

from __future__ import annotations

from typing import Any

from numpy_gpt.shared.cli.attention.attention import ATTENTION
from numpy_gpt.shared.cli.attention.heads import HEADS
from numpy_gpt.shared.cli.compare import COMPARE
from numpy_gpt.shared.cli.evaluate import EVALUATE
from numpy_gpt.shared.cli.parser import EXIT_STATUS, Parser, add_debug_flag
from numpy_gpt.shared.cli.plot import PLOT
from numpy_gpt.shared.cli.prepare import PREPARE
from numpy_gpt.shared.cli.program import Command, Program
from numpy_gpt.shared.cli.sample import SAMPLE
from numpy_gpt.shared.cli.step import STEP
from numpy_gpt.shared.cli.stored.edit import EDIT
from numpy_gpt.shared.cli.stored.export_model import EXPORT
from numpy_gpt.shared.cli.stored.import_model import IMPORT
from numpy_gpt.shared.cli.stored.snapshots import SNAPSHOTS_COMMAND
from numpy_gpt.shared.cli.train import TRAIN

_WITH_MODEL = (TRAIN, SAMPLE, STEP, ATTENTION, HEADS, EVALUATE, COMPARE)
_SHARED = (*_WITH_MODEL, IMPORT, EXPORT, EDIT, PLOT, SNAPSHOTS_COMMAND, PREPARE)


def program_parser(program: Program, description: str) -> tuple[Parser, Any]:
    """Return a program's parser with the shared commands, and the subparsers object to which commands can be added."""
    overview = "\n".join(f"  {program.name} {command.examples[0]}" for command in _WITH_MODEL)
    parser = Parser(prog=program.name, description=description, epilog=f"examples:\n{overview}\n\n{EXIT_STATUS}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in _SHARED:
        add_command(commands, program, command)
    return parser, commands


def add_command(commands: Any, program: Program, command: Command) -> Parser:
    """Add a command to a program, with its flags, examples and the common flags; return its parser."""
    examples = "\n".join(f"  {program.name} {example}" for example in command.examples)
    note = f"{command.note}\n\n" if command.note else ""
    description = f"{command.purpose[0].upper()}{command.purpose[1:]}."
    epilog = f"examples:\n{examples}\n\n{note}{EXIT_STATUS}"
    parser: Parser = commands.add_parser(command.name, help=command.purpose, description=description, epilog=epilog)
    add_debug_flag(parser)
    command.add_flags(parser, program)
    return parser
