"""Every document gets its score and, by it, stays or goes: two passes, both in portions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.by_source import counts_by_source
from hornbook.corpus.grade.classifier import GRADES, Classifier, load
from hornbook.corpus.grade.settings import EVERY_OTHER, GradeSettings
from hornbook.documents import (
    CorpusWriter,
    Shard,
    corpus_schema,
    merge,
    no_source,
    removed_schema,
    set_aside,
    shards,
    with_own_columns,
)
from hornbook.files import digest_file, digest_value
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOW = "low educational value"

ALL = "\0"  # stands for all sources together: no source has that name
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


@dataclass(frozen=True)
class Cutoffs:
    """A cutoff for each of some sources, and one for all others."""

    others: Cutoff
    of: Mapping[str, Cutoff] = field(default_factory=dict)

    def __call__(self, score: float, identity: str, source: str) -> bool:
        """Whether a document of `source` is kept."""
        return self.of.get(source, self.others)(score, identity)

    @property
    def key(self) -> list[Any]:
        """All that decides, as a JSON value."""
        return [asdict(self.others), {source: asdict(cutoff) for source, cutoff in sorted(self.of.items())}]


def score_corpus(
    corpus: Path, classifier: Path, settings: GradeSettings, *, into: Path, progress: Progress
) -> tuple[dict[str, Any], Cutoffs]:
    """Write every document of `corpus` with the `score` a saved classifier gives it, kept or removed.

    Returns how many documents of each source have scores in each quarter of a grade, with how many there are and how
    many were kept; with the shares that each source was `asked` for, where it was; and the cutoffs by which they were.
    Raises UserError where a share is asked of a source that is not there.
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
    asked = shares_by_source(settings.share, list(counts))
    cutoffs = _cutoffs(stored, [part.folder / _SCORES for part in scored], load(classifier), settings, asked)
    schema = corpus_schema([corpus])
    written = [
        Portion.over(
            shard,
            into / SCRATCH / f"graded-{number:05d}",
            partial(_write_shard, shard, part.folder / _SCORES, cutoffs, schema),
            *(weights, cutoffs.key, str(schema)),
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
        "sources": counts_by_source(into),
        **({"asked": asked} if asked else {}),
    }, cutoffs


def shares_by_source(share: float | Mapping[str, float] | None, sources: Sequence[str]) -> dict[str, float]:
    """The share that is to stay of each source, for those of which it is told."""
    if share is None:
        return {}
    if isinstance(share, float | int):
        return dict.fromkeys(sorted(sources), float(share))
    for name in share:
        if name not in sources and name != EVERY_OTHER:
            raise no_source("grade.share", name, sources)
    told = {source: share.get(source, share.get(EVERY_OTHER)) for source in sorted(sources)}
    return {source: part for source, part in told.items() if part is not None}


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
            counts.setdefault(source or "", [0] * _BINS)[min(int(score * _BINS_PER_GRADE), _BINS - 1)] += 1
        advance(len(found))
    np.save(folder / _SCORES, np.concatenate(scores))
    return counts


def _cutoffs(
    stored: Sequence[Shard],
    scores: Sequence[Path],
    classifier: Classifier,
    settings: GradeSettings,
    asked: Mapping[str, float],
) -> Cutoffs:
    """Which scores are enough, by the settings. A share of the documents needs all scores first."""
    if settings.share is None:
        return Cutoffs(Cutoff(float(classifier.cuts[settings.threshold - 1])) if settings.drop else Cutoff(0.0))
    found = best(stored, scores, {ALL: settings.share} if isinstance(settings.share, float | int) else asked)
    return Cutoffs(found.pop(ALL, Cutoff(0.0)), found)


def best(stored: Sequence[Shard], scores: Sequence[Path], shares: Mapping[str, float]) -> dict[str, Cutoff]:
    """For each source, or for ALL together, the cutoff that keeps a share of its documents: the best, of equals those
    with smaller ids. A number of each document is held, and the ids of those that score just as the cutoff.
    """
    import numpy as np

    files = list(zip(stored, scores, strict=True))
    ranked: dict[str, list[NDArray[np.float64]]] = {name: [] for name in shares}
    for shard, file in files:
        found = np.load(file)
        for name, rows in _rows(shard, shares).items():
            ranked[name].append(found[rows])
    cutoffs, left = {name: Cutoff(0.0) for name in shares}, dict[str, int]()
    for name, parts in ranked.items():
        if parts:
            every = np.concatenate(parts)
            count = max(1, math.ceil(shares[name] * len(every)))
            every.partition(len(every) - count)
            minimum = every[len(every) - count]
            cutoffs[name], left[name] = Cutoff(float(minimum)), count - int((every > minimum).sum())
    equal: dict[str, list[str]] = {name: [] for name in left}
    for shard, file in files:
        found = np.load(file)
        for name, rows in _rows(shard, left).items():
            equals = set(rows[found[rows] == cutoffs[name].minimum].tolist())
            if equals:
                ids = (one for batch in shard.batches(["id"]) for one in batch["id"].to_pylist())
                equal[name] += [one for row, one in enumerate(ids) if row in equals]
    return {
        name: replace(one, last=sorted(equal[name])[left[name] - 1] if name in left else None)
        for name, one in cutoffs.items()
    }


def _rows(shard: Shard, names: Container[str]) -> dict[str, NDArray[np.int64]]:
    """Which rows of a file are of which of some sources; of ALL, where that is among them."""
    import numpy as np

    if ALL in names:
        return {ALL: np.arange(shard.rows)}
    rows: dict[str, list[int]] = {}
    sources = (one or "" for batch in shard.batches(["source"]) for one in batch["source"].to_pylist())
    for row, source in enumerate(sources):
        if source in names:
            rows.setdefault(source, []).append(row)
    return {source: np.array(found) for source, found in rows.items()}


def _write_shard(shard: Shard, scores: Path, cutoffs: Cutoffs, schema: Any, folder: Path, advance: Advance) -> int:
    """Write a file's documents with their scores. Returns how many were kept."""
    import numpy as np
    import pyarrow as pa

    schema, came = with_own_columns(schema, [("score", pa.float64())])
    score_column = pa.field("score", pa.float64())
    given = iter(np.load(scores).tolist())
    with CorpusWriter(folder, schema, removed_schema().append(score_column)) as graded:
        for batch in shard.batches():
            for row in batch.to_pylist():
                score = next(given)
                if cutoffs(score, row["id"], row["source"] or ""):
                    graded.keep({**set_aside(row, came), "score": score})
                else:
                    graded.drop(row, LOW, score=score)
            advance(batch.num_rows)
    return graded.documents
