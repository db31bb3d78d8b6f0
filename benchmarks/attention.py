"""Attention's own kernels beside PyTorch's on a CPU: processor time of forward and backward, by shape and dtype.

python benchmarks/attention.py [--into benchmarks/attention.json]

One thread; rows of one document, and rows packed with documents of 64 tokens, which PyTorch reads with a mask. PyTorch
is given bf16 as it is, and in fp32 with conversions counted: the faster one stands for it. Both take q, k and v of one
fused map, as the model does.
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
from hornbook.model import cpu_attention
from hornbook.model.masks import first_seen, tokens_seen

SHAPES = (
    (32, 4, 4, 128, 32),
    (8, 4, 4, 256, 32),
    (16, 9, 3, 128, 64),
    (8, 9, 3, 256, 64),
    (8, 9, 3, 512, 64),
    (2, 9, 3, 2048, 64),
    (1, 32, 32, 2048, 96),
)
ROUNDS, DOCUMENT = 7, 64

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def seconds(attend: Attend, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """Processor time of one forward and backward pass."""
    rows, heads, kv_heads, time_, size = shape
    fused = torch.randn(rows, time_, heads + 2 * kv_heads, size, dtype=dtype).transpose(1, 2).requires_grad_()
    began = time.process_time()
    attend(*fused.split([heads, kv_heads, kv_heads], dim=1)).sum().backward()
    return time.process_time() - began


def ways(shape: tuple[int, ...], dtype: torch.dtype, *, packed: bool) -> dict[str, Attend]:
    """What is timed, by name."""
    _, heads, kv_heads, time_, size = shape
    at = torch.arange(time_)
    documents, positions = (at // DOCUMENT)[None], (at % DOCUMENT)[None]
    seen = tokens_seen(torch.ones(1, time_, dtype=torch.bool), documents) if packed else None
    first = first_seen(positions) if packed else None

    def theirs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (x.repeat_interleave(heads // kv_heads, 1) for x in (k, v))
        return F.scaled_dot_product_attention(q, k, v, seen, is_causal=seen is None)

    def in_fp32(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return theirs(q.float(), k.float(), v.float()).to(q.dtype)

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return cpu_attention.attend(q, k, v, first, size**-0.5)

    others = {} if dtype == torch.float32 else {"PyTorch, in fp32": in_fp32}
    return {"ours": ours, "PyTorch": theirs, **others}


def main() -> None:
    """Measure all of them, turn by turn, and keep the least of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    told = []
    for shape in SHAPES:
        for dtype in (torch.bfloat16, torch.float32):
            for packed in (False, True):
                timed = ways(shape, dtype, packed=packed)
                turns = [[seconds(attend, shape, dtype) for attend in timed.values()] for _ in range(ROUNDS)]
                least = {name: min(one) for name, one in zip(timed, zip(*turns, strict=True), strict=True)}
                gain = min(value for name, value in least.items() if name != "ours") / least["ours"]
                told.append(
                    {
                        "rows, heads, kv_heads, tokens, size": shape,
                        "dtype": str(dtype).removeprefix("torch."),
                        "packed": packed,
                        "ms": {name: round(1000 * value, 1) for name, value in least.items()},
                        "gain": round(gain, 2),
                    }
                )
                print(*told[-1].values())
    if given.into:
        kernels = {str(dtype): cpu_attention.kernels(dtype)[0] for dtype in (torch.bfloat16, torch.float32)}
        write_json(
            given.into, {"torch": torch.__version__, "machine": describe(), "kernels": kernels, "measured": told}
        )


if __name__ == "__main__":
    main()
