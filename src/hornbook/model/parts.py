"""The parts a block is made of: norm, linear map, rotary positions, attention, gated feed-forward."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.model.cache import LayerCache
from hornbook.model.config import ModelConfig


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in fp32 (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., width) -> the same shape and dtype."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        return (wide * self.weight.float()).to(x.dtype)


class Linear(nn.Linear):
    """A linear map without bias whose weight follows the dtype of its input.

    Weights stay fp32 while training; activations decide the precision of the product. This replaces autocast.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., inputs) -> (..., outputs)."""
        return F.linear(x, self.weight.to(x.dtype))


def rotary_angles(positions: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles (Su et al. 2021, arXiv:2104.09864), in fp32.

    positions: (batch or 1, time) of integers -> two tensors (batch or 1, 1, time, head_size / 2).
    """
    exponents = torch.arange(0, config.head_size, 2, device=positions.device, dtype=torch.float32) / config.head_size
    frequencies = 1.0 / config.rope_theta**exponents
    angles = positions[:, None, :, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pairs (i, i + head_size / 2) of each head's vector by its position's angle: phi-3's half-split layout.

    x: (batch, heads, time, head_size) -> the same shape and dtype.
    """
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
    return turned.to(x.dtype)


class Attention(nn.Module):
    """Causal self-attention with fused q, k, v; fewer key/value heads than query heads are allowed."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv = Linear(config.width, (config.heads + 2 * config.key_heads) * config.head_size)
        self.out = Linear(config.heads * config.head_size, config.width)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        """x: (batch, time, width); mask: (batch or 1, 1, time, keys) of bool, True where seen, or None for causal."""
        batch, time, _ = x.shape
        c = self.config
        q, k, v = self.qkv(x).split([n * c.head_size for n in (c.heads, c.key_heads, c.key_heads)], dim=-1)
        q = rotate(q.view(batch, time, c.heads, c.head_size).transpose(1, 2), *angles)
        k = rotate(k.view(batch, time, c.key_heads, c.head_size).transpose(1, 2), *angles)
        v = v.view(batch, time, c.key_heads, c.head_size).transpose(1, 2)
        if cache is not None:
            k, v = cache.append(k, v)
        if c.key_heads != c.heads:
            k = k.repeat_interleave(c.heads // c.key_heads, dim=1)
            v = v.repeat_interleave(c.heads // c.key_heads, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.out(y.transpose(1, 2).reshape(batch, time, c.heads * c.head_size))


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate) * up) with gate and up fused, gate first (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = Linear(config.width, 2 * config.feedforward)
        self.down = Linear(config.feedforward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, width) -> the same shape."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """Attention, then feed-forward, each behind a norm and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_epsilon)
        self.attention = Attention(config)
        self.feedforward_norm = RMSNorm(config.width, config.norm_epsilon)
        self.feedforward = FeedForward(config)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, cache: LayerCache | None
    ) -> Tensor:
        """x: (batch, time, width) -> the same shape."""
        x = x + self.attention(self.attention_norm(x), angles, mask, cache)
        return x + self.feedforward(self.feedforward_norm(x))
