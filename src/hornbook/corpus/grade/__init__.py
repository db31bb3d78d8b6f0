"""The second stage: a teacher grades a sample, a classifier learns it and scores every document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.by_source import counts_by_source
from hornbook.corpus.grade.agreement import agreement, calibration
from hornbook.corpus.grade.classifier import (
    FILES,
    GRADES,
    Classifier,
    Features,
    classifier_folder,
    learn,
    learned,
    load,
)
from hornbook.corpus.grade.labels import MOST, Labels, labels
from hornbook.corpus.grade.sampling import choose, choose_of
from hornbook.corpus.grade.scoring import LOW, Cutoffs, score_corpus, shares_by_source
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.documents import Row, read_rows
from hornbook.errors import UserError
from hornbook.files import digest_file, expanded, write_bytes, write_json
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.stage import Input, Stage, Work
from hornbook.settings import Settings, deciding
from hornbook.teacher.interface import Grade, Grader
from hornbook.teacher.settings import TeacherSettings
from hornbook.terminal import in_markup

_EXAMPLE_CHARACTERS = 1_200


@dataclass(frozen=True)
class _Graded:
    """A document of the sample. Of its text, `text` is what the classifier and the report need."""

    id: str
    source: str
    path: str
    text: str
    grade: Grade
    held_out: bool


def grade(
    corpus: Path, grader: Grader | Labels, settings: GradeSettings, *, seed: int, into: Path, progress: Progress
) -> dict[str, Any]:
    """Give every document of `corpus` a `score`: the grade (0-5) that its teacher, or who gave the labels, is expected
    to give. A teacher is asked about a sample; labels all count.

    Writes `documents/` with the added column, `removed/` with what the settings say is not worth keeping,
    `grades.parquet` with the teacher's own grades, `classifier/`, and `examples.json` with the histogram of scores and
    the worst and best documents of the sample. Returns the figures; agreement and calibration are measured on held-out
    grades. Raises UserError when the teacher graded too few documents to learn from, and where no label is of the
    corpus or reaches the threshold.
    """
    graded, failed = _ask(corpus, _sample(corpus, grader, settings, seed), grader, settings, progress)
    lesson = [item for item in graded if not item.held_out]
    test = [item for item in graded if item.held_out]
    if not lesson or not test:
        raise UserError(
            f"{grader.name} graded {len(graded)} of {len(graded) + failed} sampled documents, too few to learn from"
        )
    classifier = learn(
        [item.text for item in lesson],
        [item.grade.score for item in lesson],
        Features(settings.characters, settings.features, settings.embeddings),
        settings.regularisation,
    )
    measured = _measured(test, classifier, settings.threshold, seed)
    told = {"grader": grader.name, "graded": len(graded), "held_out": len(test), "threshold": settings.threshold}
    classifier.save(into / "classifier", {**told, "agreement": measured["agreement"]})
    texts = [item.text for item in graded]
    predicted = [float(score) for score in classifier.score(texts)]
    _write_grades(graded, predicted, into / "grades.parquet")
    scored, cutoffs = score_corpus(corpus, into / "classifier", settings, into=into, progress=progress)
    examples = _examples(graded, predicted, settings.examples)
    write_json(into / "examples.json", {"histogram": scored["histogram"], **examples})
    return {
        **scored,
        **_kept(scored, cutoffs),
        **told,
        "failed": failed,
        "not_made_for": _not_made_for(graded, settings.share),
        "cuts": [round(float(cut), 4) for cut in classifier.cuts],
        "grades": _count_grades([item.grade.score for item in graded]),
        **measured,
        "examples": examples,
    }


def apply(corpus: Path, classifier: Path, settings: GradeSettings, *, into: Path, progress: Progress) -> dict[str, Any]:
    """Give every document of `corpus` the `score` of a classifier that was learned before, in the folder `classifier`.

    Writes what `grade` writes, but for the grades and examples that nobody gave. Of the figures, those of the
    agreement are as they were where it was learned.
    """
    for name in FILES:
        write_bytes(into / "classifier" / name, (classifier / name).read_bytes())
    scored, cutoffs = score_corpus(corpus, into / "classifier", settings, into=into, progress=progress)
    told = learned(into / "classifier")
    return {
        **scored,
        **_kept(scored, cutoffs),
        "graded": 0,
        "failed": 0,
        "held_out": 0,
        "threshold": settings.threshold,
        "cuts": [round(float(cut), 4) for cut in load(into / "classifier").cuts],
        "learned": told,
        "agreement": told.get("agreement") or {},
    }


def _kept(scored: dict[str, Any], cutoffs: Cutoffs) -> dict[str, Any]:
    """How many were dropped, and the scores that were enough. Raises UserError where all were."""
    if scored["documents"] and not scored["kept"]:
        raise UserError(
            "no document has a score that is enough: lower grade.threshold, or keep a share of the best with --share"
        )
    return {
        "removed": {LOW: scored["documents"] - scored["kept"]},
        "minimum_score": cutoffs.others.minimum,
        **({"minimum_scores": {name: one.minimum for name, one in cutoffs.of.items()}} if cutoffs.of else {}),
    }


def _sample(corpus: Path, grader: Grader | Labels, settings: GradeSettings, seed: int) -> list[str]:
    """The ids of the documents to be graded, in random order."""
    if not isinstance(grader, Labels):
        return choose_of(corpus, settings.sample, seed=seed)
    columns = ["id", "source", "original"]
    there = [row for row in read_rows(corpus, columns) if grader.grade([row])[0] is not None]
    if not there:
        raise UserError(f"{grader.name}: none of its {len(grader.scores):,} ids is a document's of {corpus}")
    best = max(grader.scores.values())
    if best < settings.threshold:
        raise UserError(
            f"{grader.name}: the highest is {best}, and documents count from threshold={settings.threshold} on; "
            f"set --threshold {max(1, best)}"
        )
    return choose(lambda: [(row["id"], row["source"] or "") for row in there], MOST, seed=seed)


def _not_made_for(graded: Sequence[_Graded], share: float | Mapping[str, float] | None) -> dict[str, list[int]]:
    """For each source with texts that the teacher was not made for, how many these are, and of how many.

    Of a source that is to be kept whole, grades decide nothing: it is left out.
    """
    whole = {source for source, asked in share.items() if asked == 1} if isinstance(share, Mapping) else set()
    of = Counter(item.source for item in graded if item.source not in whole)
    strange = Counter(item.source for item in graded if not item.grade.known and item.source in of)
    return {source: [number, of[source]] for source, number in sorted(strange.items())}


def _measured(test: Sequence[_Graded], classifier: Classifier, threshold: int, seed: int) -> dict[str, Any]:
    """How well the classifier agrees with the teacher, and how far its probabilities can be trusted."""
    true = [item.grade.score for item in test]
    texts = [item.text for item in test]
    certain = [float(chance) for chance in classifier.at_least(texts)[:, threshold - 1]]
    return {
        "agreement": agreement(true, classifier.grades(texts, threshold).tolist(), threshold, seed=seed),
        "calibration": calibration(certain, [score >= threshold for score in true]),
    }


def _ask(
    corpus: Path, sample: Sequence[str], grader: Grader | Labels, settings: GradeSettings, progress: Progress
) -> tuple[list[_Graded], int]:
    """Have the sample graded. Returns the graded documents in the sample's order, and how many grades failed."""
    place = {identity: number for number, identity in enumerate(sample)}
    kept_back = math.ceil(len(sample) * settings.held_out)
    characters = max(settings.characters, _EXAMPLE_CHARACTERS)
    graded: list[_Graded] = []
    with progress.task(f"grade with {grader.name}", total=len(sample)) as task:
        for rows in _sampled(corpus, place, settings.batch):
            for row, answer in zip(rows, _answers(rows, grader), strict=True):
                if answer is not None:
                    held_out = place[row["id"]] < kept_back
                    text, path = row["text"][:characters], row.get("path") or ""
                    graded.append(_Graded(row["id"], row["source"] or "", path, text, answer, held_out))
            task.advance(len(rows))
    return sorted(graded, key=lambda item: place[item.id]), len(sample) - len(graded)


