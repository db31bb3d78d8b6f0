"""One Muon step on the pocket model's matrices: torch.optim.Muon (bf16 inside) against Hornbook's, on this machine.

python benchmarks/muon.py [--out results.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hornbook.machine import choose, describe
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.train.optimizers import build
from hornbook.train.settings import TrainSettings


def seconds(step: Callable[[], object], repeats: int) -> float:
    """Median seconds of a call, after one to warm up."""
    step()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure both, print, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    machine = choose()
    model = Transformer(ModelConfig())
    model.initialise(torch.Generator().manual_seed(0))
    hidden = [p for p in model.blocks.parameters() if p.ndim == 2]
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    theirs = torch.optim.Muon(hidden, lr=0.02)
    ours = build(model, TrainSettings(), machine.compute)[0]
    figures = {
        "machine": describe(),
        "torch": torch.__version__,
        "matrices": len(hidden),
        "weights": sum(p.numel() for p in hidden),
        "torch_muon_seconds": round(seconds(theirs.step, arguments.repeats), 4),
        "hornbook_muon_seconds": round(seconds(ours.step, arguments.repeats), 4),
        "hornbook_dtype": str(machine.compute),
    }
    print(json.dumps(figures, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
