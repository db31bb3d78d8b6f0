"""Rotary positions: each pair of a head's dimensions turns by an angle that grows with the token's position."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.model.config import LongRope, ModelConfig

Angles = tuple[Tensor, Tensor]  # cosine and sine, (batch or 1, 1, time, rotary_size / 2) each, fp32


def switches(longrope: LongRope | None, context: int) -> bool:
    """Whether a sequence's angles change once it is longer than the original context."""
    if longrope is None:
        return False
    short, long = longrope.scales(context)
    return longrope.short != longrope.long or short != long


def rotary_angles(positions: Tensor, config: ModelConfig, long: Tensor | None = None) -> Angles:
    """Cosine and sine of every position's angles, in fp32.

    Plain: angle = position / theta^(2i / rotary_size) for pair i (Su et al. 2021, arXiv:2104.09864). With LongRoPE it
    is divided by a factor for each pair, and cosine and sine are scaled (arXiv:2402.13753).

    positions: (batch or 1, time) of integers. long: (batch or 1, time) of bool, True where a token's sequence is
    beyond the original context; None means nowhere. -> two tensors (batch or 1, 1, time, rotary_size / 2).
    """
    size, device = config.rotary_size, positions.device
    exponents = torch.arange(0, size, 2, device=device, dtype=torch.float32) / size
    at = positions[:, None, :, None].float()
    plain = config.rope_theta**exponents
    rope = config.longrope
    if rope is None:
        angles = at * (1.0 / plain)
        return angles.cos(), angles.sin()
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
    wide = x.float()
    first, second = wide[..., :half], wide[..., half : 2 * half]
    parts = [first * cosine - second * sine, second * cosine + first * sine]
    if 2 * half < x.shape[-1]:
        parts.append(wide[..., 2 * half :])
    return torch.cat(parts, dim=-1).to(x.dtype)
