"""muP: which rate is the best at which width, with it and without.

python benchmarks/mup.py [--into benchmarks/mup.json]

phi-3-small's shape (GEGELU, layer norm, biases, scaled embeddings, scores over the heads' size) in two layers with
heads of 16 reads the built-in teacher's stories, byte by byte: with AdamW, in steps of 512 bytes, none read twice. The
base is 32 wide; a model of that width is the same with muP and without. Measured is the loss on stories that were held
out, in nats a byte. What the file has already is not done again. One thread, fp32.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hornbook import machine
from hornbook.files import read_json, write_json
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.seeds import derive
from hornbook.teacher.builtin.stories import stories
from hornbook.tokens.mixture import Schedule
from hornbook.train import mup
from hornbook.train.loop import train
from hornbook.train.pretrain import NextToken, PretrainSettings
from hornbook.train.validation import in_fp32, measure_of

BASE, WIDTHS, HEAD, SEEDS = 32, (32, 64, 128, 256), 16, (1, 2, 3)
RATES = tuple(4e-3 * 2**k for k in range(6))
# Of the wide ones, which take long, those around the best; by width, and whether it has muP.
AROUND = {(128, True): RATES[:5], (128, False): RATES[1:5], (256, True): RATES[2:], (256, False): RATES[:5]}
STEPS, BATCH, LENGTH, HELD, PAD = 100, 8, 64, 64, 0  # rows in a step, bytes of a row, rows held out; no story has a 0


def shape(width: int, *, scaled: bool) -> ModelConfig:
    """phi-3-small, small. scaled: its logits are muP's."""
    return ModelConfig(
        vocabulary=128, layers=2, width=width, heads=width // HEAD, mlp_width=2 * width, context=LENGTH,
        norm="layer", activation="gegelu", qkv_bias=True, out_bias=True, mlp_bias=True,
        embedding_scale=5.0, attention_scale=1 / HEAD, logit_scale=BASE / width if scaled else 1.0, initial_std=0.2,
    )  # fmt: skip


def texts(seed: int, rows: int) -> NDArray[np.uint8]:
    """Stories, one after the other, in rows of bytes: (rows, LENGTH + 1)."""
    told = b"\n\n".join(story.text.encode("ascii", "replace") for story in stories(2_000, seed=seed))
    return np.frombuffer(told[: rows * (LENGTH + 1)], dtype=np.uint8).reshape(rows, LENGTH + 1)


def reading(table: NDArray[np.uint8], order: NDArray[np.int64], batch: int) -> NextToken:
    """The rows in this order."""
    return NextToken([table], Schedule(np.zeros(len(order), dtype=np.int32), order), batch, LENGTH + 1, PAD)


def run(width: int, scaled: bool, rate: float, seed: int) -> dict[str, Any]:
    """One training: what it ends with, and the processor's seconds."""
    began = process_time()
    table, held = texts(1, STEPS * BATCH), texts(2, HELD)
    order = np.random.default_rng(derive(seed, "order")).permutation(len(table))
    phase = {"tokens": 1, "mixture": [{"sources": ["stories"], "share": 1.0}]}
    settings = PretrainSettings(
        optimizer="adamw", learning_rate=rate, batch=BATCH, schedule="linear", warmup=0.1, precision="fp32",
        compile=False, checkpoint_seconds=1e9, mup_base_width=BASE if scaled else None, phase1=phase, phase2=phase,
    )  # fmt: skip
    model = Transformer(shape(width, scaled=scaled))
    model.initialise(torch.Generator().manual_seed(derive(seed, "weights")))
    mup.scale(model, settings.times_wider(model.config))
    with tempfile.TemporaryDirectory() as into:
        train(model, reading(table, order, BATCH), settings, into=Path(into), label="", progress=Progress(), seed=seed)
    with in_fp32(model):
        loss = measure_of(reading(held, np.arange(HELD), HELD))(model)["validation_loss"]
    return {"loss": round(loss, 4), "processor_seconds": round(process_time() - began, 1)}


def told(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each width, with muP and without: losses by rate, the best rate of the mean and of each seed, and what the
    base's best rate costs there beside the width's own, in nats.
    """
    found: dict[str, Any] = {}
    for scaled, width in itertools.product((True, False), WIDTHS):
        arm = scaled or width == BASE
        losses = {rate: [runs[name(width, arm, rate, seed)]["loss"] for seed in SEEDS] for rate in rates(width, arm)}
        means = {rate: fmean(of_seeds) for rate, of_seeds in losses.items()}
        best = min(means, key=means.__getitem__)
        of_base = found[f"{arms(scaled)}, {BASE}"]["best_rate"] if width != BASE else best
        found[f"{arms(scaled)}, {width}"] = {
            "mean_loss": {f"{rate:g}": round(mean, 4) for rate, mean in means.items()},
            "range": {f"{rate:g}": [min(of_seeds), max(of_seeds)] for rate, of_seeds in losses.items()},
            "best_rate": best,
            "best_rate_of_seeds": [min(losses, key=lambda rate: losses[rate][at]) for at in range(len(SEEDS))],
            "cost_of_the_base's_rate": [round(losses[of_base][at] - losses[best][at], 4) for at in range(len(SEEDS))],
        }
    return found


def rates(width: int, scaled: bool) -> tuple[float, ...]:
    """Which rates are tried."""
    return AROUND.get((width, scaled), RATES)


def arms(scaled: bool) -> str:
    """What an arm is called."""
    return "muP" if scaled else "without"


def name(width: int, scaled: bool, rate: float, seed: int) -> str:
    """What a run is called in the file."""
    return f"{arms(scaled)}, width {width}, rate {rate:g}, seed {seed}"


def main() -> None:
    """Train what the file does not have, the narrow ones first; it is written after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path(__file__).with_suffix(".json"))
    into = parser.parse_args().into
    torch.set_num_threads(1)
    runs: dict[str, Any] = read_json(into)["runs"] if into.is_file() else {}
    about = {"machine": machine.describe(), "steps": STEPS, "batch": BATCH, "length": LENGTH}
    for width, scaled in itertools.product(WIDTHS, (True, False)):
        for rate, seed in itertools.product(() if width == BASE and not scaled else rates(width, scaled), SEEDS):
            called = name(width, scaled, rate, seed)
            if called not in runs:
                runs[called] = run(width, scaled, rate, seed)
                print(called, runs[called], flush=True)
                write_json(into, about | {"runs": runs})
    write_json(into, about | {"runs": runs, "found": told(runs)})


if __name__ == "__main__":
    main()
