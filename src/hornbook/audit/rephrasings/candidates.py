"""For each item of a benchmark its candidates: the passages of a corpus whose vectors are nearest.

A passage is as much of a document as a question takes, so that a book is not one blurred text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hornbook.corpus.decontaminate.benchmarks import Item
from hornbook.documents import read_batches
from hornbook.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHARACTERS = 1_200
STEP = CHARACTERS // 2  # what is no longer than this lies whole in one passage at least
_BATCH = 2_000  # passages
_ROWS = 1_000  # items' texts that a batch is compared with at once
_SPARE = 4  # kept for each one that is wanted: overlapping passages and copies are left out in the end


@dataclass(frozen=True)
class Passage:
    """A part of a document, and where it begins: `start` in characters."""

    document: str
    source: str
    path: str
    start: int
    text: str


@dataclass(frozen=True)
class Pair:
    """An item and a passage, and how alike they are (cosine)."""

    item: Item
    passage: Passage
    similarity: float


class Embedder(Protocol):
    """Turns texts into rows of length 1, as an array or as scipy CSR."""

    @property
    def name(self) -> str:
        """What makes the vectors: goes onto the page."""

    def learn(self, batches: Iterable[Sequence[str]]) -> None:
        """See all texts once before the first is turned into a vector."""

    def __call__(self, texts: Sequence[str]) -> Any:
        """One row for each text."""


def candidates(
    corpus: Path, items: Sequence[Item], embedder: Embedder, nearest: int, progress: Progress
) -> tuple[list[list[Pair]], int]:
    """For each item at most `nearest` passages, the most similar first, and how many passages there are.

    Of passages that overlap or are equal one is enough. An item is compared by its question, and by all of it; what
    shares nothing with it (a cosine of 0) is no candidate.
    """
    texts = [(number, text) for number, item in enumerate(items) for text in sides(item)]
    whole = [text for _, text in texts]
    embedder.learn(_counted(lambda: chain(_batches(corpus), _grouped(whole)), "weigh words", progress))
    best = _TopK([number for number, _ in texts], len(items), _SPARE * nearest)
    rows = [(start, embedder(whole[start : start + _ROWS])) for start in range(0, len(whole), _ROWS)]
    for batch in _counted(lambda: _batches(corpus), "find what is alike", progress):
        found = embedder(batch).T
        for start, some in rows:
            best.see(start, some @ found)
        best.next(len(batch))
    wanted = set(best.columns.tolist())
    chosen = {number: one for number, one in enumerate(passages(corpus)) if number in wanted}
    return [_apart(item, best.of(number), chosen, nearest) for number, item in enumerate(items)], best.seen


def passages(corpus: Path) -> Iterator[Passage]:
    """Every passage of every document, in the corpus's order."""
    for batch in read_batches(corpus, ["id", "text", "source", "path"]):
        for row in batch.to_pylist():
            for start, text in windows(row["text"] or ""):
                yield Passage(row["id"], row["source"], row.get("path") or "", start, text)


def windows(text: str) -> Iterator[tuple[int, str]]:
    """Overlapping parts of a text, each with its start; those of white space alone are left out."""
    for start in range(0, max(1, len(text) - STEP), STEP):
        part = text[start : start + CHARACTERS]
        if not part.isspace() and part:
            yield start, part


def sides(item: Item) -> Iterable[str]:
    """What an item is compared by."""
    return [text for text in dict.fromkeys((item.question, item.text)) if text.strip()]


def _batches(corpus: Path) -> Iterator[list[str]]:
    return _grouped(one.text for one in passages(corpus))


def _grouped(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _counted(batches: Callable[[], Iterable[Sequence[str]]], label: str, progress: Progress) -> Iterator[Sequence[str]]:
    with progress.task(label) as task:
        for batch in batches():
            yield batch
            task.advance(len(batch))


def _apart(item: Item, found: Sequence[tuple[int, float]], chosen: dict[int, Passage], nearest: int) -> list[Pair]:
    """The first `nearest` passages of which none overlaps or equals another."""
    pairs: list[Pair] = []
    for number, similarity in found:
        passage = chosen[number]
        if len(pairs) < nearest and not any(_same(passage, other.passage) for other in pairs):
            pairs.append(Pair(item, passage, round(similarity, 4)))
    return pairs


def _same(one: Passage, other: Passage) -> bool:
    if one.document == other.document and abs(one.start - other.start) < CHARACTERS:
        return True
    return one.text == other.text


class _TopK:
    """The columns with the highest values of each row, though columns come in batches; of equal values the first."""

    def __init__(self, owners: Sequence[int], items: int, keep: int) -> None:
        """`owners`: the item that each row belongs to; an item's value is the highest of its rows'."""
        import numpy as np

        self._owners = np.array(owners, dtype=np.int64)
        self._keep, self._items, self.seen = keep, items, 0
        self._floor = np.zeros(items)
        self._held = np.zeros(0, dtype=np.int64)  # items
        self.columns = np.zeros(0, dtype=np.int64)
        self._values = np.zeros(0)
        self._met: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []

    def see(self, start: int, values: Any) -> None:
        """Values of the batch for rows from `start`: (rows, batch), an array or sparse."""
        import numpy as np
        from scipy.sparse import issparse  # type: ignore[import-untyped]

        values = values.toarray() if issparse(values) else values
        owners = self._owners[start : start + len(values)]
        better = values > self._floor[owners, None]
        if better.sum() > 2 * self._keep * len(values) and self._keep < values.shape[1]:
            better &= values >= np.partition(values, -self._keep, axis=1)[:, -self._keep, None]
        rows, columns = np.nonzero(better)
        self._met.append((owners[rows], columns + self.seen, values[rows, columns].astype(np.float64)))

    def next(self, columns: int) -> None:
        """The batch of so many columns is over."""
        import numpy as np

        items = np.concatenate([self._held, *(one[0] for one in self._met)])
        places = np.concatenate([self.columns, *(one[1] for one in self._met)])
        values = np.concatenate([self._values, *(one[2] for one in self._met)])
        self._met, self.seen = [], self.seen + columns
        order = np.lexsort((-values, places, items))  # of an item's rows the highest value of each column
        order = order[_firsts(items[order], places[order])]
        order = order[np.lexsort((places[order], -values[order], items[order]))]
        ranks = np.arange(len(order)) - np.searchsorted(items[order], items[order])
        kept = order[ranks < self._keep]
        self._held, self.columns, self._values = items[kept], places[kept], values[kept]
        full = order[ranks == self._keep - 1]
        self._floor[items[full]] = values[full]

    def of(self, item: int) -> list[tuple[int, float]]:
        """(column, value) of an item, the highest first."""
        import numpy as np

        start, end = np.searchsorted(self._held, [item, item + 1])
        return list(zip(self.columns[start:end].tolist(), self._values[start:end].tolist(), strict=True))


def _firsts(items: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each pair differs from the one before it."""
    import numpy as np

    return np.concatenate([[True], (items[1:] != items[:-1]) | (places[1:] != places[:-1])])[: len(items)]
