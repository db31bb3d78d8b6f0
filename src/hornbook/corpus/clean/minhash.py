"""MinHash proposes which documents may be near duplicates; `alike` decides by what their words truly share.

Words are what spaces separate, or letters where writing has no spaces between words, and case and punctuation count:
in code `a - b` is not `a + b`. The bands of a MinHash signature (Broder 1997; banding as in Leskovec, Rajaraman,
Ullman, "Mining of Massive Datasets", ch. 3) make documents candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.daft_engine import daft
from hornbook.corpus.ngrams import WordHashes, fold, ngram_hashes
from hornbook.corpus.scripts import spaced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def band_keys(texts: Sequence[str], settings: CleanSettings) -> NDArray[np.uint64]:
    """A key for each band of each text's MinHash signature: (texts, bands). Texts that share one are candidates."""
    import numpy as np

    words = [" ".join(spaced(text).split()) for text in texts]
    signatures = minhash(words, hashes=settings.bands * settings.rows, shingle=settings.shingle)
    bands = signatures.reshape(len(texts), settings.bands, settings.rows).astype(np.uint64)
    number = np.broadcast_to(np.arange(settings.bands, dtype=np.uint64), bands.shape[:2])
    return fold([number, *(bands[:, :, row] for row in range(settings.rows))])


def minhash(texts: Sequence[str], *, hashes: int, shingle: int) -> NDArray[np.uint32]:
    """MinHash signatures (texts, hashes) of the sets of `shingle` words in a row; words end at single spaces.

    Computed in this thread, on a series: the threads of Daft's engine now and then crash the interpreter at its end.
    """
    import numpy as np
    import pyarrow as pa

    series = daft().Series.from_arrow(pa.array(texts, pa.large_string()))
    signed = series.minhash(hashes, shingle, 1, "xxhash3_64").to_arrow()
    signatures: NDArray[np.uint32] = np.asarray(signed.flatten(), np.uint32).reshape(-1, hashes)
    return signatures


def candidate_groups(keys: NDArray[np.uint64], numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Groups of documents that share a key, in the order of keys; in each the `numbers` in the order they come.

    keys, numbers: (entries,), a document's number beside each of its keys.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")
    keys, members = keys[order], numbers[order]
    same = np.zeros(len(keys) + 1, dtype=bool)
    same[1:-1] = keys[1:] == keys[:-1]
    shared = same[:-1] | same[1:]
    starts = np.flatnonzero(~same[:-1][shared])
    return np.split(members[shared], starts[1:]) if len(starts) else []


def shingles(text: str, length: int, hashes: WordHashes) -> NDArray[np.uint64]:
    """The set of a text's shingles, as sorted hashes."""
    import numpy as np

    return np.unique(ngram_hashes(hashes(spaced(text).split()), length))