def _answers(rows: Sequence[Row], grader: Grader | Labels) -> list[Grade | None]:
    return grader.grade(rows) if isinstance(grader, Labels) else grader.grade([row["text"] for row in rows])


def _sampled(corpus: Path, sample: Container[str], batch: int) -> Iterator[list[Row]]:
    """The documents of the sample in batches, each text once."""
    rows: list[Row] = []
    seen: set[str] = set()
    for row in read_rows(corpus, ["id", "text", "source", "path", "original"]):
        if row["id"] in sample and row["id"] not in seen:
            seen.add(row["id"])
            rows.append(row)
        if len(rows) == batch:
            yield rows
            rows = []
    if rows:
        yield rows


def _write_grades(graded: Sequence[_Graded], predicted: Sequence[float], path: Path) -> None:
    """The teacher's grades with the classifier's scores beside them, ordered by source and path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "id": item.id,
            "source": item.source,
            "path": item.path,
            "score": item.grade.score,
            "reason": item.grade.reason,
            "split": "held out" if item.held_out else "train",
            "predicted": score,
        }
        for item, score in zip(graded, predicted, strict=True)
    ]
    rows.sort(key=lambda row: (row["source"], row["path"], row["id"]))
    whole = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), whole, compression="zstd")
    write_bytes(path, whole.getvalue().to_pybytes())


def _examples(graded: Sequence[_Graded], predicted: Sequence[float], count: int) -> dict[str, list[Row]]:
    """The documents of the sample that the teacher liked least and most; chance decides among equals."""
    rows: list[Row] = [
        {
            "id": item.id,
            "source": item.source,
            "path": item.path,
            "score": item.grade.score,
            "predicted": score,
            "reason": item.grade.reason,
            "text": item.text[:_EXAMPLE_CHARACTERS],
        }
        for item, score in zip(graded, predicted, strict=True)
    ]
    worst = sorted(rows, key=lambda row: int(row["score"]))[:count]
    best = sorted(rows, key=lambda row: -int(row["score"]))[:count]
    return {"worst": worst, "best": best}


def _count_grades(scores: Sequence[int]) -> dict[str, int]:
    counted = Counter(scores)
    return {str(score): counted[score] for score in range(GRADES)}


class GradeStageSettings(Settings):
    """What the grade stage depends on."""

    seed: int = 1
    grade: GradeSettings = GradeSettings()
    teacher: TeacherSettings | None = None


def _grade(work: Work[GradeStageSettings]) -> dict[str, Any]:
    from hornbook.teacher.choose import grader

    settings = work.settings
    if isinstance(settings.grade.share, Mapping):  # a source that is not there is told before anything is graded
        shares_by_source(settings.grade.share, list(counts_by_source(work.inputs["corpus"])))
    options: Any = {"into": work.into, "progress": work.progress}
    if settings.grade.classifier is not None:
        folder = classifier_folder(settings.grade.classifier, work.base)
        return apply(work.inputs["corpus"], folder, settings.grade, **options)
    if settings.grade.labels is not None:
        given = labels(work.inputs["corpus"], settings.grade.labels, work.base)
        for fault in given.faults:
            work.progress.say(f"  {in_markup(f'{given.name}: {fault}, left out')}")
        if given.unusable > len(given.faults):
            work.progress.say(f"  {given.unusable:,} in all left out")
        return grade(work.inputs["corpus"], given, settings.grade, seed=settings.seed, **options)
    with grader(settings.teacher, work.base, work.progress) as teacher:
        return grade(work.inputs["corpus"], teacher, settings.grade, seed=settings.seed, **options)


def _outside(settings: GradeStageSettings, base: Path) -> Any:
    """What the user's own grades are, or the classifier that is applied."""
    own = settings.grade
    if own.classifier is not None:
        folder = classifier_folder(own.classifier, base)
        return [digest_file(folder / name) for name in FILES if (folder / name).is_file()]
    table = None if own.labels is None else base / expanded(own.labels)
    return digest_file(table) if table is not None and table.is_file() else None


