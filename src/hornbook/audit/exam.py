"""What the scores of an examination are worth: how much of each is owed to rows that the model may have seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from hornbook.audit.differences import paired, score
from hornbook.audit.memory import METHODS, memory
from hornbook.audit.model import Asking
from hornbook.audit.resemblance import Asked, Likeness, likeness, split, values
from hornbook.audit.twins.make import NOTES, Twin, make_twin, write_twin
from hornbook.display import FigureTable
from hornbook.errors import UserError
from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.compare import results
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.audit.rephrasings.candidates import Embedder
    from hornbook.evaluate.exam.candidate import LocalModel

EXAM, TWINS, TWINS_EXAM = "exam", "twins", "twins-exam"  # of an audit's folder: results, and the twins between them


@dataclass(frozen=True)
class Trained:
    """What a model learned from, None where that is not known, and what `audit_corpus` finds of the benchmarks in it;
    `embedder` finds what is like it.
    """

    corpus: Path | None
    found: Mapping[str, Any] | None
    embedder: Embedder


def audit_candidate(
    candidate: LocalModel,
    settings: ExamSettings,
    asked: Sequence[Asked],
    trained: Trained,
    into: Path,
    progress: Progress,
    *,
    unseen: Path | None = None,
    asking: Asking,
) -> dict[str, Any]:
    """Put benchmarks and their twins to a model, into folders of `into`, and tell what the scores are worth.

    Figures are those of `audit_result`, each benchmark's also with its `twin`, empty where it has none, and its
    `memory`. unseen: a data folder whose rows of the same benchmarks the model can't have seen.
    """
    seed, allow_unisolated = asking.seed, asking.allow_unisolated
    fresh = {one.page.name: _unseen(one, unseen) for one in asked} if unseen is not None else {}
    if unseen is not None and not any(fresh.values()):
        raise UserError(f"{unseen} holds rows of none of these benchmarks; name their files as --data has them")
    examine(candidate, settings, progress, into / EXAM, allow_unisolated=allow_unisolated)
    data = files.folder_of(settings.data)
    twins: dict[str, Twin] = {}
    for one in asked:
        twin = make_twin(one.page, one.rows, data, seed=seed, allow_unisolated=allow_unisolated)
        if twin is not None:
            twins[one.page.name] = twin
    for twin in twins.values():
        write_twin(twin, into / TWINS)
    told = audit_result(into / EXAM, asked, trained, progress)
    usable = [twin.page.name for twin in twins.values() if twin.rows]
    if usable:
        others = settings.model_copy(
            update={"benchmarks": tuple(usable), "suite": "", "data": into / TWINS, "limit": None}
        )
        examine(candidate, others, progress, into / TWINS_EXAM, allow_unisolated=allow_unisolated)
    for one, row in zip(asked, told["benchmarks"], strict=True):
        found = twins.get(one.page.name)
        row["twin"] = _twin(one, found, into, seed) if found is not None else {}
        row["memory"] = memory(
            candidate.model,
            candidate.tokenizer,
            one.page,
            one.rows,
            found.rows if found is not None else None,
            fresh.get(one.page.name),
            progress,
            seed=seed,
        )
    return told


def _unseen(asked: Asked, folder: Path) -> dict[str, Mapping[str, Any]]:
    found = files.locate(asked.page.files, folder)
    return dict(files.read(found).rows) if found is not None else {}


def _twin(asked: Asked, twin: Twin, into: Path, seed: int) -> dict[str, Any]:
    """Scores of the rows that have a twin and of the twins, and the drop."""
    assert asked.page.twin is not None, "who has a twin declares it"
    figures: dict[str, Any] = {"changed": NOTES[asked.page.twin], "left_out": dict(twin.left_out), "drop": None}
    if not twin.rows:
        return figures | {"rows": 0}
    before, after = values(into / EXAM, asked.page), values(into / TWINS_EXAM, twin.page)
    pairs = [(before[id_], after[own]) for own, id_ in twin.originals.items() if id_ in before and own in after]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    return figures | {
        "rows": len(pairs),
        "original": score(first),
        "twin": score(second),
        "drop": paired(first, second, seed=seed),
    }


def audit_result(result: Path, asked: Sequence[Asked], trained: Trained, progress: Progress) -> dict[str, Any]:
    """Figures of a result by benchmark; `split` is None where it is not known what the model learned from."""
    near: Mapping[str, Likeness] = {}
    if trained.corpus is not None and trained.found is not None:
        near = likeness(trained.corpus, asked, trained.found, trained.embedder, progress)
    figures = results(result)
    return {
        "candidate": figures["candidate"],
        "corpus": trained.corpus is not None,
        "vectors": trained.embedder.name,
        "missing": dict(figures["missing"]),
        "benchmarks": [_benchmark(result, one, figures["benchmarks"][one.page.name], near) for one in asked],
    }


def _benchmark(result: Path, asked: Asked, figures: Mapping[str, Any], near: Mapping[str, Likeness]) -> dict[str, Any]:
    scored = values(result, asked.page)
    return {
        "name": asked.page.name,
        "title": figures["title"],
        "metric": asked.page.headline,
        "state": figures["state"],
        "score": score(list(scored.values())),
        "split": split(scored, asked, near[asked.page.name]) if asked.page.name in near else None,
        "twin": None,
        "memory": None,
    }


def notes(row: Mapping[str, Any]) -> list[str]:
    """What else there is to know of a benchmark's part of an audit, a line each."""
    found = []
    if row["twin"] == {}:
        found.append(f"{row['title']} has no twin that shows what was learned by heart")
    elif row["twin"] and row["twin"]["left_out"]:
        told = "; ".join(f"{reason} ({count:,})" for reason, count in row["twin"]["left_out"].items())
        found.append(f"{row['title']}: without a twin: {told}")
    if row["memory"] and row["memory"]["unmatched"]:
        found.append(f"{row['title']}: beside no unseen row about as long: {row['memory']['unmatched']:,}")
    if row["memory"] and row["memory"]["left_out"]:
        found.append(f"{row['title']}: not to be made a text: {row['memory']['left_out']:,}")
    return found


