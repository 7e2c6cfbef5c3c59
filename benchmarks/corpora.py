"""What the recipes of the small corpora learn, by what their models write: ``python -m benchmarks.corpora``.

Each is trained as it stands, with several seeds; then its validation loss stands beside the lowest that is possible,
and of what it writes at temperature 1 the share that is right: words on the list, sentences of the grammar.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.support.command import command_parser
from gpt_data.floors.grammar_entropy import entropy_rate
from gpt_data.floors.loss_floor import corpus_loss_floor
from gpt_data.texts.corpora import load_corpus
from gpt_data.texts.grammar import complete_sentences, share_grammatical
from gpt_data.texts.words import complete_words, share_in_list
from numpy_gpt.engine import NumpyEngine
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.evaluation import evaluate
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.randomness import sampling_uniforms
from numpy_gpt.shared.training.schedule import learning_rate_at

TOKENS = 6000
_Judge = tuple[Callable[[str], list[str]], Callable[[str], float], str]
JUDGES: dict[str, _Judge] = {
    "words": (complete_words, share_in_list, " "),
    "grammar": (complete_sentences, share_grammatical, "\n"),
}


def trained(name: str, seed: int) -> NumpyEngine:
    """Return a preset's engine after its training."""
    recipe = preset(name).override({"seed": seed})
    engine = NumpyEngine(recipe, initial_values(recipe.model, seed, recipe.training.dtype))
    engine.begin(load_corpus(recipe.dataset).train)
    for step in range(recipe.training.max_iters):
        engine.take_step(step, learning_rate_at(step, **recipe.training.schedule()))
    return engine


def main() -> None:
    """Print a line for each corpus and seed."""
    parser = command_parser(__doc__)
    parser.add_argument("names", nargs="*", default=list(JUDGES), help=f"some of {', '.join(JUDGES)} (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print("| corpus | seed | seconds | validation loss | lowest possible | right | of |\n|---|---|---|---|---|---|---|")
    for name in arguments.names:
        corpus = load_corpus(name)
        complete, share, first = JUDGES[name]
        for seed in (1337, *range(1, arguments.seeds)):
            began = time.perf_counter()
            engine = trained(name, seed)
            seconds = time.perf_counter() - began
            recipe = engine.recipe
            loss = evaluate(engine, corpus.val, recipe.model.block_size, recipe.eval_stride)
            floor = corpus_loss_floor(corpus, "val", recipe.model.block_size, recipe.eval_stride) or entropy_rate()
            prompt = corpus.tokenizer.encode(first).tolist()
            drawn = [draw.token for draw in engine.draws(prompt, sampling_uniforms(seed, TOKENS))]
            text = corpus.tokenizer.decode(prompt + drawn)
            right, count = share(text), len(complete(text))
            figures = f"{seconds:.0f} | {loss:.4f} | {floor:.4f} | {right:.1%} | {count:,}"
            print(f"| `{name}` | {seed} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
