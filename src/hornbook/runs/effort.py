"""How much work a stage is, and how long a machine would take for it.

Stages count their work in terms that no machine changes; `--dry-run` turns it into seconds of this one, `plan` into
hours of rented ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# The processor whose seconds stages count in: one core at 2.4 GHz that multiplies matrices at this rate, with the
# rates of the pocket recipe's stages (docs/pipeline.md tells how they were taken).
REFERENCE_FLOPS = 110e9
TRAINING_EFFICIENCY = 0.6  # share of the matrix rate that training reaches
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


@dataclass(frozen=True)
class Effort:
    """size: in words. core_seconds: of the reference processor. compiles: whether a model is compiled first."""

    size: str = ""
    core_seconds: float = 0.0
    computations: tuple[Computation, ...] = ()
    compiles: bool = False

    def seconds(self, matrix_rate: float) -> float:
        """Seconds on a machine that multiplies matrices at this rate, in operations a second."""
        computing = sum(one.flops for one in self.computations) / (matrix_rate * TRAINING_EFFICIENCY)
        compiling = COMPILING_SECONDS if self.compiles else 0.0
        return self.core_seconds * REFERENCE_FLOPS / matrix_rate + computing + compiling


def matrix_rate() -> float:
    """Operations a second of a matrix product of the size that small models have, measured briefly on this machine."""
    import torch

    from hornbook.machine import choose

    machine = choose()
    a = torch.ones(4096, 128, dtype=machine.compute, device=machine.device)
    b = torch.ones(128, 512, dtype=machine.compute, device=machine.device)
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - began)
    return 2 * 4096 * 128 * 512 / best
