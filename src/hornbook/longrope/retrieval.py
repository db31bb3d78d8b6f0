"""Documents made to be looked up: a number is given far above, and further down it is asked for again.

A small model that has read rows of its own short context has never needed anything from further back. These documents
give it a reason to look: real text as filler, one line with a number, and later lines that repeat it. Their words are
those of the passkeys that `measure` asks for; the numbers are others each time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hornbook.evaluate.long.passkey import PasskeyForm
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.seeds import stream

# A comment, so that code around it stays code. The question is the beginning of the same line.
FORM = PasskeyForm(intro="", needle="# the pass key is {key}", question="", begins="# the pass key is", unit="line")
SPACE = 16  # a row has room for one question in so many tokens
INDENTS = (0, 0, 4, 8)


def rows(
    fillers: Sequence[Sequence[int]], tokenizer: Tokenizer, count: int, row: int, *, seed: int, progress: Progress
) -> NDArray[np.uint32]:
    """`count` rows of exactly `row` ids, whose filler is cut from `fillers` (ids of long documents).

    Number and questions stand on lines of their own, where a line of the filler ends.
    """
    newline = np.array(["\n" in tokenizer.decode([token]) for token in range(tokenizer.size)])
    table = np.empty((count, row), dtype=np.uint32)
    with progress.task("writing documents to look things up in", count) as bar:
        for index in range(count):
            source = stream(seed, "longrope", "retrieval", index)
            table[index] = _row(source, fillers, newline, tokenizer, row)
            bar.advance()
    return table


def fits(tokenizer: Tokenizer, row: int) -> bool:
    """Whether a row of `row` ids can hold a number and a question."""
    key = "8" * FORM.digits
    lines = (" " * max(INDENTS) + FORM.needle.replace("{key}", key), f"{FORM.begins} {key}")
    return sum(len(tokenizer.encode(f"{line}\n")) for line in lines) <= row


def _row(
    source: random.Random,
    fillers: Sequence[Sequence[int]],
    newline: NDArray[np.bool_],
    tokenizer: Tokenizer,
    row: int,
) -> list[int]:
    key = str(source.randrange(10 ** (FORM.digits - 1), 10**FORM.digits))
    given = tokenizer.encode(" " * source.choice(INDENTS) + FORM.needle.replace("{key}", key) + "\n")
    asked = tokenizer.encode(f"{FORM.begins} {key}\n")
    # Many times as a rule, which teaches a model to copy at all; now and then once or twice, from afar.
    most = max(1, min(row // SPACE, (row - len(given)) // len(asked)))
    times = round(most ** source.random() ** 0.5)
    filler = _stretch(source, fillers, row - len(given) - times * len(asked))
    ends = [0, *(position + 1 for position, token in enumerate(filler) if newline[token])]
    # The number lies anywhere in the first half of the lines, the questions anywhere after it.
    start = source.randrange((len(ends) + 1) // 2)
    places = sorted(source.choices(range(start, len(ends)), k=times))
    ids: list[int] = []
    at = 0
    for number, place in enumerate([start, *places]):
        ids += filler[at : ends[place]]
        ids += asked if number else given
        at = ends[place]
    return ids + filler[at:]


def _stretch(source: random.Random, fillers: Sequence[Sequence[int]], length: int) -> list[int]:
    """`length` ids from somewhere in one of the fillers; one that is too short is followed by others."""
    ids: list[int] = []
    while len(ids) < length:
        filler = source.choice(fillers)
        start = source.randrange(max(1, len(filler) - length + 1))
        ids += filler[start : start + length - len(ids)]
    return ids
