"""Near duplicates: MinHash proposes pairs of documents, and what their words truly share decides.

Words are what spaces separate, and case and punctuation count: in code `a - b` is not `a + b`. The bands of a MinHash
signature (Broder 1997; banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", ch. 3) make documents
candidates; a pair is near duplicate when the Jaccard similarity of its sets of shingles reaches the wanted one.

A document is dropped only for one that is kept and that it resembles itself. Joining chains (a like b, b like c)
would let a family of texts made from one template vanish into a single one that most of them are not like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hornbook.corpus import frames
from hornbook.corpus.settings import CleanSettings
from hornbook.corpus.words import WordHashes, mix, runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def band_keys(texts: Sequence[str], settings: CleanSettings) -> NDArray[np.uint64]:
    """A key for each band of each text's MinHash signature: (texts, bands). Texts that share one are candidates."""
    import numpy as np

    spaced = [" ".join(text.split()) for text in texts]
    signatures = frames.minhash(spaced, hashes=settings.bands * settings.rows, shingle=settings.shingle)
    bands = signatures.reshape(len(texts), settings.bands, settings.rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(settings.bands, dtype=np.uint64), bands.shape[:2])
    for row in range(settings.rows):
        keys = mix(keys, bands[:, :, row])
    return keys


def candidate_groups(keys: NDArray[np.uint64], rows: Sequence[int]) -> list[list[int]]:
    """Groups of `rows` (numbers into keys: (documents, bands)) that share a band."""
    import numpy as np

    numbers = np.asarray(rows, dtype=np.int64)
    return list(frames.groups(keys[numbers].ravel(), np.repeat(numbers, keys.shape[1])))


def shingles(text: str, length: int, hashes: WordHashes) -> NDArray[np.uint64]:
    """The set of a text's shingles, as sorted hashes."""
    import numpy as np

    return np.unique(runs(hashes(text.split()), length))


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """How much two sets share: the size of what is common over the size of both together."""
    import numpy as np

    together = np.concatenate([one, other])
    together.sort(kind="stable")  # merges two sorted runs
    common = int((together[1:] == together[:-1]).sum())
    return common / (len(together) - common)


def near_duplicates(
    groups: Sequence[Sequence[int]],
    sets: Mapping[int, NDArray[np.uint64]],
    rank: Sequence[int],
    similarity: float,
) -> dict[int, int]:
    """Which documents to drop, each with the one that is kept for it.

    `groups` hold candidates, `sets` their shingles, and of two near duplicates the one with the smaller `rank` stays.
    Documents are looked at in the order of their ranks, and compared with those kept so far in the same groups.
    """
    memberships: dict[int, list[int]] = defaultdict(list)
    for number, members in enumerate(groups):
        for document in members:
            memberships[document].append(number)
    kept: dict[int, list[int]] = defaultdict(list)
    dropped: dict[int, int] = {}
    for document in sorted(memberships, key=lambda document: rank[document]):
        candidates = {other for group in memberships[document] for other in kept[group]}
        like = _first_like(document, sorted(candidates, key=lambda other: rank[other]), sets, similarity)
        if like is not None:
            dropped[document] = like
            continue
        for group in memberships[document]:
            kept[group].append(document)
    return dropped


def _first_like(
    document: int, candidates: Iterable[int], sets: Mapping[int, NDArray[np.uint64]], similarity: float
) -> int | None:
    own = sets[document]
    for other in candidates:
        sizes = sorted((len(own), len(sets[other])))
        if sizes[0] >= similarity * sizes[1] and jaccard(own, sets[other]) >= similarity:
            return other
    return None
