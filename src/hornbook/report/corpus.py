"""The page of a corpus folder: its sources, languages, scores and lengths, what went and why, and some of its texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hornbook
from hornbook.corpus.by_source import counts_by_source, nearly_gone
from hornbook.corpus.grade.agreement import doubts
from hornbook.corpus.show import documents
from hornbook.documents import Row, read_batches
from hornbook.report import plots
from hornbook.report.report import environment
from hornbook.report.sections.grades import histogram
from hornbook.report.wording import clip, count
from hornbook.runs import manifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK = b'<meta name="generator" content="Hornbook'  # by which a page is known for ours
KEPT, DROPPED = 6, 12  # texts that are shown
_LONGEST = 24  # powers of two of characters
_QUARTERS = 20  # of scores from 0 to 5
_REASONS = 8  # that have a column of their own


def gather(corpus: Path, seed: int = 1) -> dict[str, Any]:
    """Everything the page shows, as plain values. Every text is read once, none is kept but those that are shown.

    Raises UserError for a folder that is no corpus.
    """
    kept = documents(corpus, count=KEPT, seed=seed)
    dropped = documents(corpus, count=DROPPED, seed=seed, dropped=True)
    lengths: dict[str, NDArray[np.int64]] = {}
    scores: dict[str, NDArray[np.int64]] = {}
    characters: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    for batch in read_batches(corpus, ["source", "text", "language", "score"]):
        _add(batch, lengths, scores, characters, languages)
    made = manifest.read(corpus)
    sources = counts_by_source(corpus)
    for name, counts in sources.items():
        counts["characters"] = characters[name]
    return {
        "sources": sources,
        "languages": dict(languages.most_common()),
        "lengths": {name: counted.tolist() for name, counted in sorted(lengths.items())},
        "scores": {name: counted.tolist() for name, counted in sorted(scores.items())},
        "made": {"stage": made.stage, "headline": made.headline, "settings": made.settings} if made else None,
        "doubts": doubts(made.figures) if made else [],
        "lost": [one.source for one in nearly_gone({**(made.figures if made else {}), "sources": sources})],
        "kept": [_sample(row) for row in kept.rows],
        "dropped": [_sample(row) for row in sorted(dropped.rows, key=lambda row: str(row.get("reason")))],
    }


def page(name: str, found: dict[str, Any]) -> str:
    """The page as HTML; equal values make equal bytes."""
    reasons = Counter[str]()
    for counts in found["sources"].values():
        reasons.update({key: n for key, n in counts.items() if key not in ("read", "documents", "characters")})
    columns = [reason for reason, _ in reasons.most_common(_REASONS)]
    told = found["sources"].values()
    totals = {key: sum(counts[key] for counts in told) for key in ("read", "documents", "characters")}
    edges = [quarter / 4 for quarter in range(_QUARTERS + 1)]
    scored = {source: counts for source, counts in found["scores"].items() if any(counts)}
    return (
        environment(Path(__file__).parent)
        .get_template("corpus.html")
        .render(
            name=name,
            found=found,
            rows=[_row(source, counts, columns) for source, counts in found["sources"].items()],
            columns=columns,
            more=len(reasons) > len(columns),
            totals={**totals, "removed": [reasons[reason] for reason in columns]},
            rest=reasons.total() - sum(reasons[reason] for reason in columns),
            most=max([*found["languages"].values(), 1]),
            lengths=_lengths(found["lengths"]),
            scores=histogram({"edges": edges, "counts": scored}, None) if scored else None,
            version=hornbook.__version__,
        )
    )


def _add(
    batch: Any,
    lengths: dict[str, NDArray[np.int64]],
    scores: dict[str, NDArray[np.int64]],
    characters: Counter[str],
    languages: Counter[str],
) -> None:
    """Count a batch of documents in."""
    import numpy as np
    import pyarrow.compute as pc

    long = pc.fill_null(pc.utf8_length(batch["text"]), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    names = np.array([name or "" for name in batch["source"].to_pylist()], dtype=object)
    power = np.minimum(np.log2(np.maximum(long, 1)).astype(np.int64), _LONGEST)
    given = batch["score"].to_numpy(zero_copy_only=False) if _is_number(batch, "score") else None
    for name in sorted(set(names)):
        here = names == name
        characters[name] += int(long[here].sum())
        counted = lengths.setdefault(name, np.zeros(_LONGEST + 1, np.int64))
        np.add.at(counted, power[here], 1)
        if given is not None:
            found = given[here & ~np.isnan(given.astype(np.float64))].astype(np.float64)
            quarters = np.clip((found * 4).astype(np.int64), 0, _QUARTERS - 1)
            np.add.at(scores.setdefault(name, np.zeros(_QUARTERS, np.int64)), quarters, 1)
    if "language" in batch.schema.names:
        for language, length in zip(batch["language"].to_pylist(), long.tolist(), strict=True):
            languages[language or "?"] += length


def _is_number(batch: Any, column: str) -> bool:
    """Corpora that others made may have anything in a column of this name."""
    import pyarrow as pa

    if column not in batch.schema.names:
        return False
    kind = batch.schema.field(column).type
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _row(source: str, counts: dict[str, int], columns: list[str]) -> dict[str, Any]:
    removed = [counts.get(reason, 0) for reason in columns]
    return {
        "source": source or "(none)",
        "read": counts["read"],
        "kept": counts["documents"],
        "share": counts["documents"] / max(1, counts["read"]),
        "characters": counts["characters"],
        "removed": removed,
        "rest": counts["read"] - counts["documents"] - sum(removed),
    }


def _sample(row: Row) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name not in ("text", "source", "reason")}
    return {
        "source": row.get("source") or "",
        "reason": row.get("reason") or "",
        "text": clip(row.get("text") or "", 24, 1_200),
        "told": [
            (name, f"{value:.2f}" if isinstance(value, float) else str(value))
            for name, value in told.items()
            if value not in (None, "")
        ],
    }


def _lengths(counts: dict[str, list[int]]) -> str | None:
    """Which share of each source's documents is how long, as one plot."""
    if not counts:
        return None
    largest = sorted(counts, key=lambda source: (-sum(counts[source]), source))
    named = largest if len(largest) <= len(plots.SERIES) else largest[: len(plots.SERIES) - 1]
    series = {source or "(none)": counts[source] for source in named}
    if rest := largest[len(named) :]:
        series[f"{len(rest)} more"] = [sum(column) for column in zip(*(counts[source] for source in rest), strict=True)]
    used = [power for power in range(_LONGEST + 1) if any(heights[power] for heights in series.values())]
    first, last = used[0], used[-1] + 1
    with plots.style():
        drawn, (axes,) = plots.figure(6, 2.8)
        for colour, (source, heights) in zip(plots.SERIES, series.items(), strict=False):
            shares = [height / max(1, sum(heights)) for height in heights[first:last]]
            edges = list(range(first, last + 1))
            axes.stairs(shares, edges, fill=True, color=plots.COLOURS[colour], alpha=0.25)
            axes.stairs(shares, edges, color=plots.COLOURS[colour], linewidth=1.5, label=source)
        step = max(1, (last - first) // 8)
        axes.set_xticks(list(range(first, last + 1, step)), [count(2**power) for power in range(first, last + 1, step)])
        axes.set(xlabel="characters", ylabel="share of documents")
        axes.grid(visible=False, axis="x")
        axes.legend()
        told = ", ".join(f"{count(sum(heights))} of {source}" for source, heights in series.items())
        return plots.svg(drawn, "lengths", f"Distribution of documents' lengths in characters: documents {told}.")
