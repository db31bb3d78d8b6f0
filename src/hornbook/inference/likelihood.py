"""How likely a model finds given continuations: exact, each token read once, whatever stands beside it.

Sequences that are scored together (the answers to one question) form a tree, so what they share is read once. What many
of them begin with (a description, the examples before every question) is a trunk, read once for all. Trees of many
questions fill a step up to a number of tokens; nothing is padded but the last few rows. A score depends on the question
alone: not on what is beside it, nor on how many are asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.model.paged import padded
from hornbook.model.transformer import Transformer
from hornbook.model.tree import Tree, TreeLayer, TreeStep, Trunk

TOKENS = 1024  # of a step: enough for the products, and few enough for the processor's cache
_CHUNK = 512  # tokens of a trunk that are read at once, and of a tree
_SLICE = 256  # rows of logits that are there at once
_TRUNKS = 4  # that are kept: questions come in the order of their examples


@dataclass(frozen=True)
class Scored:
    """Ids, the ones from `begin` on of which are scored. Those before it are the context, one at least."""

    ids: Sequence[int]
    begin: int


@dataclass(frozen=True)
class Together:
    """Sequences that are scored together; the first `shared` ids are the same in all, and in other questions.

    Under LongRoPE all are read in the regime of the longest.
    """

    sequences: Sequence[Scored]
    shared: int = 0


@dataclass(frozen=True)
class Likelihood:
    """The logarithm of the probability of a continuation; greedy: whether each token is the likeliest."""

    logprob: float
    greedy: bool


@dataclass(frozen=True)
class _Planned:
    """A tree, and for each sequence the places in it that tell its scored ids."""

    tree: Tree
    told: tuple[tuple[list[int], list[int]], ...]


class Reader:
    """Scores continuations with a model. Trunks are kept from call to call."""

    def __init__(self, model: Transformer, *, tokens: int = TOKENS) -> None:
        """tokens: how many a step reads, as far as single questions are not longer."""
        self._model, self._tokens = model, tokens
        self._device = model.norm.weight.device
        self._switch = model.config.switch
        self._trunks: OrderedDict[tuple[bool, tuple[int, ...]], Trunk] = OrderedDict()

    @torch.inference_mode()
    def score(self, questions: Iterable[Together]) -> Iterator[list[Likelihood]]:
        """For each question, in order, how likely its sequences are. All must fit into the model's context."""
        waiting: list[_Planned] = []
        for question in questions:
            planned = self._plan(question)
            if waiting and sum(len(one.tree.ids) for one in (*waiting, planned)) > self._tokens:
                yield from self._step(waiting)
                waiting = []
            waiting.append(planned)
        if waiting:
            yield from self._step(waiting)

    def _plan(self, question: Together) -> _Planned:
        longest = max(len(one.ids) for one in question.sequences)
        if longest > self._model.config.context + 1:
            raise ValueError(f"a sequence has {longest} tokens, the model's context is {self._model.config.context}")
        long = self._switch is not None and longest - 1 > self._switch
        # The last token of the context stays with the tree: it tells the first that is scored.
        shared = max(min(question.shared, *(one.begin - 1 for one in question.sequences)), 0)
        first = question.sequences[0].ids
        trunk = self._trunk(tuple(first[:shared]), long)
        alike = min(min(common(first, one.ids), one.begin - 1) for one in question.sequences)
        if alike - shared > _CHUNK:  # a tree's mask grows with its square
            trunk, shared = self._longer(trunk, first[shared:alike], long), alike
        ids: list[int] = []
        parents: list[int] = []
        children: dict[tuple[int, int], int] = {}
        told: list[tuple[list[int], list[int]]] = []
        for one in question.sequences:
            at, path = -1, []
            for token in one.ids[shared:-1]:
                place = children.setdefault((at, token), len(ids))
                if place == len(ids):
                    ids.append(token)
                    parents.append(at)
                at = place
                path.append(at)
            told.append((path[one.begin - 1 - shared :], list(one.ids[one.begin :])))
        return _Planned(Tree(ids, parents, trunk, long), tuple(told))

    def _trunk(self, ids: tuple[int, ...], long: bool) -> Trunk:
        """What trees of several questions stand on, read if it is not there yet."""
        if (long, ids) not in self._trunks:
            self._trunks[long, ids] = self._longer(Trunk(), ids, long)
            while len(self._trunks) > _TRUNKS:
                self._trunks.popitem(last=False)
        self._trunks.move_to_end((long, ids))
        return self._trunks[long, ids]

    def _longer(self, trunk: Trunk, ids: Sequence[int], long: bool) -> Trunk:
        """A trunk and what follows it, in parts that depend on nothing else."""
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            _, layers = self._read([Tree(part, range(-1, len(part) - 1), trunk, long)])
            kept = [(k[:, : len(part)], v[:, : len(part)]) for k, v in (one.kept for one in layers if one.kept)]
            if trunk.length:
                before = zip(trunk.keys, trunk.values, kept, strict=True)
                kept = [(torch.cat([k, more], 1), torch.cat([v, also], 1)) for k, v, (more, also) in before]
            length = trunk.length + len(part)
            trunk = Trunk(length, [k.contiguous() for k, _ in kept], [v.contiguous() for _, v in kept])
        return trunk

    def _step(self, planned: Sequence[_Planned]) -> Iterator[list[Likelihood]]:
        hidden, _ = self._read([one.tree for one in planned])
        places: list[int] = []
        wanted: list[int] = []
        first = 0
        for one in planned:
            for path, ids in one.told:
                places += [first + place for place in path]
                wanted += ids
            first += len(one.tree.ids)
        logprobs, greedy = self._probabilities(hidden, np.asarray(places), np.asarray(wanted))
        at = 0
        for one in planned:
            found = []
            for _, ids in one.told:
                part = slice(at, at + len(ids))
                found.append(Likelihood(float(logprobs[part].sum()), bool(greedy[part].all())))
                at = part.stop
            yield found

    def _read(self, trees: Sequence[Tree]) -> tuple[Tensor, list[TreeLayer]]:
        """The normed vectors (rows, width) of the trees' tokens, and the layers that they went through."""
        config = self._model.config
        step = TreeStep(config, trees, self._device, self._model.compute)
        count = sum(len(tree.ids) for tree in trees)
        rows = padded(count)
        ids, positions, long = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
        ids[:count] = np.concatenate([np.asarray(tree.ids, np.int64) for tree in trees])
        positions[:count] = np.concatenate(step.positions)
        long[:count] = np.repeat([tree.long for tree in trees], [len(tree.ids) for tree in trees])
        layers = [TreeLayer(config, layer, step) for layer in range(config.layers)]
        regimes = self._tensor(long)[None] if self._switch is not None else None
        hidden = self._model.paged(self._tensor(ids)[None], self._tensor(positions)[None], regimes, layers)[0]
        return hidden, layers

    def _probabilities(self, hidden: Tensor, places: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each of `places`, a row of hidden, how likely the id `wanted` is behind it, and whether the likeliest."""
        rows, pair = np.unique(places, return_inverse=True)
        logprobs, greedy = np.empty(len(wanted), np.float64), np.empty(len(wanted), np.bool_)
        for start in range(0, len(rows), _SLICE):
            part = rows[start : start + _SLICE]
            chosen = F.pad(hidden[self._tensor(part)], (0, 0, 0, padded(len(part)) - len(part)))
            logits = self._model.logits(chosen)
            inside = np.flatnonzero((pair >= start) & (pair < start + len(part)))
            row, token = self._tensor(pair[inside] - start), self._tensor(wanted[inside])
            logprobs[inside] = (logits[row, token] - logits.logsumexp(-1)[row]).cpu().numpy()
            greedy[inside] = (logits.argmax(-1)[row] == token).cpu().numpy()
        return logprobs, greedy

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two sequences begin with alike."""
    differs = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differs, min(len(one), len(other)))
