"""Every document gets its score and, by it, stays or goes: two passes, both in portions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.grade.classifier import GRADES, Classifier, load
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.documents import CorpusWriter, Shard, corpus_schema, merge, removed_schema, shards
from hornbook.files import digest_file, digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOW = "low educational value"

_SCORES = "scores.npy"
_BINS_PER_GRADE = 4
_BINS = (GRADES - 1) * _BINS_PER_GRADE


@dataclass(frozen=True)
class Cutoff:
    """Documents with at least the `minimum` score; of those that have just that, ids up to `last` where it is given."""

    minimum: float
    last: str | None = None

    def __call__(self, score: float, identity: str) -> bool:
        """Whether a document is kept."""
        if score == self.minimum and self.last is not None:
            return identity <= self.last
        return score >= self.minimum


def cutoff_of_best(ranked: list[tuple[float, str]], share: float) -> Cutoff:
    """The cutoff that keeps `share` of the documents, given as (minus score, id): the best, of equals smaller ids."""
    if not ranked:
        return Cutoff(0.0)
    score, last = sorted(ranked)[max(0, math.ceil(share * len(ranked)) - 1)]
    return Cutoff(-score, last)


def score_corpus(
    corpus: Path, classifier: Path, settings: GradeSettings, *, into: Path, progress: Progress
) -> tuple[dict[str, Any], Cutoff]:
    """Write every document of `corpus` with the `score` a saved classifier gives it, kept or removed.

    Returns how many documents of each source have scores in each quarter of a grade, with how many there are and how
    many were kept, and the cutoff by which they were.
    """
    stored = shards(corpus)
    weights = digest_value([digest_file(file) for file in sorted(classifier.iterdir())])
    scored = [
        Portion.over(shard, into / SCRATCH / f"score-{number:05d}", partial(_score_shard, shard, classifier), weights)
        for number, shard in enumerate(stored)
    ]
    counts: dict[str, Counter[int]] = {}
    for found in work_through(scored, "score documents", progress):
        for source, histogram in found.items():
            counts.setdefault(source, Counter()).update(dict(enumerate(histogram)))
    cutoff = _cutoff(stored, [part.folder / _SCORES for part in scored], load(classifier), settings)
    schema = corpus_schema([corpus])
    written = [
        Portion.over(
            shard,
            into / SCRATCH / f"graded-{number:05d}",
            partial(_write_shard, shard, part.folder / _SCORES, cutoff, schema),
            *(weights, cutoff.minimum, cutoff.last, str(schema)),
        )
        for number, (shard, part) in enumerate(zip(stored, scored, strict=True))
    ]
    kept = sum(work_through(written, "write documents", progress))
    merge([part.folder for part in written], into)
    edges = [edge / _BINS_PER_GRADE for edge in range(_BINS + 1)]
    histogram = {source: [counted[number] for number in range(_BINS)] for source, counted in sorted(counts.items())}
    return {
        "documents": sum(counted.total() for counted in counts.values()),
        "kept": kept,
        "histogram": {"edges": edges, "counts": histogram},
    }, cutoff


@lru_cache(maxsize=1)
def _loaded(classifier: Path, written: int) -> Classifier:
    """One classifier for all portions of a process; `written` is the time at which it was, so that none is stale."""
    return load(classifier)


def _score_shard(shard: Shard, classifier: Path, folder: Path, advance: Advance) -> dict[str, list[int]]:
    """Keep the scores of a file's documents, in order. Returns the histogram of each source."""
    import numpy as np

    model = _loaded(classifier, max(part.stat().st_mtime_ns for part in classifier.iterdir()))
    counts: dict[str, list[int]] = {}
    scores: list[NDArray[np.float64]] = [np.zeros(0)]
    for batch in shard.batches(["text", "source"]):
        found = model.score(batch["text"].to_pylist())
        scores.append(found)
        for source, score in zip(batch["source"].to_pylist(), found, strict=True):
            counts.setdefault(source, [0] * _BINS)[min(int(score * _BINS_PER_GRADE), _BINS - 1)] += 1
        advance(len(found))
    np.save(folder / _SCORES, np.concatenate(scores))
    return counts


def _cutoff(stored: Sequence[Shard], scores: Sequence[Path], classifier: Classifier, settings: GradeSettings) -> Cutoff:
    """Which scores are enough, by the settings. A share of the documents needs all scores first."""
    import numpy as np

    if settings.share is None:
        return Cutoff(float(classifier.cuts[settings.threshold - 1])) if settings.drop else Cutoff(0.0)
    ranked: list[tuple[float, str]] = []
    for shard, found in zip(stored, scores, strict=True):
        ids = [name for batch in shard.batches(["id"]) for name in batch["id"].to_pylist()]
        ranked += zip((-np.load(found)).tolist(), ids, strict=True)
    return cutoff_of_best(ranked, settings.share)


def _write_shard(shard: Shard, scores: Path, cutoff: Cutoff, schema: Any, folder: Path, advance: Advance) -> int:
    """Write a file's documents with their scores. Returns how many were kept."""
    import numpy as np
    import pyarrow as pa

    if "score" in schema.names:
        schema = schema.remove(schema.get_field_index("score"))
    score_column = pa.field("score", pa.float64())
    given = iter(np.load(scores).tolist())
    with CorpusWriter(folder, schema.append(score_column), removed_schema().append(score_column)) as graded:
        for batch in shard.batches():
            for row in batch.to_pylist():
                score = next(given)
                if cutoff(score, row["id"]):
                    graded.keep({**row, "score": score})
                else:
                    graded.drop(row, LOW, score=score)
            advance(batch.num_rows)
    return graded.documents
