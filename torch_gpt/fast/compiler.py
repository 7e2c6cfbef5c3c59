"""torch.compile, used only where it computes the same function: its cache is for one kind of CPU, its loss is checked.

torch finds compiled code by the source of the model alone. A cache that another kind of CPU filled (a home directory or
an image that moved, or ATEN_CPU_CAPABILITY) then supplies code for vectors of another length, and the loss is wrong.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from numpy_gpt.shared.training.engine import StepResult
from numpy_gpt.shared.training.recipe import TrainingConfig
from torch_gpt.fast.fallback import Report, is_out_of_memory
from torch_gpt.fast.whole_step import WholeStep

CACHE = "TORCHINDUCTOR_CACHE_DIR"
_TOLERANCE = {"bfloat16": 0.1, "float16": 0.1}
"""The largest difference that counts as rounding, relative to the loss or the norm; 0.01 in float32 and float64.

Rounding causes a hundredth of it: this detects a wrong function, and parity_tests compare exactly.
"""


def try_compile(whole: WholeStep, loss_of: Any, training: TrainingConfig, expected: StepResult, report: Report) -> Any:
    """Return the compiled loss after testing its forward and backward pass, or the original if it cannot be trusted.

    Compiling can fail in many ways: no C++ compiler, no Triton, an unknown operation. The test's loss and gradient must
    also be those ``expected``, which the original computed for the same batch; NaN is a value that cannot be compared.
    """
    whole.loss_of = torch.compile(loss_of)
    try:
        use_cache_of_this_cpu()
        result = whole.dry_run()
    except Exception as error:  # the compiler's errors have no common base class
        if is_out_of_memory(error):
            raise
        report(f"torch.compile is unavailable, training continues without it: {type(error).__name__}: {error}")
        return loss_of
    if not _agree(result, expected, _TOLERANCE.get(training.dtype, 0.01)):
        report(
            "torch.compile is wrong here, training continues without it: loss and gradient norm are "
            f"{result.loss:.4g} and {result.gradient_norm:.4g}, not {expected.loss:.4g} and "
            f"{expected.gradient_norm:.4g}; delete {os.environ[CACHE]}"
        )
        return loss_of
    return whole.loss_of


def _agree(result: StepResult, expected: StepResult, tolerance: float) -> bool:
    pairs = zip(result, expected, strict=True)
    return all(
        not math.isfinite(right) or math.isclose(value, right, rel_tol=tolerance, abs_tol=tolerance / 100)
        for value, right in pairs
    )


def use_cache_of_this_cpu() -> None:
    """Let torch keep compiled code in a directory for this kind of CPU, inside the one that it would use otherwise."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir  # loads the compiler, so only if it is used

    directory, kind = Path(cache_dir()), _kind_of_cpu()
    if directory.name != kind:
        os.environ[CACHE] = str(directory / kind)


def _kind_of_cpu() -> str:
    """Return a name for everything that decides which code is right: torch, and the CPU's instructions."""
    facts = [torch.__version__, torch.backends.cpu.get_cpu_capability(), platform.machine(), platform.processor()]
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
        facts += sorted({line.strip() for line in lines if line.lower().startswith(("flags", "features", "isa"))})
    return f"cpu-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"
