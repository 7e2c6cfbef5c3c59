"""The peak of a GPU: multiplications and additions per second in dense products, as stated by the manufacturer."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import torch

_TERA = 1e12


class Peak(NamedTuple):
    """Dense peaks in operations per second, without sparsity: float32, TF32, half precision (bfloat16, float16)."""

    float32: float
    tf32: float | None
    half: float
    source: str


def _peak(float32: float, tf32: float | None, half: float, source: str) -> Peak:
    return Peak(float32 * _TERA, tf32 and tf32 * _TERA, half * _TERA, source)


# Keyed by a part of the name that CUDA reports; the first match counts, so a longer name precedes its prefix.
PEAKS = {
    "H200": _peak(67, 494.5, 989, "NVIDIA H200 Tensor Core GPU datasheet, SXM; half of the figures with sparsity"),
    "H100 PCIe": _peak(51, 378, 756, "NVIDIA H100 Tensor Core GPU datasheet, PCIe; half of those with sparsity"),
    "H100": _peak(67, 494.5, 989, "NVIDIA H100 Tensor Core GPU datasheet, SXM; half of those with sparsity"),
    "A100": _peak(19.5, 156, 312, "NVIDIA A100 Tensor Core GPU datasheet"),
    "A10G": _peak(31.5, 35, 70, "AWS and NVIDIA A10G specifications"),
    "L40S": _peak(91.6, 183, 362, "NVIDIA L40S datasheet; half of the figures with sparsity"),
    "L4": _peak(30.3, 60, 121, "NVIDIA L4 datasheet; half of the figures with sparsity"),
    "V100": _peak(15.7, None, 125, "NVIDIA V100 Tensor Core GPU datasheet, SXM2"),
    "T4": _peak(8.1, None, 65, "NVIDIA T4 datasheet"),
    "RTX 4090": _peak(82.6, 82.6, 165.2, "NVIDIA Ada GPU architecture whitepaper, appendix A; accumulation in float32"),
    "RTX 3090": _peak(35.6, 35.6, 71, "NVIDIA Ampere GA102 whitepaper, table 2; accumulation in float32"),
}

# A GPU that shares part of its name with another but has a different peak, or is a partition of one.
_VARIANT = re.compile(r"\b(NVL|MIG|Laptop|Max-Q|Ti|SUPER|D)\b|V100-(PCIE|FHHL)")


def peak_flops(name: str, dtype: str, tf32: bool) -> float | None:
    """Return the peak of a GPU of this name in a dtype, or None if unknown: no number is better than a wrong one."""
    peak = next((peak for part, peak in PEAKS.items() if re.search(rf"\b{part}\b", name)), None)
    if peak is None or _VARIANT.search(name) or dtype == "float64":
        return None
    if dtype in ("bfloat16", "float16"):
        return peak.half
    return peak.tf32 or peak.float32 if tf32 else peak.float32


def peak_of(device: torch.device, dtype: str, tf32: bool) -> float | None:
    """Return the peak of a GPU, NaN if it is unknown; None for another device."""
    if device.type != "cuda":
        return None
    peak = peak_flops(torch.cuda.get_device_name(device), dtype, tf32)
    return math.nan if peak is None else peak
