"""The files that every attack finds: runs and data of every kind, texts, pages, and places that are no files."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from gpt_data.tokens.bpe_tokenizer import BYTE_SYMBOLS
from numpy_gpt.shared.interchange.writing.torch_file import torch_file
from parity_tests.attack.sandbox import HERE, Attack, run_attack

_TEXT = "To be, or not to be: that is the question.\nWhether 'tis nobler – naïve Ünïcode – to suffer.\n" * 8
_SHORT = "--max_iters 6 --eval_interval 2 --log_interval 1 --eval_iters 1"
RUNS = {"run": 4, "torch-run": 6, "bigram": 4}
"""Run → step of its newest checkpoint. torch_gpt's has ended, and has an older checkpoint too; the others have two
steps still to take. The bigram model was trained on ``letters``."""
LINKS = {"dangling": "missing"}
"""Links whose targets do not exist."""

DATA = ("letters", "lexicon", "phrases", "pairs", "nanogpt", "ids")
FOREIGN = ("huggingface", "shards", "pickled", "nanogpt-model")
"""Directories with models of other programs."""
LLMC_MODEL = "llmc/gpt2_124M.bin"

_PLAIN_FILES = {
    "input.txt": _TEXT,
    "prompt.txt": "to be",
    "answer.txt": "a\n0.5\n",
    "recipe.toml": 'preset = "tiny"\n\n[model]\nn_embd = 4\n\n[training]\nmax_iters = 2\neval_interval = 2\n',
    "homework.txt": "a = 0.5*0.25 + 1.5 = 1.625\nb[0,1] = exp(1.625)/2 = 2.539\nc = max(1.625, 2.539) = 2.539\n",
}
_COMMANDS = (
    "numpy_gpt prepare text input.txt --out_dir letters --val_share 0.3",
    "numpy_gpt prepare text input.txt --out_dir lexicon --val_share 0.3 --tokens words",
    "numpy_gpt prepare text input.txt --out_dir pairs --val_share 0.3 --tokens bpe --vocab_size 260",
    "numpy_gpt prepare tiny --out_dir phrases",
    f"numpy_gpt train tiny {_SHORT} --ema_decay 0.9 --snapshots 3 --out_dir run",
    f"torch_gpt train tiny {_SHORT} --device cpu --out_dir torch-run",
    f"numpy_gpt train bigram {_SHORT} --dataset letters --out_dir bigram",
    "numpy_gpt export run --format huggingface --out_dir huggingface",
    "numpy_gpt export run --format llmc --out_dir llmc",
    "numpy_gpt golden pack pack --steps 1 --level ends",
    "handcalc.trace 'to be' --backward --output trace.txt",
    "handcalc.trace hello --format markdown --output trace.md",
    "handcalc.trace hello --full --only attn.v,attn.weights --format json --output trace.json",
    "handcalc.averaging --output averaging.txt",
    "handcalc.exercise --worksheet 3 --seed 1 --output sheet",
)


def make_template(place: Path, *, with_torch: bool = True) -> Path:
    """Make the template below ``place``, with the programs themselves, and return it."""
    template = place / "template"
    here = template / HERE
    for directory in (here, template / "home", template / "tmp"):
        directory.mkdir(parents=True)
    (template / "home" / "tinyshakespeare.txt").write_text("another text")  # so that nothing is ever downloaded
    for name, content in _PLAIN_FILES.items():
        (here / name).write_text(content, encoding="utf-8")
    for program, *words in map(shlex.split, _COMMANDS):
        if with_torch or program != "torch_gpt":
            _run(program, tuple(words), template)
    for run, newest in RUNS.items():
        if newest < 6:
            shutil.rmtree(here / run / "checkpoints" / "step-000000006")
    shutil.copytree(here / newest_of("run"), here / "single")
    _write_nanogpt(here / "nanogpt", _TEXT)
    _write_ids(here / "ids")
    _write_models(here)
    _write_byte_pairs(here / "vocabulary")
    _write_dumps(here / "dumps", load_file(here / "pack" / "golden.safetensors"))
    return template


def newest_of(run: str) -> str:
    """Return the path of a run's newest checkpoint."""
    return f"{run}/checkpoints/step-{RUNS[run]:09d}"


def _run(program: str, words: tuple[str, ...], template: Path) -> None:
    outcome = run_attack(Attack("template", "", program, words), template)
    if outcome.status != 0:
        raise RuntimeError(f"{program} {' '.join(words)}: {outcome.err.decode()}")


