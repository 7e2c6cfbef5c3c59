"""The twin: the same models as numpy_gpt under the same names, in PyTorch, with gradients by autograd.

    from torch_gpt import load_model

    model = load_model()  # the model that ships, or a run
    model.predict("once upon a")

    from torch_gpt import GPTConfig, initial_values, loss_and_gradients, parameters_from

    config = GPTConfig(vocab_size=32, block_size=8, n_layer=2, n_head=2, n_embd=6)
    parameters = parameters_from(config, initial_values(config, seed=0, dtype="float64"))
    loss, gradients = loss_and_gradients(parameters, config, tokens=[[1, 2, 3]], targets=[[2, 3, 4]])

From numpy_gpt it imports only ``shared``, which contains no mathematics. Every layer is written out in elementary
operations and, below that, with torch's fused operations, which ``fused=True`` selects. A name is imported when it is
first used, so that the command line can say what to do if PyTorch is missing, and handles Ctrl-C from its start.
"""

from gpt_data.lazy_imports import TYPE_CHECKING, lazy_names

if TYPE_CHECKING:
    from numpy_gpt.shared.model.config import BigramConfig, GPTConfig
    from numpy_gpt.shared.model.initial_values import initial_values
    from torch_gpt.bigram import bigram_forward
    from torch_gpt.engine import TorchEngine
    from torch_gpt.gpt import gpt_forward
    from torch_gpt.library import compare, load_model, train
    from torch_gpt.model import loss_and_gradients, loss_of, predict
    from torch_gpt.parameters import parameters_from
    from torch_gpt.record import Intervention, intervene, keep_in

__all__ = [
    "BigramConfig",
    "GPTConfig",
    "Intervention",
    "TorchEngine",
    "bigram_forward",
    "compare",
    "gpt_forward",
    "initial_values",
    "intervene",
    "keep_in",
    "load_model",
    "loss_and_gradients",
    "loss_of",
    "parameters_from",
    "predict",
    "train",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "numpy_gpt.shared.model.config": ("BigramConfig", "GPTConfig"),
        "numpy_gpt.shared.model.initial_values": ("initial_values",),
        "torch_gpt.bigram": ("bigram_forward",),
        "torch_gpt.engine": ("TorchEngine",),
        "torch_gpt.gpt": ("gpt_forward",),
        "torch_gpt.library": ("compare", "load_model", "train"),
        "torch_gpt.model": ("loss_and_gradients", "loss_of", "predict"),
        "torch_gpt.parameters": ("parameters_from",),
        "torch_gpt.record": ("Intervention", "intervene", "keep_in"),
    },
)
