"""A small GPT in pure NumPy: forward and backward written by hand; the reference for the other implementations.

    from numpy_gpt import load_model

    model = load_model()  # the model that ships, or a run
    model.predict("once upon a")

    from numpy_gpt import GPTConfig, initial_values, loss_and_gradients, parameters_from

    config = GPTConfig(vocab_size=32, block_size=8, n_layer=2, n_head=2, n_embd=6)
    parameters = parameters_from(config, initial_values(config, seed=0, dtype="float64"))
    loss, gradients = loss_and_gradients(parameters, tokens=[[1, 2, 3]], targets=[[2, 3, 4]])

``layers`` contains the mathematics of each layer, and ``kernels`` the code that makes it fast. ``gpt`` combines the
layers, ``bigram`` is a single-table baseline, ``model`` computes the loss and gradients of both, ``engine`` trains,
``library`` offers a trained model as one object, ``golden`` checks ports of the model to other languages, and
``shared`` is everything without mathematics. ``gradcheck`` checks whether a gradient is right. A name is imported when
it is first used, so that the command line handles Ctrl-C from its start.
"""

from __future__ import annotations

from gpt_data.lazy_imports import TYPE_CHECKING, lazy_names

if TYPE_CHECKING:
    from numpy_gpt.bigram import bigram_backward, bigram_forward
    from numpy_gpt.golden.doors import golden_check, golden_pack
    from numpy_gpt.gpt import gpt_backward, gpt_forward
    from numpy_gpt.gradcheck import GradientError, check_gradients, gradient_errors
    from numpy_gpt.library import compare, load_model, train
    from numpy_gpt.model import loss_and_gradients, loss_of, predict
    from numpy_gpt.parameters import Parameters, parameters_from
    from numpy_gpt.shared.model.config import BigramConfig, GPTConfig
    from numpy_gpt.shared.model.initial_values import initial_values
    from numpy_gpt.shared.model.interventions import Intervention, intervene
    from numpy_gpt.shared.model.record import keep_in

__all__ = [
    "BigramConfig",
    "GPTConfig",
    "GradientError",
    "Intervention",
    "Parameters",
    "bigram_backward",
    "bigram_forward",
    "check_gradients",
    "compare",
    "golden_check",
    "golden_pack",
    "gpt_backward",
    "gpt_forward",
    "gradient_errors",
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
        "numpy_gpt.bigram": ("bigram_backward", "bigram_forward"),
        "numpy_gpt.golden.doors": ("golden_check", "golden_pack"),
        "numpy_gpt.gpt": ("gpt_backward", "gpt_forward"),
        "numpy_gpt.gradcheck": ("GradientError", "check_gradients", "gradient_errors"),
        "numpy_gpt.library": ("compare", "load_model", "train"),
        "numpy_gpt.model": ("loss_and_gradients", "loss_of", "predict"),
        "numpy_gpt.parameters": ("Parameters", "parameters_from"),
        "numpy_gpt.shared.model.config": ("BigramConfig", "GPTConfig"),
        "numpy_gpt.shared.model.initial_values": ("initial_values",),
        "numpy_gpt.shared.model.interventions": ("Intervention", "intervene"),
        "numpy_gpt.shared.model.record": ("keep_in",),
    },
)
