"""Scales tuned when everything is rounded: a quantized model learns to predict what the one it was made of predicts.

Levels stay, and so do all other weights. It is the end-to-end phase of EfficientQAT (Chen et al. 2024,
arXiv:2407.11062), with the original's whole distribution as the aim in the place of the text's next token.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from hornbook.machine import native_bf16
from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.seeds import derive

STEP_TOKENS = 1024  # read in a step, or one row
WARMUP = 5  # steps in which the rate rises; it falls as a cosine from there
BETAS = (0.9, 0.95)


def tune(
    model: Transformer,
    original: Transformer,
    rows: NDArray[np.int64],
    *,
    epochs: int,
    rate: float,
    seed: int,
    progress: Progress,
) -> int:
    """Train the scales in `model`'s blocks, in place, on `rows` of ids (rows, time); returns the number of steps.

    Minimises KL(original || model) over every token's prediction, in nats. rate: AdamW's, of a factor that each scale
    is multiplied by and that begins at 1. Computed in bf16 where the processor has it, else in fp32.
    """
    layers = {
        f"{name}.weight_scale": layer
        for name, layer in model.named_modules()
        if isinstance(layer, QuantizedLayer) and name.startswith("blocks.")
    }
    scales = {name: layer.weight_scale.float() for name, layer in layers.items()}
    factors = {name: torch.ones_like(scale, requires_grad=True) for name, scale in scales.items()}
    optimizer = torch.optim.AdamW(factors.values(), rate, betas=BETAS, weight_decay=0.0)
    batches = _batches(rows, epochs, seed)
    precisions = model.compute, original.compute
    model.compute = original.compute = torch.bfloat16 if native_bf16("cpu") else torch.float32
    for parameter in (*model.parameters(), *original.parameters()):
        parameter.requires_grad_(False)
    try:
        with progress.task("tuning scales", len(batches)) as bar:
            for step, ids in enumerate(batches, start=1):
                for group in optimizer.param_groups:
                    group["lr"] = rate * _part(step, len(batches))
                with torch.no_grad():
                    aim = original(ids).log_softmax(-1).flatten(0, 1)
                tuned = {name: scale * factors[name] for name, scale in scales.items()}
                predicted: Tensor = functional_call(model, tuned, (ids,)).log_softmax(-1).flatten(0, 1)
                loss = F.kl_div(predicted, aim, reduction="batchmean", log_target=True)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                bar.advance()
    finally:
        model.compute, original.compute = precisions
    for name, layer in layers.items():
        layer.weight_scale.copy_((scales[name] * factors[name]).detach())
    return len(batches)


def _batches(rows: NDArray[np.int64], epochs: int, seed: int) -> list[Tensor]:
    """All rows in each epoch, in an order of its own, as many in a step as have STEP_TOKENS."""
    size = max(1, STEP_TOKENS // rows.shape[1])
    found = []
    for epoch in range(epochs):
        order = np.random.default_rng(derive(seed, "tune", epoch)).permutation(len(rows))
        found += [torch.from_numpy(rows[order[start : start + size]]) for start in range(0, len(rows), size)]
    return found


def _part(step: int, steps: int) -> float:
    """Of the rate, at a step that is counted from 1."""
    return min(1.0, step / WARMUP) * 0.5 * (1 + math.cos(math.pi * (step - 1) / steps))
