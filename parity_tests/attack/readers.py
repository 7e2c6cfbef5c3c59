"""Every kind of file that a program reads: where the template has one, its format, and the commands that read it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from parity_tests.attack.bytes_damage import BYTE_DAMAGES
from parity_tests.attack.content_damage import CONTENT_DAMAGES, reseal_in
from parity_tests.attack.node_damage import replace_node
from parity_tests.attack.sandbox import Attack, Damage, Streams
from parity_tests.attack.template import DATA, FOREIGN, LLMC_MODEL, RUNS, newest_of


class Kind(NamedTuple):
    """A kind of file: its places, the commands that read it, its format, and what else must be true of it.

    In a command, {place} is the file and {top} the directory below the working directory that has it; ``< {place}``
    gives it on standard input. ``manifest`` is the file that has its checksum, if another one does. A change of the
    bytes of a ``sealed`` file must be noticed. ``is_endless`` says that reading a sparse file of any size is right.
    ``weight`` says how often it is drawn.
    """

    places: tuple[str, ...]
    commands: tuple[str, ...]
    format: str = ""
    manifest: str = ""
    sealed: bool = False
    is_endless: bool = False
    weight: int = 1


_CHECKPOINTS = (*map(newest_of, RUNS), "single")
_ODD_CHECKPOINTS = ("/step-000000009", "/step-000000005.replaced", "/.step-000000008.1-2.tmp", "/mine", "/step-1")
_CHECKPOINT_PLACES = (*_CHECKPOINTS, *(f"{run}/checkpoints{more}" for run in RUNS for more in ("", *_ODD_CHECKPOINTS)))
_SHORT = "--max_iters 2 --eval_interval 2"
_MODEL_READERS = (
    "numpy_gpt sample {top} --max_new_tokens 2",
    "numpy_gpt sample {top} --checkpoint best --show 2 --max_new_tokens 2",
    "numpy_gpt step {top} --text to",
    "numpy_gpt step {top} --text 'to be'",
    "numpy_gpt attention {top} --text 'to be' --html maps.html",
    "numpy_gpt evaluate {top} --eval_iters 1",
    "numpy_gpt train --resume {top}",
    f"numpy_gpt train --init_from {{top}} --out_dir new {_SHORT}",
    "numpy_gpt parameters --model {top}",
    "numpy_gpt export {top} --format huggingface --out_dir new",
    "torch_gpt export {top} --format llmc --out_dir new",
    "torch_gpt sample {top} --max_new_tokens 2 --device cpu",
    "torch_gpt step {top} --text 'to be' --device cpu",
    "torch_gpt attention {top} --text 'to be' --json --device cpu",
    "torch_gpt evaluate {top} --eval_iters 1 --device cpu",
    "torch_gpt train --resume {top} --device cpu",
    "handcalc.trace 'to be' --model {top} --update",
    "handcalc.exercise --model {top} --worksheet 2 --seed 1",
    "handcalc.averaging --model {top} --text 'to be'",
)
_DATA_READERS = (
    f"numpy_gpt train tiny --dataset {{top}} --out_dir new {_SHORT}",
    f"torch_gpt train tiny --dataset {{top}} --out_dir new {_SHORT} --device cpu",
    "numpy_gpt evaluate bigram --dataset {top} --eval_iters 1",
    f"numpy_gpt compare tiny --dataset {{top}} --seed 1,2 {_SHORT}",
)
_FOREIGN_READERS = (
    "numpy_gpt import {top} --out_dir new",
    "torch_gpt import {place} --out_dir new",
    "numpy_gpt sample {top} --max_new_tokens 2",
    "numpy_gpt parameters --model {top}",
    "torch_gpt step {top} --text 'to be' --device cpu",
    f"numpy_gpt train --init_from {{top}} --dataset ids --out_dir new {_SHORT}",
    "numpy_gpt export {top} --format huggingface --out_dir new",
    "handcalc.trace 'to be' --model {top}",
)
_LLMC_READERS = tuple(
    command.replace("{top}", LLMC_MODEL).replace("{place}", LLMC_MODEL) for command in _FOREIGN_READERS
)
_BPE_READERS = (
    "numpy_gpt prepare text input.txt --tokens bpe --tokenizer {top} --out_dir new",
    "torch_gpt prepare text prompt.txt --tokens bpe --tokenizer {top} --val_share 0.5 --out_dir new --json",
)
_ID_READERS = (
    f"numpy_gpt train tiny --dataset {{top}} --vocab_size 32 --out_dir new {_SHORT}",
    f"torch_gpt train --init_from run --dataset {{top}} --vocab_size 32 --out_dir new {_SHORT} --device cpu",
)
_PACK_READERS = (
    "numpy_gpt golden names {top}",
    "numpy_gpt golden check {top} dumps/theirs.npz --json",
    "numpy_gpt golden check {top} {top}/golden.safetensors --json",
)
_DUMP_READERS = ("numpy_gpt golden check pack {place} --json", "numpy_gpt golden check gpt2 {place} --json")
_PAGE_READERS = ("handcalc.verify {place}", "handcalc.verify {place} --digits 4 --all", "handcalc.verify - < {place}")
_OURS = ("letters", "lexicon", "phrases", "pairs")


def _tensors(name: str) -> Kind:
    places = tuple(f"{place}/{name}" for place in _CHECKPOINTS)
    return Kind(places, _MODEL_READERS, "tensors", "checkpoint.json", sealed=True)


KINDS = {
    "checkpoint.json": Kind(
        tuple(f"{place}/checkpoint.json" for place in _CHECKPOINTS),
        _MODEL_READERS,
        "sealed JSON",
        sealed=True,
        weight=4,
    ),
    "config.json": Kind(
        tuple(f"{place}/config.json" for place in _CHECKPOINTS if not place.startswith("bigram")),
        _MODEL_READERS,
        "JSON",
        "checkpoint.json",
        sealed=True,
    ),
    "model.safetensors": _tensors("model.safetensors"),
    "optimizer.safetensors": _tensors("optimizer.safetensors"),
    "run directory": Kind(_CHECKPOINT_PLACES, _MODEL_READERS),
    "metrics.jsonl": Kind(
        tuple(f"{run}/metrics.jsonl" for run in RUNS),
        (
            "numpy_gpt plot {top}",
            "numpy_gpt plot {top} --png loss.png",
            "torch_gpt plot {top} run --json",
            "numpy_gpt train --resume {top}",
        ),
        "JSON",
    ),
    "meta.json": Kind(tuple(f"{data}/meta.json" for data in _OURS), _DATA_READERS, "sealed JSON", sealed=True),
    "token file": Kind(
        tuple(f"{data}/{split}.bin" for data in _OURS for split in ("train", "val")),
        _DATA_READERS,
        manifest="meta.json",
        sealed=True,
    ),
    "data directory": Kind(DATA, _DATA_READERS),
    "meta.pkl": Kind(("nanogpt/meta.pkl",), _DATA_READERS, "pickle"),
    "nanoGPT token file": Kind(("nanogpt/train.bin", "nanogpt/val.bin"), _DATA_READERS, is_endless=True),
    "token file of bare ids": Kind(("ids/train.bin", "ids/val.bin"), _ID_READERS, is_endless=True),
    "byte-pair vocabulary": Kind(("vocabulary/vocab.json",), _BPE_READERS, "JSON"),
    "merges": Kind(("vocabulary/merges.txt",), _BPE_READERS),
    "foreign JSON": Kind(
        tuple(
            f"{place}/{name}"
            for place in ("huggingface", "shards", "pickled")
            for name in ("config.json", "tokenizer.json", "tokenizer_config.json")
        )
        + ("shards/model.safetensors.index.json",) * 3,
        _FOREIGN_READERS,
        "JSON",
        weight=2,
    ),
    "foreign tensors": Kind(
        ("huggingface/model.safetensors", "shards/model-00001-of-00002.safetensors"), _FOREIGN_READERS, "tensors"
    ),
    "torch file": Kind(
        ("pickled/pytorch_model.bin", "nanogpt-model/ckpt.pt"), _FOREIGN_READERS, "torch file", weight=2
    ),
    "llm.c model": Kind((LLMC_MODEL,), _LLMC_READERS, "header"),
    "llm.c tokenizer": Kind(("llmc/gpt2_tokenizer.bin",), _LLMC_READERS, "header"),
    "foreign directory": Kind(FOREIGN, _FOREIGN_READERS),
    "text": Kind(
        ("input.txt",),
        (
            "numpy_gpt prepare text {place} --out_dir new",
            "numpy_gpt prepare text {place} --out_dir new --tokens words --json",
            "torch_gpt prepare text {place} prompt.txt --out_dir letters",
        ),
        is_endless=True,
    ),
    "source": Kind(
        ("input.txt",),
        (
            "numpy_gpt train bigram --source {place}",
            "torch_gpt train --source {place}",
            "numpy_gpt prepare shakespeare --source {place} --out_dir new",
        ),
    ),
    "recipe": Kind(
        ("recipe.toml",),
        (
            f"numpy_gpt train --config {{place}} --out_dir new {_SHORT}",
            f"torch_gpt train --config {{place}} --out_dir new --device cpu {_SHORT}",
            f"numpy_gpt compare --config {{place}} --seed 1,2 {_SHORT}",
        ),
        "recipe",
    ),
    "prompt": Kind(
        ("prompt.txt",),
        (
            "numpy_gpt sample --prompt FILE:{place} --max_new_tokens 2",
            "numpy_gpt sample --prompt FILE:{place} --max_new_tokens 2 --json",
            "torch_gpt sample --prompt FILE:{place} --max_new_tokens 2 --show --device cpu",
        ),
    ),
    "golden.json": Kind(("pack/golden.json",), _PACK_READERS, "sealed JSON", sealed=True),
    "tensors of a pack": Kind(("pack/golden.safetensors",), _PACK_READERS, "tensors", "golden.json", sealed=True),
    "golden.tsv": Kind(("pack/golden.tsv",), _PACK_READERS, manifest="golden.json", sealed=True),
    "dump of a port": Kind(
        ("dumps/theirs.npz", "dumps/theirs.golden", "dumps/npy", "dumps/npy/loss.npy"), _DUMP_READERS
    ),
    "tensors of a port": Kind(("dumps/theirs.safetensors",), _DUMP_READERS, "tensors"),
    "names of a port": Kind(
        ("dumps/names.tsv",), ("numpy_gpt golden check pack dumps/theirs.npz --map {place} --json",)
    ),
    "page": Kind(("trace.txt", "trace.md", "averaging.txt", "sheet-key.txt", "homework.txt"), _PAGE_READERS),
    "page in JSON": Kind(("trace.json",), _PAGE_READERS, "JSON"),
    "answer": Kind(("answer.txt",), ("handcalc.exercise --topic softmax --level 1 --seed 3 < {place}",)),
}


def draw_file_attack(rng: Random, name: str, programs: Sequence[str]) -> Attack | None:
    """Return an attack on a random kind of file and a command that reads it, or None if that is not wanted."""
    target = rng.choices([*KINDS], [kind.weight for kind in KINDS.values()])[0]
    kind = KINDS[target]
    place, command = rng.choice(kind.places), rng.choice(kind.commands)
    line, _, stdin = command.format(place=place, top=place.partition("/")[0]).partition(" < ")
    program, *words = shlex.split(line)
    if program not in programs or ("torch" in line and "torch_gpt" not in programs):
        return None
    streams = Streams(stdin or Streams().stdin)

    def damage(here: Path) -> Damage:  # drawn when the files are there; a shell could not open all that replaces stdin
        return _damage(rng, kind, here / place, here, may_replace=not stdin)

    return Attack(name, target, program, tuple(words), streams, damage)


def _damage(rng: Random, kind: Kind, path: Path, here: Path, may_replace: bool) -> Damage:
    if not path.is_file() or (may_replace and rng.random() < 0.15):
        old = path.read_bytes() if path.is_file() else b""
        how = replace_node(rng, path, here, may_be_endless=not kind.is_endless)
        same = how.startswith("a copy") and path.read_bytes() == old
        return Damage(how, kind.sealed and not same)
    if kind.format and rng.random() < 0.5:
        CONTENT_DAMAGES[kind.format](rng, path)
        how = "other content"
    else:
        old = path.read_bytes()
        how = rng.choice([*BYTE_DAMAGES])
        path.write_bytes(BYTE_DAMAGES[how](rng, old))
        if not kind.manifest or rng.random() < 0.7:
            return Damage(how, kind.sealed and path.read_bytes() != old)
    if kind.manifest:
        reseal_in(path.with_name(kind.manifest), path)
        how += ", sealed again"
    return Damage(how, False)
