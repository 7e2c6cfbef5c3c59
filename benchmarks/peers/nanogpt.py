"""A training step of an unmodified nanoGPT, from a checkout of it, to be timed beside ours.

The model and its optimizer are the checkout's own, imported by path; the step around them, with batches cut from the
text on the processor, autocast and torch.compile, is what such a training does, written here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.variants import Setting
from benchmarks.support.interleaved import Contestant
from gpt_data.errors import UserError
from numpy_gpt.shared.model.inputs import require_gpt

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
        raise UserError(f"--peer must name a checkout of nanoGPT, which holds model.py; {checkout} has none")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} must be a Python module and cannot be imported; give another checkout")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # its dataclass looks its own module up
    with contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
    return module


def peer_model(setting: Setting, checkout: Path) -> tuple[Any, Any]:
    """Return the peer's model of our recipe's shape, on the device, and its optimizer."""
    module, config, training = peer_module(checkout), require_gpt(setting.recipe.model), setting.recipe.training
    torch.manual_seed(training.seed)
    names = ("block_size", "vocab_size", "n_layer", "n_head", "n_embd", "dropout", "bias")
    device = torch.device(setting.device)
    with contextlib.redirect_stdout(sys.stderr):  # it tells about itself where the tables belong
        model = module.GPT(module.GPTConfig(**{name: getattr(config, name) for name in names})).to(device)
        betas = training.beta1, training.beta2
        optimizer = model.configure_optimizers(training.weight_decay, training.learning_rate, betas, device.type)
    return model, optimizer


def peer_contestant(setting: Setting, checkout: Path, dtype: str, compiled: bool) -> tuple[Contestant, int]:
    """Return the peer's training as something to be timed, and its number of parameters."""
    model, optimizer = peer_model(setting, checkout)
    count = sum(parameter.numel() for parameter in model.parameters())
    device, training = torch.device(setting.device), setting.recipe.training
    on_card, time = device.type == "cuda", setting.recipe.model.block_size
    text = np.asarray(setting.text.train, dtype=np.uint16)  # as its token files hold it
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == "float16")
    forward = torch.compile(model) if compiled else model

    def batch() -> list[torch.Tensor]:
        starts = torch.randint(len(text) - time, (training.batch_size,)).tolist()
        pairs = (np.stack([text[start + shift : start + shift + time] for start in starts]) for shift in (0, 1))
        halves = [torch.from_numpy(ids.astype(np.int64)) for ids in pairs]
        return [(ids.pin_memory() if on_card else ids).to(device, non_blocking=on_card) for ids in halves]

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

    return Contestant(call, torch.cuda.synchronize if on_card else lambda: None), count
