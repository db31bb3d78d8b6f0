"""Texts read by an executor in steps that chance makes: which of them go on, how far, and where their blocks lie."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from hornbook.inference.executor import Executor, Part


def random_steps(
    executor: Executor, texts: Sequence[list[int]], long: Sequence[bool], chance: random.Random
) -> Iterator[tuple[int, Part, np.ndarray]]:
    """Read all of them to their ends; each part with the number of its text, and its logits after every token."""
    free = list(range(executor.blocks))
    chance.shuffle(free)
    blocks = [[free.pop() for _ in range(-(-len(ids) // executor.block))] for ids in texts]
    read = [0] * len(texts)
    while any(done < len(ids) for done, ids in zip(read, texts, strict=True)):
        going = [index for index, ids in enumerate(texts) if read[index] < len(ids) and chance.random() < 0.8]
        sizes = [min(chance.choice((1, 9, 100, 301)), len(texts[index]) - read[index]) for index in going]
        parts = [
            Part(texts[index][read[index] :][:size], read[index], blocks[index], long[index], "every")
            for index, size in zip(going, sizes, strict=True)
        ]
        for index, part, logits in zip(going, parts, executor.step(parts) if parts else [], strict=True):
            yield index, part, logits
            read[index] += len(part.ids)
