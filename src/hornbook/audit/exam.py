"""What the scores of an examination are worth: how much of each is owed to rows that the model may have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.audit.differences import score
from hornbook.audit.resemblance import Asked, Likeness, likeness, split, values
from hornbook.display import FigureTable
from hornbook.evaluate.exam.compare import results
from hornbook.progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hornbook.audit.rephrasings.candidates import Embedder

EXAM = "exam"  # of an audit's folder: the result of the examination that it made


def audit_result(
    result: Path,
    asked: Sequence[Asked],
    corpus: Path | None,
    found: Mapping[str, Any] | None,
    embedder: Embedder,
    progress: Progress,
) -> dict[str, Any]:
    """Figures of a result by benchmark; `split` is None where it is not known what the model learned from.

    found: what `audit_corpus` says of the corpus and the same benchmarks.
    """
    near: Mapping[str, Likeness] = {}
    if corpus is not None and found is not None:
        near = likeness(corpus, asked, found, embedder, progress)
    figures = results(result)
    return {
        "candidate": figures["candidate"],
        "corpus": corpus is not None,
        "vectors": embedder.name,
        "missing": dict(figures["missing"]),
        "benchmarks": [_benchmark(result, one, figures["benchmarks"][one.page.name], near) for one in asked],
    }


def _benchmark(result: Path, asked: Asked, figures: Mapping[str, Any], near: Mapping[str, Likeness]) -> dict[str, Any]:
    scored = values(result, asked)
    return {
        "name": asked.page.name,
        "title": figures["title"],
        "metric": asked.page.headline,
        "state": figures["state"],
        "score": score(list(scored.values())),
        "split": split(scored, asked, near[asked.page.name]) if asked.page.name in near else None,
    }


def exam_table(exam: Mapping[str, Any]) -> RenderableType:
    """Each benchmark's score, and that of the rows like the corpus, by each way to tell them, beside the others'."""
    table = FigureTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("benchmark", no_wrap=True)
    table.add_column("rows", no_wrap=True)
    for header in ("score", "of", "others", "of", "difference", "95%", "p"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in exam["benchmarks"]:
        table.add_row(f"{row['title']} {row['metric']}", "all", *_part(row["score"]), "", "", "", "", "")
        for line in row["split"] or ():
            by = line["by"] if line["degree"] is None else f"{line['by']} ≥ {line['degree']}"
            table.add_row("", by, *_part(line["similar"]), *_part(line["other"]), *_apart(line["difference"]))
    return table


def _part(told: Mapping[str, Any]) -> tuple[str, str]:
    return ("–" if told["share"] is None else f"{told['share']:.1%}", f"{told['of']:,}")


def _apart(told: Mapping[str, Any] | None) -> tuple[str, ...]:
    if told is None:
        return ("–", "", "")
    return (f"{told['difference']:+.1%}", f"{told['low']:+.1%} to {told['high']:+.1%}", f"{told['p']:.3g}")
