"""The formats in which a model can be written, by the names of ``export --format``."""

from __future__ import annotations

from collections.abc import Callable

from numpy_gpt.shared.interchange.writing.exported import Exported
from numpy_gpt.shared.interchange.writing.huggingface import export_huggingface
from numpy_gpt.shared.interchange.writing.llmc import export_llmc
from numpy_gpt.shared.interchange.writing.nanogpt import export_nanogpt
from numpy_gpt.shared.runs.checkpoint import Checkpoint

EXPORTERS: dict[str, Callable[[Checkpoint], Exported]] = {
    "huggingface": export_huggingface,
    "nanogpt": export_nanogpt,
    "llmc": export_llmc,
}
