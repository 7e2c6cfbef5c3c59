"""The commands that both programs have, and how a program is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy_gpt.shared.cli.compare import add_compare_flags
from numpy_gpt.shared.cli.evaluate import add_evaluate_flags
from numpy_gpt.shared.cli.parser import EXIT_STATUS, Parser, add_debug_flag
from numpy_gpt.shared.cli.plot import add_plot_flags
from numpy_gpt.shared.cli.prepare import add_prepare_flags
from numpy_gpt.shared.cli.program import Program
from numpy_gpt.shared.cli.recipe_choice import PRECEDENCE
from numpy_gpt.shared.cli.sample import add_sample_flags
from numpy_gpt.shared.cli.step import add_step_flags
from numpy_gpt.shared.cli.train import add_train_flags

_COMMANDS: dict[str, tuple[Callable[[Any, Program], None], str, tuple[str, ...]]] = {
    "train": (
        add_train_flags,
        "train a model",
        (
            "train tiny",
            "train tiny --n_embd 12 --max_iters 1000 --seed 7 --dtype float64 --json",
            "train bigram --max-iters=200 --eval_interval 100 --source input.txt",
            "train --config recipe.toml --learning_rate 1e-3",
            "train tiny --dataset my-text --eval_stride none --patience 3 --tensorboard",
            "train --resume runs/tiny",
        ),
    ),
    "sample": (
        add_sample_flags,
        "let a model write",
        (
            'sample --prompt "hello"',
            'sample runs/tiny --prompt "to be" --temperature 0.8 --top_k 5 --num_samples 3 --max_new_tokens 20',
            'sample runs/tiny --prompt "once" --show --max_new_tokens 6 --temperature 0',
            'sample --prompt FILE:prompt.txt --stop "world" --json',
        ),
    ),
    "step": (
        add_step_flags,
        "train on one example once and see what changed",
        ('step --text "hello world"', 'step runs/tiny --text "to be or not" --learning_rate 1e-3 --top 5'),
    ),
    "evaluate": (
        add_evaluate_flags,
        "a model's losses over both whole splits",
        ("evaluate", "evaluate runs/tiny --checkpoint best --eval_iters 20 --json"),
    ),
    "compare": (
        add_compare_flags,
        "change one thing, train once for each value, and compare",
        (
            "compare tiny --n_embd 4,6,8,16 --max_iters 300 --warmup_iters 30 --eval_interval 25",
            "compare tiny --dropout 0,0.1 --max_iters 300 --warmup_iters 30 --json",
        ),
    ),
}


def add_shared_commands(commands: Any, program: Program) -> None:
    """Give a program its commands."""
    for name, (add_flags, what, examples) in _COMMANDS.items():
        add_flags(add_command(commands, program.name, name, what, examples), program)
    examples = ("plot runs/tiny", "plot runs/tiny --png loss.png")
    add_plot_flags(add_command(commands, program.name, "plot", "draw loss curves", examples))
    examples = (
        "prepare text input.txt --out_dir my-text --val_share 0.2",
        "prepare text input.txt --tokens words --out_dir my-words",
        "prepare grammar --out_dir grammar-files",
    )
    add_prepare_flags(
        add_command(commands, program.name, "prepare", "make token files of a text", examples), program.name
    )


def add_command(commands: Any, program: str, name: str, what: str, examples: tuple[str, ...]) -> Parser:
    """Return the parser of a new command, with its examples and what all commands take."""
    lines = "\n".join(f"  {program} {example}" for example in examples)
    notes = f"{PRECEDENCE}\n" if name in ("train", "compare") else ""
    epilog = f"examples:\n{lines}\n\n{notes}{EXIT_STATUS}"
    parser: Parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=epilog)
    add_debug_flag(parser)
    return parser


def program_parser(program: Program, description: str) -> tuple[Parser, Any]:
    """Return a program's parser and the place for its commands, the shared ones in it already."""
    overview = "\n".join(f"  {program.name} {examples[0]}" for _, _, examples in _COMMANDS.values())
    parser = Parser(prog=program.name, description=description, epilog=f"examples:\n{overview}\n\n{EXIT_STATUS}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    add_shared_commands(commands, program)
    return parser, commands
