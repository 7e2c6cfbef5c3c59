"""The model as a torch module, which is what torch.compile, DistributedDataParallel and FSDP work on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from numpy_gpt.shared.config import BigramConfig, ModelConfig
from numpy_gpt.shared.names import dropout_shapes
from torch_gpt.bigram import bigram_logits_of
from torch_gpt.gpt import logits_of
from torch_gpt.layers.cross_entropy import cross_entropy_fused


class LossModule(nn.Module):
    """Tokens and targets to the mean loss, by the fused operations.

    Its parameters have GPT-2's names: ``named_parameters()`` gives what ``shared.names.parameter_shapes`` lists.
    """

    def __init__(self, config: ModelConfig, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._config = config
        self._rates: dict[str, Tensor | float] = {}
        if config.dropout:  # torch itself draws what is dropped
            self._rates |= dict.fromkeys(dropout_shapes(config, 1, 1), config.dropout)
        for name, value in values.items():
            owner, last = _owner(self, name)
            owner.register_parameter(last, nn.Parameter(value))
        # Where each parameter hangs, not the parameter: FSDP puts another tensor there while it computes.
        self._places = [(name, *_owner(self, name)) for name in values]

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss in nats per token for ids (B, T), int64, known to be good; with dropout in training."""
        parameters = {name: getattr(owner, last) for name, owner, last in self._places}
        if isinstance(self._config, BigramConfig):
            logits = bigram_logits_of(parameters, tokens, fused=True)
        else:
            logits = logits_of(parameters, self._config, tokens, self._rates if self.training else {}, fused=True)
        return cross_entropy_fused(logits, targets)


def _owner(root: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Return the module that a parameter of this name belongs to, made if need be, and the name's last part."""
    *scopes, last = name.split(".")
    for scope in scopes:
        if scope not in dict(root.named_children()):
            root.add_module(scope, nn.Module())
        root = root.get_submodule(scope)
    return root, last
