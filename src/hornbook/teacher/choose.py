"""Who grades and writes in a run: the LLM of the recipe's `[teacher]` table, or the built-in teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hornbook.progress import Progress
from hornbook.teacher.interface import Grader, Writer
from hornbook.teacher.kinds.settings import TeacherSettings


def grades_settings(teacher: TeacherSettings | None, base: Path) -> dict[str, Any]:
    """What of the teacher decides the grades; empty for the built-in one. Relative files start from `base`."""
    if teacher is None or not teacher.grades:
        return {}
    from hornbook.teacher import rubrics

    rubric = rubrics.load(teacher.rubric, base)
    return {"teacher": teacher.client().model, "rubric": rubric.name, "rubric_digest": rubric.digest}


def writes_settings(teacher: TeacherSettings | None, base: Path) -> dict[str, Any]:
    """What of the teacher decides the exercises; empty for the built-in one."""
    if teacher is None or not teacher.exercises:
        return {}
    from hornbook.teacher.kinds.template import load

    return {"teacher": teacher.client().model, "template_digest": load(teacher.template, base).digest}


@contextmanager
def grader(teacher: TeacherSettings | None, base: Path, progress: Progress) -> Iterator[Grader]:
    """Who grades, for as long as the block lasts."""
    if teacher is None or not teacher.grades:
        from hornbook.teacher.builtin.teacher import BuiltinTeacher

        yield BuiltinTeacher()
        return
    from hornbook.teacher import rubrics
    from hornbook.teacher.client.client import Client
    from hornbook.teacher.llm import LlmGrader

    with Client(teacher.client(), progress) as client:
        yield LlmGrader(client, rubrics.load(teacher.rubric, base))
        progress.say(f"  {client.name}: {client.figures.line()}")


@contextmanager
def writer(teacher: TeacherSettings | None, base: Path, progress: Progress) -> Iterator[Writer]:
    """Who writes exercises, for as long as the block lasts."""
    if teacher is None or not teacher.exercises:
        from hornbook.teacher.builtin.teacher import BuiltinTeacher

        yield BuiltinTeacher()
        return
    from hornbook.teacher.client.client import Client
    from hornbook.teacher.kinds.template import load
    from hornbook.teacher.llm import LlmWriter

    with Client(teacher.client(), progress) as client:
        yield LlmWriter(client, load(teacher.template, base))
        progress.say(f"  {client.name}: {client.figures.line()}")
