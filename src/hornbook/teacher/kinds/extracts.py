"""Documents of a corpus that seeds are cut from."""

from __future__ import annotations

import heapq
from pathlib import Path

from hornbook.documents import read_rows
from hornbook.seeds import derive
from hornbook.teacher.kinds.draws import Extract

LONGEST = 20_000  # characters of a document that are kept to cut from
SHORTEST = 300


def extracts(corpus: Path, count: int, *, seed: int) -> list[Extract]:
    """`count` documents of a corpus folder, or all where there are fewer, in an order that the seed alone decides.

    The first ones stay the first ones when more are asked for, whatever the order on disk. Documents of less than
    SHORTEST characters hold too little to start from. Raises UserError for a folder that is no corpus.
    """
    chosen: list[tuple[int, str, str]] = []  # a heap with the last of those chosen so far on top
    seen: set[str] = set()
    for row in read_rows(corpus, ["id", "text"]):
        name, text = row["id"], row["text"]
        if len(text) < SHORTEST or name in seen:
            continue
        place = -derive(seed, "extract", name)
        if len(chosen) < count:
            seen.add(name)
            heapq.heappush(chosen, (place, name, text[:LONGEST]))
        elif place > chosen[0][0]:
            seen.add(name)
            heapq.heapreplace(chosen, (place, name, text[:LONGEST]))
    return [Extract(name, text) for _, name, text in sorted(chosen, reverse=True)]
