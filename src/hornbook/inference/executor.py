"""The seam between who decides what is read and who computes it: a step of a batch of sequences over a paged cache.

A scheduler owns the decisions: which sequences there are, which blocks of the cache each has, what each reads next.
An executor owns the numbers: the model, and the keys and values that the blocks hold. PyTorch is one
(`torch_executor`), the native engine another; this module imports neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Tokens of one sequence that one step reads: a part of a prompt, or the one that was decoded last.

    ids: what is read, one token at least. start: the position of the first; all before it was read in earlier steps,
    by this sequence or by one that shares its blocks. blocks: the cache's blocks that hold the sequence, in order, with
    room for start + len(ids) tokens; no block that two sequences share is written. long: whether the sequence is read
    under LongRoPE's long factors, from its first token on. wanted: after which of the tokens logits are asked for.
    """

    ids: Sequence[int]
    start: int
    blocks: Sequence[int]
    long: bool = False
    wanted: Literal["none", "last", "every"] = "last"


class Executor(Protocol):
    """A model and its cache. Attributes are what a scheduler must know of them.

    vocabulary: size of the logits. context: the longest sequence. switch: the longest sequence under LongRoPE's short
    factors, None for models that have one regime; a longer one is read again from its first token, as `long`.
    block: tokens in a block of the cache. blocks: how many blocks there are, numbered from 0. exact: whether logits are
    the same to the last bit whatever else is in the step and however a sequence is cut into parts.
    """

    vocabulary: int
    context: int
    switch: int | None
    block: int
    blocks: int
    exact: bool

    def step(self, parts: Sequence[Part]) -> list[Logits]:
        """Read every part into the cache; parts are of different sequences.

        Returns for each part its logits in fp32: (0, vocabulary) where none are wanted, (1, vocabulary) after the last
        token, or (len(ids), vocabulary). They do not depend on which other parts there are, on how a sequence is cut
        into parts, or on which numbers the blocks have: to the last bit, where the executor is `exact`. What a sequence
        read last may be read again from any token on, with others in its place.
        """
        ...

    def cost(self, tokens: int) -> float:
        """About how long a step of so many tokens takes, in any unit: what the scheduler weighs guesses with.

        A further token never takes less than the one before it.
        """
        ...
