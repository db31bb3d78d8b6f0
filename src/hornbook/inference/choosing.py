"""Choosing the next token of one sequence from its logits: penalties, temperature, top-k, top-p, min-p, a grammar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hornbook.inference.sampling import Sampling

_HEAD = 1024  # so many of the likeliest tokens are sorted first where top-p asks for an order


class Grammar(Protocol):
    """What a text must look like, token by token."""

    def restrict(self, logits: NDArray[np.float32], left: int) -> None:
        """Set the logits (vocabulary,) of tokens that may not come next to minus infinity.

        left: tokens that there is room for; where they get few, a grammar may let come only what leads to an end.
        """
        ...

    def accept(self, token: int) -> None:
        """A token was chosen."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing may follow."""
        ...


class Chooser:
    """The choices of one sequence: they follow from its own logits and its own seed, whoever else is served."""

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        grammar: Grammar | None = None,
        first: Collection[int] = (),
    ) -> None:
        """first: the ids that may come first; any where there are none."""
        self._sampling, self._grammar = sampling, grammar
        self._first: Collection[int] = first
        self._chance = np.random.Generator(np.random.Philox(sampling.seed))
        self._seen = set(prompt) if sampling.repetition_penalty != 1 else None
        self._made: Counter[int] = Counter()

    @property
    def finished(self) -> bool:
        """Whether the grammar lets nothing follow."""
        return self._grammar is not None and self._grammar.finished

    def choose(self, logits: NDArray[np.float32], left: int = 1 << 30) -> int:
        """logits: (vocabulary,) of fp32, not changed -> the id of the next token. left: see `Grammar.restrict`."""
        logits = self._penalised(logits)
        if self._first:
            only = np.full_like(logits, -np.inf)
            ids = list(self._first)
            only[ids] = logits[ids]
            logits, self._first = only, ()
        if self._grammar is not None:
            logits = logits.copy()
            self._grammar.restrict(logits, left)
        token = int(logits.argmax()) if self._sampling.temperature == 0 else self._drawn(logits)
        if self._grammar is not None:
            self._grammar.accept(token)
        if self._seen is not None:
            self._seen.add(token)
        self._made[token] += 1
        return token

    def _penalised(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Repetition counts what was ever there and scales (Keskar et al. 2019, arXiv:1909.05858); presence and
        frequency count what was generated and subtract, as OpenAI's interface has it."""
        s = self._sampling
        if s.repetition_penalty == s.presence_penalty + 1 == s.frequency_penalty + 1 == 1:
            return logits
        logits = logits.copy()
        if self._seen is not None:
            ids = np.fromiter(self._seen, np.int64)
            there = logits[ids]
            logits[ids] = np.where(there > 0, there / s.repetition_penalty, there * s.repetition_penalty)
        if self._made:
            ids, counts = (np.fromiter(values, np.int64) for values in (self._made.keys(), self._made.values()))
            logits[ids] -= np.float32(s.presence_penalty) + np.float32(s.frequency_penalty) * counts
        return logits

    def _drawn(self, logits: NDArray[np.float32]) -> int:
        """One token, in the order of transformers: temperature, top-k, top-p, min-p; then by one uniform number."""
        s, uniform = self._sampling, self._chance.random()
        ids = np.arange(len(logits))
        scores = logits.astype(np.float64) / s.temperature
        if 0 < s.top_k < len(scores):
            least = np.partition(scores, -s.top_k)[-s.top_k]
            ids = np.flatnonzero(scores >= least)
            scores = scores[ids]
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        if s.top_p < 1:
            kept = np.sort(_nucleus(shares, s.top_p))
            ids, shares = ids[kept], shares[kept]
        if s.min_p > 0:
            likely = shares >= s.min_p * shares.max()
            ids, shares = ids[likely], shares[likely]
        total = shares.cumsum()
        return int(ids[min(int(np.searchsorted(total, uniform * total[-1], side="right")), len(ids) - 1)])


def _nucleus(shares: NDArray[np.float64], top_p: float) -> NDArray[np.int64]:
    """Where the fewest likeliest tokens stand that have `top_p` together (Holtzman et al. 2019, arXiv:1904.09751)."""
    for count in (min(_HEAD, len(shares)), len(shares)):
        head = np.argpartition(-shares, count - 1)[:count] if count < len(shares) else np.arange(len(shares))
        order = head[np.lexsort((head, -shares[head]))]
        before = shares[order].cumsum() - shares[order]
        if before[-1] + shares[order[-1]] >= top_p:
            break
    return order[before < top_p]


def log_shares(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithms of the probabilities that the model itself gives: (..., vocabulary) -> the same shape."""
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return (wide - np.log(np.exp(wide).sum(-1, keepdims=True))).astype(np.float32)
