"""Rotary positions: each pair of a head's dimensions turns by an angle that grows with the token's position."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hornbook.model.config import ModelConfig

Angles = tuple[Tensor, Tensor]  # cosine and sine, (batch or 1, 1, time, rotary_size / 2) each, fp32


def frequencies(config: ModelConfig, device: torch.device | None = None) -> Tensor:
    """Radians that each pair of a head's dimensions turns by from one position to the next: (rotary_size / 2,) fp32.

    Pair i turns by f = 1 / theta^(2i / rotary_size) (Su et al. 2021, arXiv:2104.09864). `rope_scaling` slows it down:

    - linear: f / factor (position interpolation, Chen et al. 2023, arXiv:2306.15595).
    - llama3: let t = original * f / 2π, a pair's full turns in the original context. f stays where t is above
      high_freq_factor and is f / factor where t is below low_freq_factor; between them it is
      (1 - s) f / factor + s f with s = (t - low_freq_factor) / (high_freq_factor - low_freq_factor)
      (`apply_scaling` of Meta's llama-models, models/llama3/model.py).
    """
    size, scaling = config.rotary_size, config.rope_scaling
    exponents = torch.arange(0, size, 2, device=device, dtype=torch.float32) / size
    plain = 1.0 / config.rope_theta**exponents
    if scaling is None:
        return plain
    slow = plain / scaling.factor
    if scaling.kind == "linear":
        return slow
    turns = scaling.original / (2 * math.pi / plain)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    share = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return torch.where(share == 1, plain, (1 - share) * slow + share * plain)


def rotary_angles(positions: Tensor, config: ModelConfig, long: Tensor | None = None) -> Angles:
    """Cosine and sine of every position's angles, in fp32.

    An angle is the position times the pair's frequency. With LongRoPE it is divided by a factor for each pair, and
    cosine and sine are scaled (arXiv:2402.13753).

    positions: (batch or 1, time) of integers. long: (batch or 1, time) of bool, True where a token's sequence is
    beyond the original context; None means nowhere. -> two tensors (batch or 1, 1, time, rotary_size / 2).
    """
    device, rope = positions.device, config.longrope
    at = positions[:, None, :, None].float()
    if rope is None:
        angles = at * frequencies(config, device)
        return angles.cos(), angles.sin()
    size = config.rotary_size
    plain = config.rope_theta ** (torch.arange(0, size, 2, device=device, dtype=torch.float32) / size)
    short, extended = (torch.tensor(f, device=device, dtype=torch.float32) for f in (rope.short, rope.long))
    short_scale, long_scale = rope.scales(config.context)
    if long is None:
        long = torch.zeros(1, 1, dtype=torch.bool, device=device)
    regime = long[:, None, :, None]
    angles = torch.where(regime, at * (1.0 / (extended * plain)), at * (1.0 / (short * plain)))
    if rope.start_tokens:
        angles = torch.where(at < rope.start_tokens, at * (1.0 / plain), angles)
    scale = torch.where(regime, long_scale, short_scale)
    return angles.cos() * scale, angles.sin() * scale


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pairs (i, i + rotary_size / 2) of each head's vector by its position's angle: the half-split layout.

    Dimensions from rotary_size on stay as they are. x: (batch, heads, time, head_size) -> the same shape and dtype.
    """
    half = cosine.shape[-1]
    y = wide(x)
    first, second = y[..., :half], y[..., half : 2 * half]
    parts = [first * cosine - second * sine, second * cosine + first * sine]
    if 2 * half < x.shape[-1]:
        parts.append(y[..., 2 * half :])
    return torch.cat(parts, dim=-1).to(x.dtype)


def wide(x: Tensor) -> Tensor:
    """x in fp32 at least: fp64 stays what it is."""
    return x if x.dtype == torch.float64 else x.float()
