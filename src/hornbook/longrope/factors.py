"""Published ways to rescale rotary positions, each as one factor for every rotary pair.

A model that was trained on `original` tokens is to read `original * scale`. Pair i of `size` rotary dimensions turns by
position / (factor_i * theta^(2i / size)); a factor of 1 keeps the angle, a factor of `scale` squeezes the longer
context into the range of angles that training has shown. LongRoPE searches for better ones, beginning with these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hornbook.model.config import LongRope, ModelConfig


@dataclass(frozen=True)
class Factors:
    """A factor for each rotary pair, the attention factor, and how many first positions stay unscaled.

    attention_factor: multiplies cosine and sine, and so changes the softmax's temperature (YaRN's attention scaling).
    """

    values: tuple[float, ...]
    attention_factor: float = 1.0
    start_tokens: int = 0


def unchanged(size: int) -> Factors:
    """No extension at all: the model reads on with the angles that it was trained with."""
    return Factors((1.0,) * (size // 2))


def interpolation(size: int, scale: float) -> Factors:
    """Position interpolation: every pair alike (Chen et al. 2023, arXiv:2306.15595)."""
    return Factors((scale,) * (size // 2))


def ntk(size: int, scale: float) -> Factors:
    """NTK-aware interpolation: theta grows to theta * scale^(size / (size - 2)) (arXiv:2309.00071, section 3.1).

    theta'^(2i / size) / theta^(2i / size) = scale^(2i / (size - 2)): 1 for the fastest pair, `scale` for the slowest.
    """
    return Factors(tuple(scale ** (2 * pair / (size - 2)) for pair in range(size // 2)) if size > 2 else (scale,))


def yarn(
    size: int, scale: float, *, original: int, theta: float, alpha: float = 1.0, beta: float = 32.0, turns: bool = False
) -> Factors:
    """YaRN's "NTK by parts" with its attention temperature (Peng et al. 2023, arXiv:2309.00071, sections 3.2 and 3.4).

    A pair that turns more than `beta` times within the original context keeps its angles, one that turns fewer than
    `alpha` times is interpolated by `scale`, and between them the frequencies are mixed linearly. Cosine and sine are
    multiplied by 0.1 ln(scale) + 1.

    The ramp is linear in the pair's index, between the two where the turns are beta and alpha, rounded outwards: the
    authors' code, and that of transformers. The paper's formula, linear in the number of `turns`, interpolates more.
    """
    if turns:
        kept = [_ramp(original / (2 * math.pi * theta ** (2 * pair / size)), alpha, beta) for pair in range(size // 2)]
    else:
        first, last = (_pair_of(turning, size, original, theta) for turning in (beta, alpha))
        low, high = max(math.floor(first), 0), min(math.ceil(last), size - 1)
        kept = [1 - _ramp(pair, low, high) for pair in range(size // 2)]
    values = tuple(1 / ((1 - share) / scale + share) for share in kept)
    return Factors(values, 0.1 * math.log(scale) + 1 if scale > 1 else 1.0)


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, linear between."""
    return min(1.0, max(0.0, (value - low) / max(high - low, 0.001)))


def _pair_of(turns: float, size: int, original: int, theta: float) -> float:
    """The (fractional) pair that turns so many times within the original context."""
    return size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))


def published(config: ModelConfig, context: int) -> dict[str, Factors]:
    """Every published method's factors for taking a model from its own context to `context` tokens, by name.

    `config.context` is the original context, or `config.longrope.original` where the model was extended before.
    """
    original = config.longrope.original if config.longrope is not None else config.context
    size, scale = config.rotary_size, context / original
    return {
        "none": unchanged(size),
        "pi": interpolation(size, scale),
        "ntk": ntk(size, scale),
        "yarn": yarn(size, scale, original=original, theta=config.rope_theta),
    }


def extended(config: ModelConfig, context: int, long: Factors, short: Factors | None = None) -> ModelConfig:
    """The configuration with a context of `context` tokens that uses `long` beyond its original context.

    Up to the original context the factors are `short`'s, or 1, as they were trained.
    """
    original = config.longrope.original if config.longrope is not None else config.context
    short = short or unchanged(config.rotary_size)
    rope = LongRope(
        original=original,
        short=short.values,
        long=long.values,
        short_scale=short.attention_factor,
        long_scale=long.attention_factor,
        start_tokens=long.start_tokens,
    )
    return config.model_copy(update={"longrope": rope, "context": context})
