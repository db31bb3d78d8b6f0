"""The engine's arithmetic in NumPy, operation by operation: what its kernels must equal to the last bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def fused(a: Floats, b: Floats, c: Floats) -> Floats:
    """a * b + c, rounded once.

    The product of two fp32 numbers is exact in fp64. The sum is not: where it was rounded, it is moved to its odd
    neighbour, so that rounding it again to fp32 rounds as if once (Boldo and Melquiond 2008, rounding to odd).
    """
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    back = total - product
    lost = (product - (total - back)) + (addend - back)  # Knuth's exact error of the sum
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(lost > 0, np.inf, -np.inf)
    return np.where((lost != 0) & even, np.nextafter(total, towards), total).astype(np.float32)


def quantised(x: Floats) -> tuple[NDArray[np.int32], Floats]:
    """Activations (tokens, columns) -> int8 numbers, as int32, and the scale of each 32: (tokens, columns / 32)."""
    blocks = x.reshape(len(x), -1, 32)
    most = np.abs(blocks).max(-1)
    there = most > np.float32(1e-30)
    safe = np.where(there, most, np.float32(1))
    inverse = np.where(there, np.float32(127) / safe, np.float32(0))
    scale = np.where(there, safe / np.float32(127), np.float32(0))
    return np.rint(blocks * inverse[..., None]).astype(np.int32).reshape(x.shape), scale


def quantized_product(levels: NDArray[np.int32], scales: Floats, x: Floats) -> Floats:
    """levels: (rows, columns), zero points taken off; scales: (rows, groups); x: (tokens, columns) -> (tokens, rows)."""
    numbers, of_x = quantised(x)
    blocks = x.shape[1] // 32
    group = blocks // scales.shape[1]
    y = np.zeros((len(x), len(levels)), np.float32)
    for block in range(blocks):
        part = slice(block * 32, block * 32 + 32)
        exact = (numbers[:, part] @ levels[:, part].T).astype(np.float32)
        y = fused(exact, scales[None, :, block // group] * of_x[:, block, None], y)
    return y


def float_product(weights: Floats, x: Floats) -> Floats:
    """weights: (rows, columns); x: (tokens, columns) -> (tokens, rows), summed column by column."""
    y = np.zeros((len(x), len(weights)), np.float32)
    for column in range(x.shape[1]):
        y = fused(np.broadcast_to(weights[None, :, column], y.shape), x[:, column, None], y)
    return y


def total(x: Floats, square: bool = False) -> np.float32:
    """The sum of x (n,), or of its squares, in 16 interleaved partial sums."""
    rows = np.pad(x, (0, -len(x) % 16)).reshape(-1, 16)
    sums = np.zeros(16, np.float32)
    for row in rows:
        sums = fused(row, row, sums) if square else sums + row
    while len(sums) > 1:
        sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
    return np.float32(sums[0])


def rms_norm(x: Floats, weight: Floats, epsilon: float) -> Floats:
    """x, weight: (n,)."""
    mean = total(x, square=True) / np.float32(len(x)) + np.float32(epsilon)
    return x * (np.float32(1) / np.sqrt(mean)) * weight


def layer_norm(x: Floats, weight: Floats, bias: Floats, epsilon: float) -> Floats:
    """x, weight, bias: (n,)."""
    centred = x - total(x) / np.float32(len(x))
    variance = total(centred, square=True) / np.float32(len(x)) + np.float32(epsilon)
    return centred * (np.float32(1) / np.sqrt(variance)) * weight + bias


def exponential(x: Floats) -> Floats:
    """e^x: a power of two times Cephes' polynomial."""
    f = np.float32
    x = np.minimum(np.maximum(x, f(-87)), f(88))
    shifted = fused(x, f(1.44269504088896341), f(12582912))
    n = shifted - f(12582912)
    r = fused(n, f(-0.693359375), x)
    r = fused(n, f(2.12194440e-4), r)
    p = np.full_like(x, f(1.9875691500e-4))
    for coefficient in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = fused(p, r, f(coefficient))
    return (fused(p, r * r, r) + f(1)) * np.ldexp(f(1), n.astype(np.int32)).astype(np.float32)


def swiglu(gate: Floats, up: Floats) -> Floats:
    """gate * sigmoid(gate) * up."""
    return gate / (np.float32(1) + exponential(-gate)) * up


def gelu(x: Floats) -> Floats:
    """The tanh form."""
    f = np.float32
    u = x * f(-1.5957691216057308) * fused(x * x, f(0.044715), f(1))
    return x / (f(1) + exponential(u))


def attention(q: Floats, k: Floats, v: Floats, scale: float) -> Floats:
    """One head: q, k, v (time, head_size), keys and values rounded to fp16 as the cache holds them."""
    k, v = (one.astype(np.float16).astype(np.float32) for one in (k, v))
    scores = float_product(k, q * np.float32(scale))
    out = np.zeros_like(q)
    for at in range(len(q)):
        weights = exponential(scores[at, : at + 1] - scores[at, : at + 1].max())
        summed = np.zeros(q.shape[1], np.float32)
        for weight, value in zip(weights, v, strict=False):
            summed = fused(value, np.full_like(value, weight), summed)
        out[at] = summed * (np.float32(1) / total(weights))
    return out


def turned(x: Floats, turns: Floats) -> Floats:
    """Heads (time, heads, head_size) turned by their positions; turns: radians of each pair a position."""
    angles = (np.arange(len(x), dtype=np.float32)[:, None] * turns).astype(np.float64)
    cosine, sine = (f(angles).astype(np.float32)[:, None] for f in (np.cos, np.sin))
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def logits(
    ids: list[int],
    matrices: dict[str, tuple[NDArray[np.int32], Floats]],
    vectors: dict[str, Floats],
    turns: Floats,
    *,
    layers: int,
    heads: int,
    kv_heads: int,
    epsilon: float,
) -> Floats:
    """A whole model of phi-3's kind, (time, vocabulary). matrices: levels without zero points, scales, by our names."""

    def product(name: str, x: Floats) -> Floats:
        return quantized_product(*matrices[name], x)

    def normed(name: str, x: Floats) -> Floats:
        return np.stack([rms_norm(row, vectors[f"{name}.weight"], epsilon) for row in x])

    levels, scales = matrices["embed"]
    x = (levels[ids] * np.repeat(scales[ids], levels.shape[1] // scales.shape[1], axis=1)).astype(np.float32)
    size = levels.shape[1] // heads
    for layer in range(layers):
        part = f"blocks.{layer}."
        qkv = product(f"{part}attention.qkv", normed(f"{part}attention_norm", x)).reshape(len(ids), -1, size)
        q, k, v = np.split(qkv, (heads, heads + kv_heads), axis=1)
        q, k, group = turned(q, turns), turned(k, turns), heads // kv_heads
        each = [attention(q[:, h], k[:, h // group], v[:, h // group], size**-0.5) for h in range(heads)]
        x = x + product(f"{part}attention.out", np.concatenate(each, -1))
        gate, up = np.split(product(f"{part}mlp.gate_up", normed(f"{part}mlp_norm", x)), 2, axis=-1)
        inner = np.stack([swiglu(a, b) for a, b in zip(gate, up, strict=True)])
        x = x + product(f"{part}mlp.down", inner)
    return product("lm_head", normed("norm", x))