def exam_table(exam: Mapping[str, Any]) -> RenderableType:
    """Each benchmark's score, and that of rows like the corpus beside others', its twin, Min-K%; what else to know."""
    table = FigureTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("benchmark", no_wrap=True)
    table.add_column("rows", no_wrap=True)
    for header in ("score", "of", "others", "of", "difference", "95%", "p"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in exam["benchmarks"]:
        table.add_row(f"{row['title']} {row['metric']}", "all", *_part(row["score"]), "", "", "", "", "")
        for line in (one for one in row["split"] or () if one["degree"] is None or one["similar"]["of"]):
            by = line["by"] if line["degree"] is None else f"{line['by']} ≥ {line['degree']}"
            table.add_row("", by, *_part(line["similar"]), *_part(line["other"]), *_apart(line["difference"]))
        told = row["twin"] or {}
        if told.get("drop"):
            table.add_row("", "its twin", *_part(told["original"]), *_part(told["twin"]), *_apart(told["drop"]))
        for name, (beside, one) in _memories(row):
            shares = (f"{one['auc']:.1%}", f"{one['low']:.1%} to {one['high']:.1%}", f"{one['p']:.3g}")
            table.add_row("", f"{name}, likelier than {beside}", "", f"{one['texts']:,}", "", "", *shares)
    return Group(table, *(Text(line, style="dim") for row in exam["benchmarks"] for line in notes(row)))


def _memories(row: Mapping[str, Any]) -> list[tuple[str, tuple[str, Mapping[str, Any]]]]:
    """Of each method each comparison that was made."""
    told = row["memory"] or {}
    words = {"twin": "its twin", "unseen": "unseen rows"}
    return [(name, (words[beside], told[beside][name])) for name in METHODS for beside in words if told.get(beside)]


def _part(told: Mapping[str, Any]) -> tuple[str, str]:
    return ("–" if told["share"] is None else f"{told['share']:.1%}", f"{told['of']:,}")


def _apart(told: Mapping[str, Any] | None) -> tuple[str, ...]:
    if told is None:
        return ("–", "", "")
    return (f"{told['difference']:+.1%}", f"{told['low']:+.1%} to {told['high']:+.1%}", f"{told['p']:.3g}")
