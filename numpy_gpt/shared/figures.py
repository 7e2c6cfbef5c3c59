"""Figures of matplotlib, which is optional: the library, labels taken literally, and a figure as the bytes of a PNG."""

from __future__ import annotations

import importlib
import warnings
from io import BytesIO
from typing import Any

from gpt_data.errors import UserError


def plot_library(name: str) -> Any:
    """Return a module of a library that draws.

    Raises
    ------
    UserError
        If it is not installed; the message says which extra has it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        raise UserError(f'drawing needs {package}, which is not installed: pip install "numpy-gpt[plot]"') from error


def literal_label(name: str) -> str:
    """Return a name for the legend of a chart, which would take some characters for a formula or a command."""
    # matplotlib reads text between dollar signs as a formula, and hides labels that begin with an underscore.
    name = name.replace("$", r"\$")
    return f"./{name}" if name.startswith("_") else name


def png_bytes(figure: Any, dpi: float = 120) -> bytes:
    """Return a figure as a PNG file."""
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a character that the font lacks is drawn as a box
        figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()
