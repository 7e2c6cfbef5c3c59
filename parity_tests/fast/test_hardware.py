"""GPUs by name, precisions by device, and the messages about unavailable features."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gpt_data.errors import UserError
from numpy_gpt import initial_values
from numpy_gpt.shared.training.presets import preset
from numpy_gpt.shared.training.recipe import TrainingConfig
from torch_gpt.cli import main
from torch_gpt.fast import hardware, precision
from torch_gpt.fast.engine import FastEngine
from torch_gpt.fast.hardware import PEAKS, peak_flops, peak_of
from torch_gpt.fast.precision import check_rates, keep_dropout_exact, precision_of
from torch_gpt.fast.process_group import is_lost_connection, local_device, lost_process_error


@pytest.mark.parametrize(
    ("name", "dtype", "tf32", "tera"),
    [
        ("NVIDIA H200", "bfloat16", False, 989),
        ("NVIDIA H100 80GB HBM3", "float16", False, 989),
        ("NVIDIA H100 PCIe", "bfloat16", False, 756),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", False, 312),
        ("NVIDIA A100-SXM4-80GB", "float32", False, 19.5),
        ("NVIDIA A100-SXM4-80GB", "float32", True, 156),
        ("Tesla V100-SXM2-16GB", "float32", True, 15.7),
        ("Tesla T4", "float16", False, 65),
        ("NVIDIA L4", "bfloat16", False, 121),
        ("NVIDIA L40S", "bfloat16", False, 362),
    ],
)
def test_peak_of_each_gpu(name, dtype, tf32, tera):
    assert peak_flops(name, dtype, tf32) == tera * 1e12


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA RTX A1000",
        "NVIDIA L40",
        "NVIDIA T400",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "Tesla V100-PCIE-16GB",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
    ],
)
def test_a_similar_name_is_unknown(name):
    assert peak_flops(name, "bfloat16", False) is None


@pytest.mark.parametrize(("name", "dtype"), [("AMD Instinct MI300X", "bfloat16"), ("NVIDIA H200", "float64")])
def test_an_unlisted_dtype_is_unknown(name, dtype):
    assert peak_flops(name, dtype, False) is None


def test_every_peak_has_a_source():
    for name, peak in PEAKS.items():
        assert len(peak.source) > 10, name
        assert peak.half >= max(peak.tf32 or 0, peak.float32), name


def test_unknown_gpus_have_no_peak(monkeypatch):
    monkeypatch.setattr(hardware.torch.cuda, "get_device_name", lambda device: "Some Card 1")
    assert math.isnan(peak_of(torch.device("cuda"), "bfloat16", False))
    assert peak_of(torch.device("cpu"), "float32", False) is None


def test_without_bfloat16_an_alternative_is_named(monkeypatch):
    monkeypatch.setattr(precision.torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(precision.torch.cuda, "get_device_name", lambda device: "Tesla T4")
    with pytest.raises(UserError, match="Tesla T4 has no bfloat16; try --dtype float16, or float32"):
        precision_of("bfloat16", torch.device("cuda"))
    assert precision_of("float16", torch.device("cuda")).scaled
    with pytest.raises(UserError, match="cannot compute in float64"):
        precision_of("float64", torch.device("mps"))


def test_a_rate_beyond_float32_needs_a_rate_in_float64():
    training = TrainingConfig(dtype="float64", learning_rate=1e300, min_lr=0)
    check_rates(training, torch.device("cpu"))
    largest = 2.0**128 - 2.0**104
    check_rates(replace(training, learning_rate=largest), torch.device("cuda"))
    for name, wrong in (("learning_rate", training), ("min_lr", replace(training, learning_rate=1, min_lr=1e39))):
        with pytest.raises(UserError, match=rf"^{name} must be at most 3.40282e\+38 on cuda.* --path explicit$"):
            check_rates(wrong, torch.device("cuda"))


def test_the_fast_engine_checks_its_rates(monkeypatch):
    monkeypatch.setattr(precision, "rate_dtype", lambda dtype, device: torch.float32)  # as on CUDA
    recipe = preset("tiny").override({"dtype": "float64", "learning_rate": 1e300})
    with pytest.raises(UserError, match=r"^learning_rate must be at most"):
        FastEngine(recipe, initial_values(recipe.model, 0, "float64"))


def test_each_process_has_its_own_gpu(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="there are 2 for process 3; try --nproc-per-node 2"):
        local_device(torch.device("cuda"))
    assert local_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(UserError, match="uses its own GPU; give --device cuda, not cuda:1"):
        local_device(torch.device("cuda", 1))


def test_a_lost_partner_is_recognized():
    lost = RuntimeError("[/a/b/gloo/pair.cc:53] Read error [127.0.0.1]: Connection reset by peer. And so on.")
    assert is_lost_connection(lost)
    assert not is_lost_connection(RuntimeError("shape mismatch"))
    message = str(lost_process_error(lost, None))
    assert "(Read error [127.0.0.1]: Connection reset by peer); start the job again with --resume RUN" in message


def _train(capsys, *flags):
    status = main(["train", "tiny", "--device", "cpu", "--max_iters", "2", *flags])
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        (["--graphs"], "--graphs has no effect: it needs a CUDA device, one process, --path fast"),
        (["--compile", "--path", "explicit"], "--compile has no effect: it is for --path fast, not --path explicit"),
        (["--compile", "--dtype", "float64"], "--compile has no effect: it is for --path fast, not --path explicit"),
        (["--fsdp"], "--fsdp has no effect: it shards weights among the processes of torchrun"),
    ],
)
def test_an_unused_flag_is_reported(flags, note, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, errors = _train(capsys, *flags)
    assert status == 0
    assert sum(note in line for line in errors.splitlines()) == 1
    assert "CUDA graphs" not in errors.partition("device: ")[2]


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_emulated_half_precision_is_reported(capability, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    for dtype, imitated in (("bfloat16", capability == "AVX2"), ("float32", False)):
        status, errors = _train(capsys, "--dtype", dtype, "--out_dir", dtype)
        assert status == 0
        note = f"note: this CPU emulates {dtype}, which is slow; --dtype float32 is many times faster"
        assert (note in errors.splitlines()) == imitated


@pytest.mark.parametrize("peak", ["0", "-3", "inf"])
def test_a_peak_must_be_positive(peak, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, errors = _train(capsys, "--peak_tflops", peak)
    assert status == 2
    assert "--peak_tflops must be above 0 and finite, not" in errors


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
    ids=["processor", "driver", "cuBLAS", "allocator"],
)
def test_out_of_memory_is_one_line(error, capsys, tmp_path, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FastEngine, "mean_loss", fails)
    status, errors = _train(capsys)
    assert status == 2
    assert "error: cpu is out of memory (" in errors
    assert errors.rstrip().endswith("try a smaller --batch_size or model")


def test_cudnn_drops_only_sixteenths(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", asked.append)
    for rate, device in ((0.2, "cpu"), (0.0, "cuda"), (0.125, "cuda"), (0.1875, "cuda")):
        keep_dropout_exact(rate, torch.device(device))
    assert asked == []
    keep_dropout_exact(0.2, torch.device("cuda"))
    assert asked == [False]
