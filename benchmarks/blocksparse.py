"""Blocksparse attention against PyTorch's dense causal attention, on this machine's processor.

python benchmarks/blocksparse.py [--tokens 2048 4096 8192] [--threads 1 2] [--heads 8] [--repeats 5] [--out FILE]

Phi-3-small's layout: heads of size 128, four to a key head, blocks of 64, 16 of them near, every 8th of the rest.
Attention's work grows with the number of heads alone, so some of the 32 do. Dense and sparse take turns; each figure
is the best of its turns. Where other work disturbs the clock, the processor's own time on one thread still tells.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.machine import describe
from hornbook.model.blocksparse import attend
from hornbook.model.config import BlockSparse

SIZE, GROUP, SCALE = 128, 4, 1 / 128
PATTERN = BlockSparse(block=64, local_blocks=16, stride=8)


def best(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The fewest seconds that each way took, by the clock and of the processor, the ways taking turns."""
    seconds: dict[str, float] = {}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            way()
            took = {name: time.perf_counter() - clock, f"{name}_processor": time.process_time() - processor}
            if turn:  # the first turn warms up
                seconds |= {key: min(value, seconds.get(key, value)) for key, value in took.items()}
    return seconds


def prompt(q: Tensor, k: Tensor, v: Tensor, repeats: int) -> dict[str, float]:
    """All tokens at once, the dense keys and values already repeated for each head."""
    whole_k, whole_v = (t.repeat_interleave(GROUP, dim=1) for t in (k, v))
    return best(
        {
            "dense": lambda: F.scaled_dot_product_attention(q, whole_k, whole_v, is_causal=True, scale=SCALE),
            "sparse": lambda: attend(q, k, v, settings=PATTERN, scale=SCALE),
        },
        repeats,
    )


def training(q: Tensor, k: Tensor, v: Tensor, repeats: int) -> dict[str, float]:
    """All tokens at once, and the gradients."""

    def dense() -> None:
        leaves = [t.detach().requires_grad_() for t in (q, k, v)]
        whole_k, whole_v = (t.repeat_interleave(GROUP, dim=1) for t in leaves[1:])
        y = F.scaled_dot_product_attention(leaves[0], whole_k, whole_v, is_causal=True, scale=SCALE)
        torch.autograd.grad(y.sum(), leaves)

    def sparse() -> None:
        leaves = [t.detach().requires_grad_() for t in (q, k, v)]
        torch.autograd.grad(attend(*leaves, settings=PATTERN, scale=SCALE).sum(), leaves)

    return best({"dense": dense, "sparse": sparse}, repeats)


def decoding(q: Tensor, k: Tensor, v: Tensor, repeats: int) -> dict[str, float]:
    """The last token alone, the others' keys and values cached. Dense: a group's heads share their key head's."""
    last = q[:, :, -1:]
    grouped = last.reshape(1, k.shape[1], GROUP, SIZE)
    return best(
        {
            "dense": lambda: F.scaled_dot_product_attention(grouped, k, v, scale=SCALE),
            "sparse": lambda: attend(last, k, v, settings=PATTERN, scale=SCALE),
        },
        20 * repeats,
    )


def main() -> None:
    """Measure, print, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[2048, 4096, 8192])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for tokens in arguments.tokens:
            generator = torch.Generator().manual_seed(tokens)
            q = torch.randn(1, arguments.heads, tokens, SIZE, generator=generator)
            k, v = torch.randn(2, 1, arguments.heads // GROUP, tokens, SIZE, generator=generator)
            for what, measure in (("prompt", prompt), ("training", training), ("decoding", decoding)):
                with torch.inference_mode(what != "training"):
                    seconds = measure(q, k, v, arguments.repeats)
                row = {"what": what, "threads": threads, "tokens": tokens} | {
                    name: round(value, 6) for name, value in seconds.items()
                }
                row["ratio"] = round(seconds["dense"] / seconds["sparse"], 2)
                row["ratio_processor"] = round(seconds["dense_processor"] / seconds["sparse_processor"], 2)
                rows.append(row)
                print(json.dumps(row), flush=True)
    figures = {"machine": describe(), "torch": torch.__version__, "heads": arguments.heads, "seconds": rows}
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
