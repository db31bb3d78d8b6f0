"""Conversations as rows of ids, with a mask of the tokens that the assistant writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hornbook.model.tokenizer import Message, Tokenizer
from hornbook.tokens.pack import fill, pack


def rows_of(
    conversations: Sequence[Sequence[Message]], tokenizer: Tokenizer, row: int, pad: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
    """Pack whole conversations into rows.

    Returns ids (rows, row), the mask (rows, row), and how many conversations were left out because a row cannot hold
    them: cut short, they would teach the model to stop in the middle.
    """
    encoded = [tokenizer.chat_with_mask(messages) for messages in conversations]
    fitting = [(ids, mask) for ids, mask in encoded if len(ids) <= row]
    plan = pack([len(ids) for ids, _ in fitting], row)
    ids = fill(plan, [ids for ids, _ in fitting], row, pad).astype(np.int64)
    mask = fill(plan, [list(map(int, mask)) for _, mask in fitting], row, 0).astype(np.bool_)
    return ids, mask, len(encoded) - len(fitting)


def answer_row(prompt: Sequence[int], answer: Sequence[int], row: int, pad: int) -> tuple[list[int], list[bool]] | None:
    """One prompt and its answer, padded on the right, with the answer's mask; None when a row cannot hold both."""
    ids = [*prompt, *answer]
    if len(ids) > row:
        return None
    room = row - len(ids)
    return ids + [pad] * room, [False] * len(prompt) + [True] * len(answer) + [False] * room