def _grade_reads(settings: GradeStageSettings, base: Path) -> list[Path]:
    named = [one for one in (settings.grade.labels, settings.grade.classifier) if one is not None]
    return [place for place in (base / expanded(one) for one in named) if place.exists()]


def _in_a_line(figures: dict[str, Any]) -> str:
    agreement = figures["agreement"]
    if "learned" in figures:
        return f"{figures['documents']:,} scored by a classifier of {figures['learned'].get('grader', 'old')}"
    return (
        f"{figures['graded']:,} graded; kappa {agreement['kappa']['value']:.2f}, F1 {agreement['f1']['value']:.2f} "
        f"({agreement['always_yes']['value']:.2f} by always yes)"
    )


def _grade_decides(settings: GradeStageSettings, base: Path) -> dict[str, Any]:
    from hornbook.teacher.choose import grades_settings

    return {"seed": settings.seed, **deciding(settings.grade), **grades_settings(settings.teacher, base)}


GRADE = Stage(
    name="grade",
    summary="educational value 0-5",
    settings=GradeStageSettings,
    run=_grade,
    on_workers=True,
    inputs=(Input("corpus", ("filter", "read"), "A corpus folder: one with documents/ in it."),),
    leave_out=True,
    decides=_grade_decides,
    outside=_outside,
    reads=_grade_reads,
    headline=_in_a_line,
    estimate=lambda settings, volume: Effort(f"{settings.grade.sample:,} graded", volume.raw / 2.5e6),
)
