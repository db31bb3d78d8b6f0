"""The third stage: no text twice, none almost twice, and none that the model will be measured with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.corpus.cleaning.entries import Entries, entries
from hornbook.corpus.cleaning.fates import CONTAMINATED, REASONS, Fates
from hornbook.corpus.cleaning.leaked import Guarded, leaked
from hornbook.corpus.cleaning.resemblance import exact, near
from hornbook.corpus.cleaning.writing import EXAMPLE_CHARACTERS, write
from hornbook.corpus.protect import Protected
from hornbook.corpus.settings import CleanSettings
from hornbook.documents import Row, corpus_schema, shards
from hornbook.machine import release_memory
from hornbook.progress import Progress


def clean(
    corpora: Sequence[Path],
    problems: Path | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
    against: Sequence[Path] = (),
) -> dict[str, Any]:
    """Merge `corpora` into one, without duplicates and without the `problems` (.jsonl: id, prompt, solution), if any,
    and the benchmarks in the folders `against`.

    First exact duplicates go (equal normalised texts), then near duplicates, then what holds a problem. Of duplicates
    the one with the highest score stays, then the one with the smallest id. Columns that only some corpora have
    survive, null elsewhere. `documents/` and `removed/` are ordered by the hash of the normalised text and do not
    depend on the order of rows, files or corpora. Every pass works in portions; what an interrupted call finished is
    not done again. Returns the figures: counts by source and by reason, and examples. Raises UserError for something
    that isn't a corpus, columns that don't fit together, or unusable problems.
    """
    schema = corpus_schema(corpora)
    guarded = Guarded(problems, tuple(against), settings)
    protected = Protected(problems, against, settings)
    known = entries(shards(*corpora), settings, into=into, progress=progress)
    fates = exact(known)
    fates |= near(known, fates, settings, into=into, progress=progress)
    release_memory()  # sets of shingles, before several workers hold texts
    fates |= leaked(known, fates, guarded, protected, into=into, progress=progress)
    examples = write(known, fates, schema, settings, into=into, progress=progress)
    return _figures(known, fates, examples, protected)


def _figures(known: Entries, fates: Fates, examples: dict[str, list[Row]], protected: Protected) -> dict[str, Any]:
    for row in examples[CONTAMINATED]:
        row["kept_text"] = protected.texts[row["kept"]][:EXAMPLE_CHARACTERS]
    names = ("read", "documents", "characters", *REASONS)
    sources = {source: dict.fromkeys(names, 0) for source in sorted(set(known.sources))}
    for number, (source, characters) in enumerate(zip(known.sources, known.characters.tolist(), strict=True)):
        counts = sources[source]
        counts["read"] += 1
        if number in fates:
            counts[fates[number].reason] += 1
        else:
            counts["documents"] += 1
            counts["characters"] += characters
    totals = {name: sum(counts[name] for counts in sources.values()) for name in ("read", "documents", "characters")}
    removed = Counter(fate.reason for fate in fates.values())
    return {
        **totals,
        "problems": len(protected.texts),
        "benchmarks_left_out": protected.left_out,
        "sources": sources,
        "removed": {reason: removed[reason] for reason in REASONS},
        "examples": examples,
    }
