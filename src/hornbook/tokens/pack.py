"""Fit token sequences into rows of one length: whole where they fit, nothing thrown away.

A sequence longer than a row is cut into full rows and a rest. Rests and short sequences then go, longest first, each
into the row with the least room that still takes it (best-fit decreasing). Rows end with padding where nothing fits.
Concatenating and slicing, the usual way, would cut most short exercises in two: answers without their questions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


def pack(lengths: Sequence[int], row: int) -> list[list[tuple[int, int, int]]]:
    """Plan rows of `row` tokens for sequences of these lengths.

    Returns rows, each a list of (sequence, start, end): every token of every sequence appears exactly once.
    """
    rows: list[list[tuple[int, int, int]]] = []
    pieces: list[tuple[int, int, int]] = []
    for sequence, length in enumerate(lengths):
        full = length // row * row
        rows += [[(sequence, start, start + row)] for start in range(0, full, row)]
        if full < length:
            pieces.append((sequence, full, length))
    pieces.sort(key=lambda piece: (piece[1] - piece[2], piece[0]))
    open_rows: dict[int, list[int]] = defaultdict(list)  # room left -> rows with that room
    for piece in pieces:
        size = piece[2] - piece[1]
        room = next((room for room in range(size, row) if open_rows[room]), row)
        if room == row:
            rows.append([])
            index = len(rows) - 1
        else:
            index = open_rows[room].pop()
        rows[index].append(piece)
        open_rows[room - size].append(index)
    return rows


class Sequences(Protocol):
    """Token ids by the sequences' numbers: a list of lists, or something that reads them from disk."""

    def __getitem__(self, number: int, /) -> Sequence[int] | NDArray[np.uint32]:
        """The ids of one sequence."""


def fill(
    plan: Sequence[Sequence[tuple[int, int, int]]], sequences: Sequences, row: int, pad: int
) -> NDArray[np.uint32]:
    """Lay the sequences' ids out as `plan`, or a part of one, says: (rows, row), padded with `pad` on the right."""
    table = np.full((len(plan), row), pad, dtype=np.uint32)
    for index, pieces in enumerate(plan):
        at = 0
        for sequence, start, end in pieces:
            table[index, at : at + end - start] = sequences[sequence][start:end]
            at += end - start
    return table
