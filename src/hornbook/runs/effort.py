"""How much work a stage is, and how long a machine would take for it.

Stages count their work in terms that no machine changes; `--dry-run` turns it into seconds of this one, `plan` into
hours of rented ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# The processor whose seconds stages count in: one core at 2.4 GHz that multiplies matrices at this rate, with the
# rates of the pocket recipe's stages (docs/pipeline.md tells how they were taken).
REFERENCE_FLOPS = 110e9
TRAINING_EFFICIENCY = 0.6  # share of the matrix rate that training reaches
GENERATING_EFFICIENCY = 0.3  # and that writing in batches reaches, by a model of 135M parameters (docs/pipeline.md)
COMPILING_SECONDS = 25.0  # compiling the first block


@dataclass(frozen=True)
class Computation:
    """Operations of a model: what for, the tokens it reads, and how many operations that is."""

    what: str
    tokens: float
    flops: float


@dataclass(frozen=True)
class Volume:
    """What a recipe's documents amount to before anything is read. Characters; tokens with epochs counted.

    raw, written: of the sources as they are, and of what the teacher writes, as far as that is known.
    encoded: tokens of all documents that any phase reads. phases: tokens that each phase reads.
    conversations, preferences: how many of them there are. context: the model's, in tokens.
    flops_per_token: operations of one token's forward pass in a sequence of so many tokens.
    """

    raw: float = 0.0
    written: float = 0.0
    encoded: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    conversations: int = 0
    preferences: int = 0
    context: int = 1
    flops_per_token: Callable[[int], float] = lambda length: 0.0

    def training(self, what: str, tokens: float, passes: float = 1.0) -> Computation:
        """Training the model on so many tokens.

        Three forward passes a token: the backward pass costs two (PaLM, arXiv:2204.02311, appendix B).
        """
        return Computation(what, tokens, 3 * passes * tokens * self.flops_per_token(self.context))

    def generating(self, tokens: float, length: int) -> float:
        """Seconds of the reference processor in which the model goes through so many tokens, in batches of sequences of
        this length: those that it reads and those that it writes.
        """
        return tokens * self.flops_per_token(length) / (REFERENCE_FLOPS * GENERATING_EFFICIENCY)


@dataclass(frozen=True)
class Effort:
    """size: in words. core_seconds: of the reference processor. compiles: whether a model is compiled first."""

    size: str = ""
    core_seconds: float = 0.0
    computations: tuple[Computation, ...] = ()
    compiles: bool = False

    def seconds(self, training_rate: float, fp32_rate: float) -> float:
        """Seconds on a machine that multiplies matrices at these rates, in operations a second: as it trains, in bf16
        where the processor has that, and in fp32, as all else does that computes.
        """
        computing = sum(one.flops for one in self.computations) / (training_rate * TRAINING_EFFICIENCY)
        compiling = COMPILING_SECONDS if self.compiles else 0.0
        return self.core_seconds * REFERENCE_FLOPS / fp32_rate + computing + compiling


# How far estimates have been from what runs took on machines that were free (docs/pipeline.md): taken for the range.
BEST, WORST = 0.7, 1.7


@dataclass(frozen=True)
class Rate:
    """Operations a second of matrix products of the size that small models have: on average, with whatever else is at
    work, and when nothing is.
    """

    average: float
    fast: float


@dataclass(frozen=True)
class Rates:
    """What a machine does in the arithmetic that it trains in, and in fp32."""

    training: Rate
    fp32: Rate

    def seconds(self, effort: Effort) -> tuple[float, float]:
        """The least and the most that a piece of work may take."""
        least = effort.seconds(self.training.fast, self.fp32.fast)
        return BEST * least, WORST * effort.seconds(self.training.average, self.fp32.average)


def measure_rates(seconds: float = 1.0) -> Rates:
    """What this machine does, measured for a moment in each arithmetic."""
    import torch

    from hornbook.machine import choose

    machine = choose()
    fp32 = _measure(torch.float32, machine.device, seconds)
    return Rates(fp32 if machine.compute == torch.float32 else _measure(machine.compute, machine.device, seconds), fp32)


def _measure(dtype: torch.dtype, device: str, seconds: float) -> Rate:
    """The rate of products in `dtype`; a tenth of them was at least as fast as `fast`."""
    import torch

    a = torch.ones(4096, 128, dtype=dtype, device=device)
    b = torch.ones(128, 512, dtype=dtype, device=device)
    (a @ b).sum().item()  # the first one sets up threads
    took: list[float] = []
    until = time.perf_counter() + seconds
    while len(took) < 10 or time.perf_counter() < until:
        began = time.perf_counter()
        (a @ b).sum().item()
        took.append(time.perf_counter() - began)
    took.sort()
    operations = 2 * 4096 * 128 * 512
    return Rate(operations * len(took) / sum(took), operations / took[len(took) // 10])


def in_range(least: float, most: float) -> str:
    """Two times as people say them: `20 to 50 s`, `2 to 6 min`, `50 s to 2 min`."""
    (low, unit), (high, other) = _rounded(least), _rounded(most)
    if unit == other:
        return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
    return f"{low} {unit} to {high} {other}"


def _rounded(seconds: float) -> tuple[str, str]:
    for unit, size, until in (("s", 1, 90), ("min", 60, 5_400), ("h", 3_600, 172_800), ("days", 86_400, float("inf"))):
        if seconds < until:
            amount = seconds / size
            step = 5 if unit == "s" and amount >= 10 else 1
            return f"{max(1, step * round(amount / step)):,}", unit
    raise AssertionError("no number is beyond infinity")
