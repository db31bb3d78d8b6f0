"""The examination as a benchmark of a run: put to every checkpoint, where `evaluate.exam` names what is asked."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path

from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Result, Scores, Subject
from hornbook.evaluate.exam.settings import ExamSettings

FOLDER = "exam"  # of a stage: a result for each checkpoint, as `hornbook evaluate --into` leaves it


def _load(held_out: HeldOut, settings: EvaluateSettings) -> ExamSettings | None:
    return settings.exam if settings.exam is not None and settings.exam.asked else None


def _run(subject: Subject, settings: ExamSettings) -> Result | None:
    from hornbook.evaluate.exam.candidate import LocalModel
    from hornbook.evaluate.exam.examination import PARTS, asks, examine
    from hornbook.files import digest_value, remove_folder

    if subject.tokenizer.template is None and (settings.chat or asks(settings) <= {"reply", "dialogue"}):
        return None
    candidate = LocalModel(
        subject.model,
        subject.tokenizer,
        subject.name,
        digest_value(subject.name),
        chat=settings.chat,
        tokens=settings.tokens,
    )
    with nullcontext(subject.into) if subject.into is not None else tempfile.TemporaryDirectory() as place:
        into = Path(place) / FOLDER / subject.name
        figures = examine(candidate, settings, subject.progress, into, allow_unisolated=subject.allow_unisolated)
        remove_folder(into / PARTS)
    return Result({"suite": settings.suite, **{name: figures[name] for name in ("benchmarks", "missing")}})


def _in_words(scores: Scores) -> str:
    told = [
        f"{one['title']} {one['metrics'][one['metric']]['value']:.1%}"
        for one in scores["benchmarks"].values()
        if one["metric"] in one["metrics"]
    ]
    return ", ".join(told)


EXAM = Benchmark("exam", _load, _run, in_words=_in_words)
