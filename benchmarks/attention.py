"""PyTorch's attention on a CPU, in bf16 and in fp32: processor time of forward and backward, by number of keys.

python benchmarks/attention.py [--into benchmarks/attention.json]

One thread. What is timed in fp32 takes and gives bf16, conversions counted: that is what the model does with few keys.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.files import write_json
from hornbook.machine import describe

SHAPES = ((32, 4, 128, 32), (8, 4, 256, 32), (16, 9, 128, 64), (8, 9, 256, 64), (4, 9, 512, 64), (2, 9, 1024, 64))
ROUNDS = 9


def in_bf16(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's kernel for bf16."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def in_fp32(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's kernel for fp32, of bf16 and to bf16."""
    return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True).to(q.dtype)


def seconds(attend: Callable[[Tensor, Tensor, Tensor], Tensor], shape: tuple[int, int, int, int]) -> float:
    """Processor time of one forward and backward pass."""
    rows, heads, keys, size = shape
    qkv = torch.randn(rows, keys, 3 * heads, size, dtype=torch.bfloat16).transpose(1, 2).requires_grad_()
    began = time.process_time()
    attend(*qkv.split(heads, dim=1)).sum().backward()
    return time.process_time() - began


def main() -> None:
    """Measure both, turn by turn, and keep the least of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    told = []
    for shape in SHAPES:
        turns = [(seconds(in_bf16, shape), seconds(in_fp32, shape)) for _ in range(ROUNDS)]
        bf16, fp32 = (1000 * min(one) for one in zip(*turns, strict=True))
        told.append({"rows, heads, keys, size": shape, "bf16_ms": round(bf16, 1), "fp32_ms": round(fp32, 1)})
        print(f"{shape}: bf16 {bf16:.1f} ms, fp32 {fp32:.1f} ms, {bf16 / fp32:.2f}x")
    if given.into:
        write_json(given.into, {"torch": torch.__version__, "machine": describe(), "measured": told})


if __name__ == "__main__":
    main()
