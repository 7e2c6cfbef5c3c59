"""From a loaded model to its trace: what cannot be worked out is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gpt_data.errors import UserError
from handcalc.tracing.model_trace import traced
from numpy_gpt.shared.runs.checkpoint import SHIPPED_MODEL
from numpy_gpt.shared.runs.run_directory import load_checkpoint


def test_a_weight_that_is_no_number_is_named():
    model = load_checkpoint(SHIPPED_MODEL)  # no file can hold one: reading refuses it
    values = {name: array * np.nan for name, array in model.values.items()}
    with pytest.raises(UserError, match=r"wte.weight\[0, 0\] is nan"):
        traced(replace(model, values=values), "model", "hello", (10,), digits=4)
