"""Which optimiser moves which weight, and how fast at each step."""

from __future__ import annotations

import torch

from hornbook.model import lora
from hornbook.model.transformer import Transformer
from hornbook.train.muon import Muon
from hornbook.train.settings import TrainSettings


def build(model: Transformer, settings: TrainSettings, compute: torch.dtype) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices and AdamW for embeddings and norms, or AdamW for all, and always for adapters.

    Weight decay touches the blocks' matrices only; embeddings and norms keep their size. What needs no gradient stays.
    """
    hidden = [(name, p) for name, p in model.blocks.named_parameters() if p.ndim == 2 and p.requires_grad]
    chosen = {id(p) for _, p in hidden}
    others = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
    adamw: list[dict[str, object]] = [{"params": others, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = []
    if settings.optimizer == "muon" and not any(lora.layers(model)):
        optimizers.append(
            Muon(
                [p for _, p in hidden],
                [_fused_heights(model, name, p.shape[0]) for name, p in hidden],
                lr=settings.muon_learning_rate,
                weight_decay=settings.weight_decay,
                dtype=compute,
            )
        )
    else:
        adamw.append({"params": [p for _, p in hidden], "weight_decay": settings.weight_decay})
    optimizers.append(torch.optim.AdamW(adamw, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _fused_heights(model: Transformer, name: str, rows: int) -> list[int]:
    """Heights of the matrices that a fused one holds."""
    c = model.config
    if name.endswith("attention.qkv.weight"):
        return [c.heads * c.head_size, c.key_value_heads * c.head_size, c.key_value_heads * c.head_size]
    if name.endswith("mlp.gate_up.weight"):
        return [c.mlp_width, c.mlp_width]
    return [rows]


def warmup_stable_decay(step: int, steps: int, warmup: float, decay: float) -> float:
    """Multiplier of the peak rate at `step` of `steps`: linear rise, plateau, linear fall (warm-up, stable, decay).

    Never 0 on the first step and never below 0.
    """
    rise = max(1, round(steps * warmup))
    fall = max(1, round(steps * decay)) if decay else 0
    up = (step + 1) / rise
    down = (steps - step) / (fall + 1) if fall else 1.0
    return max(0.0, min(1.0, up, down))


def set_learning_rate(optimizers: list[torch.optim.Optimizer], multiplier: float) -> None:
    """Give every group its peak rate times `multiplier`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * multiplier
