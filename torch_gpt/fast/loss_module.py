"""The model as a torch module, as torch.compile, DistributedDataParallel and FSDP require."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from numpy_gpt.shared.model.config import BigramConfig, GPTConfig, ModelConfig
from numpy_gpt.shared.model.names import dropout_shapes
from torch_gpt.bigram import bigram_logits_of
from torch_gpt.gpt import logits_of
from torch_gpt.layers.block import block_forward
from torch_gpt.layers.cross_entropy import cross_entropy_fused
from torch_gpt.parameters import by_block

# A parameter's full name, its owner and its name in the owner. It does not hold the parameter itself, because FSDP
# replaces that tensor during computation.
_Slot = tuple[str, nn.Module, str]


class LossModule(nn.Module):
    """The mean loss of tokens and targets, computed with the fused operations.

    ``named_parameters()`` has GPT-2's names, those of ``names.parameter_shapes``.
    """

    def __init__(self, config: ModelConfig, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._config = config
        self._rates: dict[str, Tensor | float] = {}
        if config.dropout:  # torch itself draws the masks
            self._rates |= dict.fromkeys(dropout_shapes(config, 1, 1), config.dropout)
        for name, value in values.items():
            scope = name.partition(".")[0]
            if scope == "h" and "h" not in self._modules and isinstance(config, GPTConfig):
                parts = zip(by_block(values, config.n_layer), by_block(self._rates, config.n_layer), strict=True)
                self.h = nn.ModuleList(BlockModule(config, *part) for part in parts)
            elif scope != "h":
                _register_parameter(self, name, value)
        self._slots = _slots(self, (name for name in values if not name.startswith("h.")))

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss in nats per token for valid ids (B, T), int64; with dropout in training mode."""
        parameters = _parameters_in(self._slots)
        if isinstance(self._config, BigramConfig):
            logits = bigram_logits_of(parameters, tokens, fused=True)
        else:
            rates = self._rates if self.training else {}
            blocks = list(self.h) if self._config.n_layer else []
            logits = logits_of(parameters, self._config, tokens, rates, fused=True, blocks=blocks)
        return cross_entropy_fused(logits, targets)


class BlockModule(nn.Module):
    """One transformer block as a module, so that FSDP can gather its weights only while it computes."""

    def __init__(self, config: GPTConfig, values: Mapping[str, Tensor], rates: Mapping[str, Tensor | float]) -> None:
        super().__init__()
        self._config, self._rates = config, rates
        for name, value in values.items():
            _register_parameter(self, name, value)
        self._slots = _slots(self, values)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output (B, T, C) for x (B, T, C)."""
        return block_forward(
            x, _parameters_in(self._slots), self._config, self._rates if self.training else {}, fused=True
        )


def _register_parameter(root: nn.Module, name: str, value: Tensor) -> None:
    """Register the parameter ``name`` of a module, creating the submodules in its name as needed."""
    *scopes, last = name.split(".")
    for scope in scopes:
        if scope not in root._modules:
            root.add_module(scope, nn.Module())
        root = root.get_submodule(scope)
    root.register_parameter(last, nn.Parameter(value))


def _slots(root: nn.Module, names: Iterable[str]) -> list[_Slot]:
    split = ((name, *name.rpartition(".")) for name in names)
    return [(name, root.get_submodule(scope), last) for name, scope, _, last in split]


def _parameters_in(slots: list[_Slot]) -> dict[str, Tensor]:
    return {name: getattr(owner, last) for name, owner, last in slots}