def _write_nanogpt(place: Path, text: str) -> None:
    itos = dict(enumerate(sorted(set(text))))
    stoi = {letter: index for index, letter in itos.items()}
    tokens = [stoi[letter].to_bytes(2, "little") for letter in text]
    place.mkdir()
    (place / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(itos), "itos": itos, "stoi": stoi}))
    (place / "train.bin").write_bytes(b"".join(tokens[:-100]))
    (place / "val.bin").write_bytes(b"".join(tokens[-100:]))


def _write_ids(place: Path) -> None:
    """Write token files of bare ids below 32, without a word about them."""
    place.mkdir()
    for split, count in (("train", 300), ("val", 60)):
        (place / f"{split}.bin").write_bytes(b"".join((token % 32).to_bytes(2, "little") for token in range(count)))


def _write_dumps(place: Path, arrays: dict[str, Any]) -> None:
    """Write what a port may write of a pack: all of it, in every format."""
    chosen = {name: array for name, array in arrays.items() if array.dtype == np.float32 and array.size}
    (place / "npy").mkdir(parents=True)
    for name in ("loss", "logits", "wte.dweight"):
        np.save(place / "npy" / f"{name}.npy", chosen[name])
    np.savez(place / "theirs.npz", **chosen)
    save_file(chosen, place / "theirs.safetensors")
    records = (
        f"{name} f32 {','.join(map(str, array.shape)) or '-'}\n".encode() + array.tobytes()
        for name, array in chosen.items()
    )
    (place / "theirs.golden").write_bytes(b"GOLDEN1\n" + b"".join(records))
    (place / "names.tsv").write_text("# a port\nmine\tloss\nblock*\th.*.mlp.c_fc.dweight\t(out,in)\n")


def _write_models(here: Path) -> None:
    """Write the exported model in other forms: sharded, as files of torch.save, and as nanoGPT's checkpoint."""
    values = load_file(here / "huggingface" / "model.safetensors")
    names = sorted(values)
    for place in ("shards", "pickled"):
        shutil.copytree(here / "huggingface", here / place)
        (here / place / "model.safetensors").unlink()
    (here / "pickled" / "pytorch_model.bin").write_bytes(torch_file(values))
    where = {name: f"model-{1 + place % 2:05d}-of-00002.safetensors" for place, name in enumerate(names)}
    for shard in sorted(set(where.values())):
        part = {name: values[name] for name in names if where[name] == shard}
        save_file(part, here / "shards" / shard, {"format": "pt"})
    index = {"metadata": {"total_size": sum(value.nbytes for value in values.values())}, "weight_map": where}
    (here / "shards" / "model.safetensors.index.json").write_text(json.dumps(index))
    sizes = json.loads((here / "huggingface" / "config.json").read_text())
    arguments = {name: sizes[name] for name in ("n_layer", "n_head", "n_embd", "vocab_size")}
    arguments |= {"block_size": sizes["n_positions"], "bias": True, "dropout": 0.0}
    linear = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    model = {
        f"transformer.{name}": value.T.copy() if name.endswith(linear) else value for name, value in values.items()
    }
    model["lm_head.weight"] = model["transformer.wte.weight"]
    (here / "nanogpt-model").mkdir()
    saved = {"model": model, "optimizer": {}, "model_args": arguments, "iter_num": 9, "config": {"dataset": "letters"}}
    (here / "nanogpt-model" / "ckpt.pt").write_bytes(torch_file(saved))


def _write_byte_pairs(place: Path) -> None:
    """Write a byte-pair vocabulary in the form of GPT-2: all bytes, two merges and the end of a text."""
    symbols = [*BYTE_SYMBOLS.values(), "to", "be", "<|endoftext|>"]
    place.mkdir()
    (place / "vocab.json").write_text(json.dumps({symbol: token for token, symbol in enumerate(symbols)}))
    (place / "merges.txt").write_text("#version: 0.2\nt o\nb e\n", encoding="utf-8")


def make_sandbox(template: Path, place: Path) -> Path:
    """Copy the template, and add the nodes that a copy cannot have."""
    sandbox = place / "sandbox"
    shutil.rmtree(sandbox, ignore_errors=True)
    shutil.copytree(template, sandbox)
    here = sandbox / HERE
    os.mkfifo(here / "fifo")
    (here / "empty").mkdir()
    (here / "loop").symlink_to("loop")
    for link, target in LINKS.items():
        (here / link).symlink_to(target)
    return sandbox
