"""Which candidates are near duplicates: those whose sets of shingles reach the wanted Jaccard similarity.

Groups are the connected components of such pairs: documents that resemble each other through others are one group. A
bucket of MinHash may hold thousands that share what all of them share, and nothing else; then only those pairs are
compared that can be alike by the shingles that are rare among them (`_close`). No pair that is alike is lost by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGE = 100  # in smaller groups all pairs are quickly compared
_SLACK = 1e-6  # what rounding may do to a bound
_AT_ONCE = 1_000_000  # documents


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """How much two sets, as sorted arrays, share: what is common over both together. Empty sets share nothing."""
    import numpy as np

    together = np.concatenate([one, other])
    together.sort(kind="stable")  # merges two sorted runs
    common = int((together[1:] == together[:-1]).sum())
    return common / max(1, len(together) - common)


def linked(
    groups: Iterable[Sequence[int]], sets: Mapping[int, NDArray[np.uint64]], similarity: float
) -> dict[int, int]:
    """Which documents are like a smaller number, directly or through others: each with the smallest of all that it
    is linked to.

    `groups` hold candidates, `sets` the shingles of each. In a group of n documents that are all alike n - 1 pairs are
    compared, not n * (n - 1) / 2: documents known to belong together are not compared with each other.
    """
    links = _Links()
    seen: set[int] = set()
    for group in groups:
        seen.update(group)
        if len(group) <= _LARGE:
            _join(group, sets, similarity, links)
        elif not _all_like_the_first(group, sets, similarity, links):
            for members in _close(group, sets, similarity):
                _join(members, sets, similarity, links)
    least: dict[int, int] = {}
    documents = sorted(seen)
    for document in documents:
        least.setdefault(links.root(document), document)
    return {one: least[links.root(one)] for one in documents if least[links.root(one)] != one}


def components(parts: Iterable[NDArray[np.int64]], count: int) -> NDArray[np.uint32 | np.uint64]:
    """For each of `count` documents the smallest number among all that it is linked to, directly or through others:
    (count,). `parts` hold links: (links, 2).

    Connected components by hooking the larger root to the smaller and halving paths (Shiloach, Vishkin 1982), for all
    links of a part at once: 4 bytes a document, and no Python object.
    """
    import numpy as np

    above: NDArray[Any] = np.arange(count, dtype=np.uint32 if count < 1 << 32 else np.uint64)
    for part in parts:
        left = part
        while len(left):
            _to_roots(above, np.unique(left))
            roots = above[left]
            apart = roots[:, 0] != roots[:, 1]
            left, roots = left[apart], roots[apart]
            np.minimum.at(above, roots.max(axis=1), roots.min(axis=1))  # of several the smallest; the next turn has all
    for start in range(0, count, _AT_ONCE):
        _to_roots(above, np.arange(start, min(start + _AT_ONCE, count)))
    return above


def _to_roots(above: NDArray[np.uint32 | np.uint64], nodes: NDArray[np.int64]) -> None:
    """Have each of these nodes point at its root, half of the way at a time."""
    while ((one := above[nodes]) != (two := above[one])).any():
        above[nodes] = two


def _join(candidates: Sequence[int], sets: Mapping[int, NDArray[np.uint64]], similarity: float, links: _Links) -> None:
    """Link the candidates that are alike, comparing all pairs of those that are not linked yet."""
    parts: list[list[int]] = []
    for document in candidates:
        apart, together = [], [document]
        for part in parts:
            linked = any(
                links.root(document) == links.root(other) or _alike(sets[document], sets[other], similarity)
                for other in part
            )
            if linked:
                links.join(document, part[0])
                together = part + together
            else:
                apart.append(part)
        parts = [*apart, together]


def _all_like_the_first(
    group: Sequence[int], sets: Mapping[int, NDArray[np.uint64]], similarity: float, links: _Links
) -> bool:
    """Link what is like the first of a group. Whether that is the whole group."""
    first = group[0]
    for other in group[1:]:
        if links.root(other) != links.root(first) and _alike(sets[first], sets[other], similarity):
            links.join(other, first)
    return all(links.root(other) == links.root(first) for other in group)


def _close(group: Sequence[int], sets: Mapping[int, NDArray[np.uint64]], similarity: float) -> list[list[int]]:
    """Smaller groups, in one of which is every pair that is alike.

    Prefix and positional filtering (Chaudhuri, Ganti, Kaushik 2006; Xiao, Wang, Lin, Yu 2008): with all sets in the
    same order, rare shingles first, two sets x and y that are alike have t / (1 + t) * (|x| + |y|) in common at least,
    t being the similarity; so the first that they have in common is among the first |x| - t * |x| + 1 of x, and as many
    as they must share are left from there on in both.
    """
    import numpy as np

    sizes = np.array([len(sets[document]) for document in group])
    shingles, which, counts = np.unique(
        np.concatenate([sets[document] for document in group]), return_inverse=True, return_counts=True
    )
    order = np.lexsort([shingles, counts])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    owners, which = np.repeat(np.arange(len(group)), sizes), place[which]
    which = which[np.lexsort([which, owners])]
    position = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    first = (position <= sizes[owners] * (1 - similarity) + _SLACK) & (counts[order][which] > 1)
    which, owners, position = which[first], owners[first], position[first]

    by_shingle = np.lexsort([sizes[owners], which])
    which, owners, position = which[by_shingle], owners[by_shingle], position[by_shingle]
    needed = similarity / (1 + similarity) * sizes[owners]  # of what two share, this one's half
    spare = sizes[owners] - position - needed + _SLACK  # so much its partner may need at most
    while len(which):
        starts = np.flatnonzero(np.concatenate([[True], which[1:] != which[:-1]]))
        lengths = np.diff(np.append(starts, len(which)))
        least = np.repeat(np.minimum.reduceat(needed, starts), lengths)
        most = np.repeat(np.maximum.reduceat(spare, starts), lengths)
        possible = (needed <= most) & (least <= spare) & (np.repeat(lengths, lengths) > 1)
        if possible.all():
            return _distinct([owners[one : one + count] for one, count in zip(starts, lengths, strict=True)], group)
        which, owners, needed, spare = which[possible], owners[possible], needed[possible], spare[possible]
    return []


def _distinct(members: Sequence[NDArray[np.int64]], group: Sequence[int]) -> list[list[int]]:
    """Each list of members once, as documents of the group."""
    once = {one.tobytes(): one for one in members}
    return [[group[place] for place in one.tolist()] for one in once.values()]


class _Links:
    """Which documents belong together, directly or through others (union-find)."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def root(self, document: int) -> int:
        """One document for all that belong together."""
        while (above := self._above.get(document, document)) != document:
            self._above[document] = self._above.get(above, above)
            document = above
        return document

    def join(self, one: int, other: int) -> None:
        """From here on, the two belong together."""
        self._above[self.root(one)] = self.root(other)


def _alike(one: NDArray[np.uint64], other: NDArray[np.uint64], similarity: float) -> bool:
    smaller, larger = sorted((len(one), len(other)))
    return smaller >= similarity * larger and jaccard(one, other) >= similarity
