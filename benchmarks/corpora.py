"""How well the recipes of the small corpora learn, judged by samples: ``python -m benchmarks.corpora``.

Each recipe is trained unchanged, with several seeds. The table has its validation loss and the lowest possible one, and
the share of correct pieces in a sample at temperature 1: words on the list, sentences of the grammar.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, during which Ctrl-C is handled, too
    from gpt_data.process import run_program

    run_program("benchmarks.corpora")

import argparse
import time
from collections.abc import Callable

from benchmarks.support.command import at_least_one, command_parser, markdown_row
from gpt_data.errors import UserError
from gpt_data.floors.grammar_entropy import entropy_rate
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.scoring import complete_sentences, complete_words, share_grammatical, share_in_list
from gpt_data.wording import list_names, quote
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.cli.parser import run_command
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.randomness import sampling_uniforms
from numpy_gpt.shared.training.schedule import learning_rate_at

TOKENS = 6000
HEADER = ("corpus", "seed", "seconds", "validation loss", "lowest possible", "right", "of")
_Scores = tuple[Callable[[str], list[str]], Callable[[str], float], str]
SCORES: dict[str, _Scores] = {
    "words": (complete_words, share_in_list, " "),
    "grammar": (complete_sentences, share_grammatical, "\n"),
}


def train_preset(name: str, seed: int) -> NumpyEngine:
    """Return the engine of a preset after training."""
    recipe = preset(name).override({"seed": seed})
    engine = NumpyEngine(recipe, initial_values(recipe.model, seed, recipe.training.dtype))
    engine.begin(load_corpus(recipe.dataset).train)
    for step in range(recipe.training.max_iters):
        engine.take_step(step, learning_rate_at(step, **recipe.training.schedule()))
    return engine


def measure(name: str, seed: int) -> list[str]:
    """Return a row of the table: train, evaluate and sample."""
    corpus = load_corpus(name)
    complete, share, first = SCORES[name]
    start = time.perf_counter()
    engine = train_preset(name, seed)
    seconds = time.perf_counter() - start
    recipe = engine.recipe
    loss = evaluate(engine, corpus.val, recipe.model.block_size, recipe.eval_stride)
    floor = corpus_loss_floor(corpus, "val", recipe.model.block_size, recipe.eval_stride) or entropy_rate()
    prompt = corpus.tokenizer.encode(first).tolist()
    tokens = [draw.token for draw in engine.draws(prompt, sampling_uniforms(seed, TOKENS))]
    text = corpus.tokenizer.decode(prompt + tokens)
    losses = f"{loss:.4f}", f"{floor:.4f}"
    return [f"`{name}`", str(seed), f"{seconds:.0f}", *losses, f"{share(text):.1%}", f"{len(complete(text)):,}"]


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each corpus and seed."""
    parser = command_parser(__doc__)
    parser.add_argument("names", nargs="*", default=list(SCORES), help=f"some of {', '.join(SCORES)} (default: all)")
    parser.add_argument("--seeds", type=at_least_one, default=3)
    return run_command(_run, parser, arguments)


def _run(options: argparse.Namespace) -> int:
    if unknown := [name for name in options.names if name not in SCORES]:
        raise UserError(f"a corpus must be one of {list_names(SCORES)}, not {quote(unknown[0])}")
    print(markdown_row(HEADER), markdown_row(["---"] * len(HEADER)), sep="\n")
    for name in options.names:
        for seed in (1337, *range(1, options.seeds)):
            print(markdown_row(measure(name, seed)), flush=True)
    return 0
