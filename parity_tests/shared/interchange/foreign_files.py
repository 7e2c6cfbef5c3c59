"""Files of other programs, written in their own formats by torch and NumPy: independent of the code that reads them."""

from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.numpy import save_file

from numpy_gpt import GPTConfig
from numpy_gpt.shared.model.names import parameter_shapes

SMALL = {"vocab_size": 11, "block_size": 6, "n_layer": 2, "n_head": 2, "n_embd": 8}
NANOGPT = {"tie_weights": True, "activation": "gelu_erf"}
_LINEAR = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def random_values(config, seed=0, dtype="float32"):
    """Return parameters none of which is 0 or 1, so that a lost or swapped one is noticed."""
    rng = np.random.default_rng(seed)
    return {name: (rng.normal(0.1, 0.4, shape)).astype(dtype) for name, shape in parameter_shapes(config).items()}


def linear_state_dict(values, prefix=""):
    """Return the state dict of a model of torch's Linear layers, whose head is saved too."""
    state = {}
    for name, value in values.items():
        tensor = torch.tensor(value)
        full = name if name.startswith("lm_head") else f"transformer.{name}"
        state[f"{prefix}{full}"] = tensor.T.contiguous() if name.endswith(_LINEAR) else tensor
    state.setdefault(f"{prefix}lm_head.weight", state[f"{prefix}transformer.wte.weight"])
    return state


def causal_masks(config, prefix="transformer."):
    """Return the buffers of the causal mask that older programs saved in each layer."""
    mask = torch.tril(torch.ones(config.block_size, config.block_size))[None, None]
    return {f"{prefix}h.{layer}.attn.bias": mask.clone() for layer in range(config.n_layer)}


def write_nanogpt(path, config, values, *, prefix="", masks=False, zipped=True):
    """Write nanoGPT's ckpt.pt, with the state of an AdamW after one step."""
    state = linear_state_dict(values, prefix)
    if masks:
        state |= causal_masks(config, f"{prefix}transformer.")
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = torch.optim.AdamW([{"params": [parameter], "weight_decay": 0.1}], lr=1e-3, betas=(0.9, 0.95))
    parameter.sum().backward()
    optimizer.step()
    names = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
    saved = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": {name: getattr(config, name) for name in names},
        "iter_num": 250,
        "best_val_loss": torch.tensor(1.5),
        "config": {"out_dir": "out", "dataset": "letters", "learning_rate": 1e-3, "compile": False},
    }
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    return path


def write_gpt_by_hand(path, config, values):
    """Write GPT-by-Hand's ckpt.pt."""
    state = linear_state_dict(values)
    for name in [name for name in state if ".ln_" in name]:
        state[name.replace(".weight", ".gamma").replace(".bias", ".beta")] = state.pop(name)
    arguments = {
        "vocab_size": config.vocab_size,
        "seq_length": config.block_size,
        "num_layers": config.n_layer,
        "num_heads": config.n_head,
        "dim_embedding": config.n_embd,
        "dropout_rate": config.dropout,
        "use_bias": config.bias,
    }
    torch.save({"model": state, "optimizer": {}, "model_args": arguments, "iter_num": 9, "config": {}}, path)
    return path


def write_mingpt(folder, config, values, model=None):
    """Write minGPT's model.pt and config.json, which is written before the text is read."""
    state = linear_state_dict(values) | causal_masks(config)
    torch.save(state, folder / "model.pt")
    sizes = {"n_layer": config.n_layer, "n_head": config.n_head, "n_embd": config.n_embd}
    rates = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), config.dropout)
    record = {"model_type": None, **sizes, "vocab_size": None, "block_size": None, **rates} | (model or {})
    (folder / "config.json").write_text(json.dumps({"system": {"seed": 3407}, "model": record, "trainer": {}}))
    return folder / "model.pt"


def write_llmc(path, config, values, *, version=3, multiple=128):
    """Write a model of llm.c: the header, and the tensors in its order, the vocabulary padded with zeros."""
    padded = -(-config.vocab_size // multiple) * multiple
    header = np.zeros(256, dtype="<i4")
    sizes = [config.block_size, config.vocab_size, config.n_layer, config.n_head, config.n_embd]
    header[:8] = [20240326, version, *sizes, padded]
    kinds = (
        "ln_1.weight ln_1.bias attn.c_attn.weight attn.c_attn.bias attn.c_proj.weight attn.c_proj.bias "
        "ln_2.weight ln_2.bias mlp.c_fc.weight mlp.c_fc.bias mlp.c_proj.weight mlp.c_proj.bias"
    ).split()
    state = linear_state_dict(values)
    rows = torch.nn.functional.pad(state["transformer.wte.weight"], (0, 0, 0, padded - config.vocab_size))
    names = ["transformer.wpe.weight"]
    names += [f"transformer.h.{layer}.{kind}" for kind in kinds for layer in range(config.n_layer)]
    tensors = [rows, *(state[name] for name in (*names, "transformer.ln_f.weight", "transformer.ln_f.bias"))]
    with path.open("wb") as file:
        file.write(header.tobytes())
        for tensor in tensors:
            if version == 5:
                file.write(tensor.bfloat16().view(torch.int16).numpy().tobytes())
            else:
                file.write(tensor.numpy().tobytes())
    return path


def write_huggingface(folder, config, values):
    """Write a directory of GPT-2: model.safetensors and config.json, with the fields that differ from GPT-2's own."""
    save_file(values, folder / "model.safetensors")
    record = {
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "activation_function": {"gelu_tanh": "gelu_new", "gelu_erf": "gelu"}.get(config.activation, "relu"),
        "tie_word_embeddings": config.tie_weights,
        **dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), config.dropout),
    }
    (folder / "config.json").write_text(json.dumps(record))
    return folder


def config_of(**changes):
    """Return the config of a small GPT."""
    return GPTConfig(**{**SMALL, **changes})
