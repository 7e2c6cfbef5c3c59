"""FSDP2 by blocks: while one block computes, the weights of the others are sharded, forward and backward."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
# A group of one process is enough to see which weights are whole at which moment. It runs in its own process.
LOOK = """
import tempfile
import torch, torch.distributed as dist
from torch.distributed.tensor import DTensor
from numpy_gpt.shared.model.initial_values import initial_values
from numpy_gpt.shared.training.presets import preset
from torch_gpt.fast.loss_module import LossModule
from torch_gpt.fast.sharding import reshard, shard
from torch_gpt.parameters import parameters_from

dist.init_process_group("gloo", init_method=f"file://{tempfile.mkdtemp()}/team", rank=0, world_size=1)
config = preset("tiny").model
values = parameters_from(config, initial_values(config, 1))
module = LossModule(config, {name: value.detach() for name, value in values.items()})
assert list(dict(module.named_parameters())) == list(values)
shard(module, torch.device("cpu"))

def whole(part):
    return [int(not any(isinstance(weight, DTensor) for weight in block.parameters())) for block in part.h]

def look(layer, out):
    if out.requires_grad:  # called when backward reaches the block
        out.register_hook(lambda _: print("backward", layer, whole(module)))

for layer, block in enumerate(module.h):
    block.register_forward_pre_hook(lambda *_, layer=layer: print("forward", layer, whole(module)))
    block.register_forward_hook(lambda _block, _x, out, layer=layer: look(layer, out))
ids = torch.zeros((2, 8), dtype=torch.int64)
module(ids, ids).backward()
print("after", whole(module))
with torch.no_grad():
    module(ids, ids)
reshard(module)
print("evaluated", whole(module), isinstance(module.wte.weight, DTensor))
dist.destroy_process_group()
"""


def test_only_one_block_is_gathered():
    found = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [
        "forward 0 [1, 0]",
        "forward 1 [0, 1]",
        "backward 1 [0, 1]",
        "backward 0 [1, 0]",
        "after [0, 0]",
        "forward 0 [1, 0]",
        "forward 1 [0, 1]",
        "evaluated [0, 0] True",
    ]
