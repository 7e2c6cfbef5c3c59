"""A training step of an unmodified nanoGPT, run from a checkout and timed with ours.

Model and optimizer are those of the checkout, imported by path. The rest of the step, with batches taken from the text
on the CPU, autocast and torch.compile, is written here as in nanoGPT's train.py.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.modes import Setting
from benchmarks.support.interleaved import Workload
from gpt_data.errors import UserError
from numpy_gpt.shared.model.config_checks import require_gpt

_MODULE = "peer_model"


def peer_module(checkout: Path) -> Any:
    """Return the module ``model.py`` of a checkout.

    Raises
    ------
    UserError
        If there is no such file.
    """
    path = checkout / "model.py"
    if not path.is_file():
        raise UserError(f"--peer must be a checkout of nanoGPT with model.py; {checkout} has none")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} must be a Python module and cannot be imported; give another checkout")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # its dataclass looks up its own module
    with contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
    return module


def peer_model(setting: Setting, checkout: Path) -> tuple[Any, Any]:
    """Return nanoGPT's model of our recipe's shape, on the device, and its optimizer."""
    module, config, training = peer_module(checkout), require_gpt(setting.recipe.model), setting.recipe.training
    torch.manual_seed(training.seed)
    names = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout", "bias")
    device = torch.device(setting.device)
    with contextlib.redirect_stdout(sys.stderr):  # its messages must not mix with the tables
        model = module.GPT(module.GPTConfig(**{name: getattr(config, name) for name in names})).to(device)
        betas = training.beta1, training.beta2
        optimizer = model.configure_optimizers(training.weight_decay, training.learning_rate, betas, device.type)
    return model, optimizer


def peer_workload(setting: Setting, checkout: Path, dtype: str, compiled: bool) -> tuple[Workload, int]:
    """Return nanoGPT's training step as a workload, and its number of parameters."""
    model, optimizer = peer_model(setting, checkout)
    count = sum(parameter.numel() for parameter in model.parameters())
    device, training = torch.device(setting.device), setting.recipe.training
    on_gpu, time = device.type == "cuda", setting.recipe.model.block_size
    text = np.asarray(setting.text.train, dtype=np.uint16)  # like its token files
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == "float16")
    forward = torch.compile(model) if compiled else model

    def batch() -> list[torch.Tensor]:
        starts = torch.randint(len(text) - time, (training.batch_size,)).tolist()
        pairs = (np.stack([text[start + shift : start + shift + time] for start in starts]) for shift in (0, 1))
        halves = [torch.from_numpy(ids.astype(np.int64)) for ids in pairs]
        return [(ids.pin_memory() if on_gpu else ids).to(device, non_blocking=on_gpu) for ids in halves]

    def call() -> None:
        tokens, targets = batch()
        with torch.autocast(device.type, getattr(torch, dtype), enabled=dtype != "float32"):
            _, loss = forward(tokens, targets)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.grad_clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)

    return Workload(call, torch.cuda.synchronize if on_gpu else lambda: None), count
