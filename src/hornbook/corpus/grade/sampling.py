"""Which documents the teacher is asked about."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hornbook.corpus.shuffle import ranges
from hornbook.documents import read_rows
from hornbook.seeds import derive

_AT_ONCE = 1 << 18  # documents that are sorted at once


def choose(documents: Callable[[], Iterable[tuple[str, str]]], count: int, *, seed: int) -> list[str]:
    """Ids of `count` documents, drawn from (id, source) pairs, in random order; all of them when there are fewer.

    A source is drawn from by its size, but a small one gets a tenth of an equal part if it has that many. The draw
    follows from ids, sources and seed, not from the order of the documents. Text that occurs twice is one document.
    They are read twice, the same both times, and numbers are held of each, no ids.
    """
    import numpy as np

    lots, codes, code_of = array("q"), array("i"), dict[str, int]()
    for identity, source in documents():
        lots.append(derive(seed, "grade", "sample", identity))
        codes.append(code_of.setdefault(source, len(code_of)))
    names, keys, every = sorted(code_of), np.frombuffer(lots, np.int64), np.frombuffer(codes, np.int32)
    rank_of = np.argsort(np.argsort(list(code_of)))  # of a source's code, by its name
    sizes, first = dict.fromkeys(names, 0), {name: np.zeros(0, np.int64) for name in names}
    for low, end in ranges(len(keys), _AT_ONCE, 1 << 63):
        places = np.flatnonzero((keys >= low) & (keys <= end - 1))
        places = places[np.lexsort((rank_of[every[places]], keys[places]))]  # of one text the first source by name
        places = places[np.diff(keys[places], prepend=-1) != 0]
        for name, code in code_of.items():
            mine = places[every[places] == code]
            sizes[name] += len(mine)
            first[name] = np.concatenate([first[name], mine[: max(0, count - len(first[name]))]])
    quotas = _quotas({name: size for name, size in sizes.items() if size}, count)
    wanted = {place for name, quota in quotas.items() for place in first[name][:quota].tolist()}
    drawn = {identity for place, (identity, _) in enumerate(documents()) if place in wanted}
    return sorted(drawn, key=lambda identity: (derive(seed, "grade", "order", identity), identity))


def choose_of(corpus: Path, count: int, *, seed: int) -> list[str]:
    """The same of the documents of a corpus."""
    return choose(
        lambda: ((row["id"], row["source"] or "") for row in read_rows(corpus, ["id", "source"])), count, seed=seed
    )


def _quotas(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` each source gives: a small floor for each, the rest by size (largest remainders)."""
    count = min(count, sum(sizes.values()))
    quotas = {source: min(size, count // (10 * len(sizes))) for source, size in sizes.items()}
    spare = {source: size - quotas[source] for source, size in sizes.items()}
    rest, room = count - sum(quotas.values()), sum(spare.values())
    parts = {source: divmod(rest * spare[source], max(1, room)) for source in sorted(sizes)}
    for source, (whole, _) in parts.items():
        quotas[source] += whole
    left = count - sum(quotas.values())
    for source in sorted(parts, key=lambda source: (-parts[source][1], source))[:left]:
        quotas[source] += 1
    return quotas
