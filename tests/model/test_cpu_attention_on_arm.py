"""Attention's own kernels for Arm, cross-compiled and run under qemu, against float64."""

from __future__ import annotations

import struct
import subprocess
import tomllib
from pathlib import Path

import pytest
import torch
from tests.inference.native.elsewhere import COMPILER, QEMU, ROOT, absent
from tests.model.test_cpu_attention import drawn, furthest, packed, positions_in, reference
from torch import Tensor

from hornbook.model.masks import first_seen, tokens_seen

pytestmark = [pytest.mark.slow, pytest.mark.skipif(absent() is not None, reason=f"no emulation of Arm: {absent()}")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels, compiled for Arm as pyproject.toml has them compiled."""
    modules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    module = next(one for one in modules if one["name"].endswith("_attention"))
    sources = [ROOT / source for source in module["sources"] if not source.endswith("/interface.cpp")]
    made = tmp_path_factory.mktemp("arm") / "attention"
    command = [COMPILER, *module["extra-compile-args"], "-static", f"-I{sources[0].parent}", "-o", made]
    subprocess.run([*command, Path(__file__).with_name("cpu_attention_elsewhere.cpp"), *sources], check=True)
    return made


def on_arm(program: Path, q: Tensor, k: Tensor, v: Tensor, dy: Tensor, first: Tensor, scale: float) -> list[Tensor]:
    """y and the gradients of q, k and v."""
    assert QEMU is not None
    batch, heads, time, size = q.shape
    bfloat = q.dtype == torch.bfloat16
    told = struct.pack("<6qf", batch, heads, k.shape[1], time, size, bfloat, scale)
    tensors = (first, *(x.contiguous().view(torch.int16) if bfloat else x.contiguous() for x in (q, k, v, dy)))
    asked = told + b"".join(x.numpy().tobytes() for x in tensors)
    made = subprocess.run([QEMU, "-cpu", "max", program], input=asked, capture_output=True, check=True).stdout
    found = []
    for dtype in (q.dtype, q.dtype, torch.float32, torch.float32):
        bytes_ = q.numel() * dtype.itemsize
        found.append(torch.frombuffer(bytearray(made[:bytes_]), dtype=dtype).view(q.shape).double())
        made = made[bytes_:]
    assert not made
    y, dq, *parts = found
    return [y, dq, *(x.view(batch, k.shape[1], -1, time, size).sum(2) for x in parts)]


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 4e-2)])
@pytest.mark.parametrize(("heads", "kv_heads", "time", "size"), [(4, 2, 150, 64), (3, 3, 70, 20), (1, 1, 1, 8)])
def test_is_that_of_float64(
    heads: int, kv_heads: int, time: int, size: int, dtype: torch.dtype, bound: float, program: Path
) -> None:
    q, k, v, dy = (x.to(dtype) for x in drawn(2, heads, kv_heads, time, size))
    documents = packed(2, time, 40, seed=1)
    first = first_seen(positions_in(documents)).contiguous()
    seen = tokens_seen(torch.ones(2, time, dtype=torch.bool), documents)
    found = on_arm(program, q, k, v, dy, first, size**-0.5)
    assert furthest(found, reference(q, k, v, dy, seen, size**-0.5)) < bound
