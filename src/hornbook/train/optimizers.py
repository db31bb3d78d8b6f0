"""Which optimiser moves which weight, and how fast at each step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from hornbook.model import lora
from hornbook.model.transformer import Transformer
from hornbook.train import mup
from hornbook.train.muon import Muon
from hornbook.train.settings import TrainSettings


def build(model: Transformer, settings: TrainSettings, compute: torch.dtype) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices and AdamW for embeddings and norms, or AdamW for all, and always for adapters.

    Weight decay touches the blocks' matrices only; embeddings and norms keep their size. What needs no gradient stays.
    In a model that is wider than the rates are meant for, AdamW moves matrices slower; see `mup`.
    """
    wider = settings.times_wider(model.config)
    hidden = [(name, p) for name, p in model.blocks.named_parameters() if p.ndim == 2 and p.requires_grad]
    chosen = {id(p) for _, p in hidden}
    scales = mup.output_scale(model) if wider != 1 else []
    chosen |= {id(p) for p in scales}
    others = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
    adamw: list[dict[str, object]] = [{"params": others, "decays": False}]
    if scales:
        adamw.append({"params": scales, "decays": False, "wider": wider})
    optimizers: list[torch.optim.Optimizer] = []
    if settings.optimizer == "muon" and not any(lora.layers(model)):
        optimizers.append(
            Muon(
                [p for _, p in hidden],
                [_fused_heights(model, name, p.shape[0]) for name, p in hidden],
                lr=settings.muon_learning_rate,
                momentum=settings.muon_momentum,
                dtype=compute,
            )
        )
    else:
        adamw.append({"params": [p for _, p in hidden], "decays": True, "wider": wider})
    rate, epsilon = settings.learning_rate, settings.epsilon
    # Fused: over its memory once, not six times.
    optimizers.append(torch.optim.AdamW(adamw, lr=rate, betas=settings.betas, eps=epsilon, fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group.setdefault("decays", True)
    adopt(optimizers, settings)
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


@dataclass(frozen=True)
class Leg:
    """Steps under one schedule: from `first` on, so many, with these rates and weight decay.

    until: it is left before the schedule ends, for one that goes on with it. fresh: the optimisers begin without what
    they remember of the steps before.
    """

    first: int
    steps: int
    settings: TrainSettings
    fresh: bool = False
    until: int | None = None

    def has(self, step: int) -> bool:
        """Whether `step` of the whole training is one of them."""
        return self.first <= step < (self.first + self.steps if self.until is None else self.until)

    def multiplier(self, step: int) -> float:
        """What the peak rates are multiplied by at `step` of the whole training."""
        return scheduled(self.settings, step - self.first, self.steps)


def scheduled(settings: TrainSettings, step: int, steps: int) -> float:
    """Multiplier of the peak rate at `step` of `steps`, as the settings' schedule has it.

    cosine: (1 + cos(pi t)) / 2 of the share t of the steps after the warm-up (Loshchilov and Hutter 2017).
    """
    if settings.schedule == "cosine":
        rise = max(1, round(steps * settings.warmup))
        after = max(0, step + 1 - rise) / (steps - rise + 1)
        rate = min((step + 1) / rise, (1 + math.cos(math.pi * after)) / 2)
    else:
        decay = {"linear": 1 - settings.warmup, "constant": 0.0}.get(settings.schedule, settings.decay)
        rate = warmup_stable_decay(step, steps, settings.warmup, decay)
    rising = step + 1 < round(steps * settings.warmup)
    return rate if rising else settings.final_rate + (1 - settings.final_rate) * rate


def adopt(optimizers: list[torch.optim.Optimizer], settings: TrainSettings) -> None:
    """Give every group the peak rate and the weight decay that the settings have for it."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            wider = group.get("wider", 1.0)
            rate = settings.muon_learning_rate if isinstance(optimizer, Muon) else settings.learning_rate
            group["peak"] = rate / wider
            group["weight_decay"] = settings.weight_decay * wider if group["decays"] else 0.0


def set_learning_rate(optimizers: list[torch.optim.Optimizer], multiplier: float) -> None:
    """Give every group its peak rate times `multiplier`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * multiplier


def learning_rates(optimizers: list[torch.optim.Optimizer]) -> dict[str, float]:
    """The rates of the step, by the settings' names for their peaks."""
    names = {True: "muon_learning_rate", False: "learning_rate"}
    return {names[isinstance(one, Muon)]: float(one.param_groups[0]["lr"]) for one in reversed(optimizers)}
