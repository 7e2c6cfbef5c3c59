"""Sampling with a model of GPT-2's size, 124 million parameters, by ours and by Hugging Face's GPT2LMHeadModel.

Every measurement is a process of its own, as a user starts one: it imports, reads the weights from a file, reads a
prompt, and draws tokens with its cache of keys and values. The weights are random, because the speed does not depend on
them; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.support.child_process import peak_memory, run_json
from benchmarks.support.command import markdown_table
from gpt_data.errors import UserError

IMPLEMENTATIONS = ("numpy_gpt", "torch_gpt", "Hugging Face")
_BASE = "Hugging Face"
SIZES = {"gpt2": (50_257, 1024, 12, 12, 768), "small": (64, 32, 2, 2, 16)}  # small: to try the command itself
_SEED = 1


def measure(shape: str, prompt: int, tokens: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Return of each implementation the seconds to the first token, tokens per second and peak memory, by round.

    Raises
    ------
    UserError
        If transformers is missing.
    """
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise UserError(
            "--shape gpt2 compares with Hugging Face's transformers, which is missing; pip install transformers"
        ) from error
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in IMPLEMENTATIONS}
    with tempfile.TemporaryDirectory() as folder:
        _write_weights(shape, Path(folder))
        for _ in range(rounds):
            for name, results in found.items():
                flags = [name, folder, shape, str(prompt), str(tokens), str(threads), str(time.time())]
                results.append(
                    run_json(f"sampling by {name}", ["-m", "benchmarks.peers.gpt2_sampling", *flags], threads)
                )
    return [{"implementation": name, "rounds": results} for name, results in found.items()]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the medians, and the medians of the rounds' ratios to Hugging Face."""
    base = next(row["rounds"] for row in rows if row["implementation"] == _BASE)
    header = ("implementation", "first token, s", "ratio", "tokens per second", "ratio", "peak memory, GiB", "ratio")
    lines = []
    for row in rows:
        cells = [row["implementation"]]
        for key, form, unit in (("first", ".2f", 1), ("speed", ".2f", 1), ("memory", ".2f", 1 << 30)):
            values = [each[key] / unit for each in row["rounds"]]
            ratio = statistics.median(
                each[key] / other[key] if other[key] else 0 for each, other in zip(row["rounds"], base, strict=True)
            )
            cells += [format(statistics.median(values), form), f"{ratio:.2f}"]
        lines.append(cells)
    return markdown_table(header, lines)


def _config(shape: str) -> Any:
    from numpy_gpt.shared.model.config import GPTConfig

    vocab_size, block_size, n_layer, n_head, n_embd = SIZES[shape]
    return GPTConfig(vocab_size=vocab_size, block_size=block_size, n_layer=n_layer, n_head=n_head, n_embd=n_embd)


def _write_weights(shape: str, folder: Path) -> None:
    from safetensors.numpy import save_file
    from transformers import GPT2Config

    from numpy_gpt.shared.model.initial_values import initial_values

    vocab_size, block_size, n_layer, n_head, n_embd = SIZES[shape]
    sizes = {"vocab_size": vocab_size, "n_positions": block_size, "n_layer": n_layer, "n_head": n_head}
    GPT2Config(**sizes, n_embd=n_embd).save_pretrained(folder)
    save_file(initial_values(_config(shape), _SEED), folder / "model.safetensors", metadata={"format": "pt"})


def _tokens(name: str, folder: Path, shape: str, prompt: list[int], count: int, threads: int) -> Iterator[int]:
    if name == _BASE:
        return _hugging_face(folder, prompt, count, threads)
    return _ours(name, folder, shape, prompt, count, threads)


def _ours(name: str, folder: Path, shape: str, prompt: list[int], count: int, threads: int) -> Iterator[int]:
    from safetensors.numpy import load_file

    from numpy_gpt.shared.training.randomness import sampling_uniforms
    from numpy_gpt.shared.training.recipe import Recipe, TrainingConfig

    recipe = Recipe(name=shape, dataset="", model=_config(shape), training=TrainingConfig())
    values, engine = load_file(folder / "model.safetensors"), None
    if name == "numpy_gpt":
        from numpy_gpt.engine import NumpyEngine

        engine = NumpyEngine(recipe, values)
    else:
        import torch

        from torch_gpt.engine import TorchEngine

        torch.set_num_threads(threads)
        engine = TorchEngine(recipe, values, fused=True)
    del values
    return (draw.token for draw in engine.draws(prompt, sampling_uniforms(1, count)))


def _hugging_face(folder: Path, prompt: list[int], count: int, threads: int) -> Iterator[int]:
    import torch
    from transformers import GPT2LMHeadModel

    torch.set_num_threads(threads)
    torch.manual_seed(_SEED)
    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.inference_mode():
        ids, past = torch.tensor([prompt]), None
        for _ in range(count):
            result = model(ids, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = result.past_key_values
            ids = torch.multinomial(torch.softmax(result.logits[:, -1], -1), 1)
            yield int(ids)


def _main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("name", str), ("folder", Path), ("shape", str), ("prompt", int), ("tokens", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("threads", type=int)
    parser.add_argument("started", type=float)
    given = parser.parse_args(arguments)
    prompt = [place * 7 % SIZES[given.shape][0] for place in range(given.prompt)]
    tokens = _tokens(given.name, given.folder, given.shape, prompt, given.tokens + 1, given.threads)
    next(tokens)
    first, start = time.time() - given.started, time.perf_counter()
    count = sum(1 for _ in tokens)
    speed = count / (time.perf_counter() - start)
    print(json.dumps({"first": first, "speed": speed, "memory": peak_memory(), "tokens": count}))


if __name__ == "__main__":
    _main(sys.argv[1:])
