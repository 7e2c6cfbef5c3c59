"""A port of microgpt: right, it is not accused; with a mistake in its norms, that mistake is named and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from numpy_gpt.golden.check.checking import check
from numpy_gpt.golden.pack.case import case_of
from numpy_gpt.golden.pack.form import Form
from numpy_gpt.golden.pack.reading import read_pack
from numpy_gpt.golden.pack.writing import write_pack
from numpy_gpt.shared.interchange.microgpt import loud_values, microgpt_config

CONFIG = microgpt_config()
OPTIMIZER = {"beta1": 0.85, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.0, "grad_clip": 0.0}
EPSILON = 1e-5


def _rms(x: Any, scale: Any) -> Any:
    return x * scale((x * x).mean(-1, keepdim=True), x)


RIGHT = lambda s, x: (s + EPSILON) ** -0.5  # noqa: E731
NORMS = {
    "rms_norm.epsilon_outside": lambda s, x: 1 / (s**0.5 + EPSILON),
    "rms_norm.epsilon": lambda s, x: (s + 1e-3) ** -0.5,
    "rms_norm.sum": lambda s, x: (s * x.shape[-1] + EPSILON) ** -0.5,
    "rms_norm.of_variance": lambda s, x: (x.var(-1, keepdim=True, correction=0) + EPSILON) ** -0.5,
    "rms_norm.no_square_root": lambda s, x: 1 / (s + EPSILON),
    "rms_norm.forgotten": lambda s, x: torch.ones_like(s),
    "rms_norm.dx_scale_only": lambda s, x: ((s + EPSILON) ** -0.5).detach(),
}


class Port:
    """Forward and backward of microgpt in torch; ``scale`` is that of its norms, and ``kept`` what it dumps."""

    def __init__(self, pack: Any, scale: Any, dtype: torch.dtype, where: str = "", bug: str = "") -> None:
        self.scale, self.where, self.bug, self.kept = scale, where, bug, {}
        self.w = {n: torch.tensor(np.asarray(pack.arrays[n]), dtype=dtype, requires_grad=True) for n in PARAMETERS}
        self.tokens, self.targets = (
            torch.from_numpy(np.asarray(pack.arrays[n]).astype(np.int64)) for n in ("tokens", "targets")
        )

    def keep(self, name: str, x: Any) -> Any:
        x.retain_grad()
        self.kept[name] = x
        return x

    def norm(self, name: str, x: Any) -> Any:
        scale = self.scale if self.where in name else RIGHT
        return self.keep(f"{name}.out", _rms(x, scale))

    def run(self) -> dict[str, Any]:
        w, keep, time = self.w, self.keep, self.tokens.shape[1]
        x = keep("embedding.sum", w["wte.weight"][self.tokens] + w["wpe.weight"][:time])
        x = self.norm("embedding.norm", x)
        for layer in range(CONFIG.n_layer):
            at = f"h.{layer}"
            qkv = self.norm(f"{at}.ln_1", x) @ w[f"{at}.attn.c_attn.weight"]
            heads = [part.unflatten(-1, (CONFIG.n_head, -1)).transpose(1, 2) for part in qkv.chunk(3, -1)]
            q, k, v = (keep(f"{at}.attn.{name}", part) for name, part in zip("qkv", heads, strict=True))
            scores = q @ k.transpose(-1, -2) / CONFIG.head_size**0.5
            future = torch.ones(time, time, dtype=torch.bool).triu(1)
            weights = keep(f"{at}.attn.weights", scores.masked_fill(future, -torch.inf).softmax(-1))
            merged = (weights @ v).transpose(1, 2).flatten(2)
            x = keep(f"{at}.attn.residual", x + merged @ w[f"{at}.attn.c_proj.weight"])
            hidden = keep(f"{at}.mlp.hidden", self.norm(f"{at}.ln_2", x) @ w[f"{at}.mlp.c_fc.weight"])
            activated = hidden.relu() ** (2 if self.bug == "activation.relu_squared" else 1)
            x = keep(f"{at}.mlp.residual", x + activated @ w[f"{at}.mlp.c_proj.weight"])
        last = _rms(x, RIGHT) if self.bug == "rms_norm.last_added" else x
        logits = keep("logits", last @ w["lm_head.weight"].T)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), self.targets.flatten())
        loss.backward()
        dumped = {name: x.detach() for name, x in self.kept.items()}
        for name, x in {**self.kept, **self.w}.items():
            scope, _, last = name.rpartition(".")
            dumped[f"{scope}.d{last}" if scope else f"d{last}"] = x.grad
        return {name: x.numpy() for name, x in dumped.items()} | {"loss": loss.detach().numpy()}


PARAMETERS = tuple(loud_values(CONFIG))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("pack")
    values = {name: value.astype(np.float64) for name, value in loud_values(CONFIG).items()}
    case = case_of(CONFIG, values, OPTIMIZER, 0.01, 1, 0, (2, 7))
    write_pack(place, case, Form("all", "ours", "float32"), {"model": "microgpt", "seed": 0, "versions": {}})
    return read_pack(place)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_right_port_is_not_accused(pack: Any, dtype: torch.dtype) -> None:
    findings = check(pack, Port(pack, RIGHT, dtype).run())
    assert findings.follows and len(findings.following) > 20


@pytest.mark.parametrize(
    ("mistake", "where"),
    [*((name, "") for name in NORMS), ("rms_norm.forgotten", "embedding.norm"), ("rms_norm.sum", "ln_2")],
)
def test_a_mistake_is_named_alone(pack: Any, mistake: str, where: str) -> None:
    findings = check(pack, Port(pack, NORMS[mistake], torch.float32, where).run())
    assert not findings.follows
    assert {cause.id for finding in findings.findings for cause in finding.causes} == {mistake}


@pytest.mark.parametrize("bug", ["rms_norm.last_added", "activation.relu_squared"])  # an early version had the second
def test_other_architectures_are_named(pack: Any, bug: str) -> None:
    findings = check(pack, Port(pack, RIGHT, torch.float32, bug=bug).run())
    assert {cause.id for finding in findings.findings for cause in finding.causes} == {bug}
