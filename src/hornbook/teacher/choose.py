"""Who grades and writes in a run: the LLM of the recipe's `[teacher]` table, or the built-in teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.progress import Progress
from hornbook.teacher.interface import Grader, Writer
from hornbook.teacher.settings import TeacherSettings

if TYPE_CHECKING:
    from hornbook.teacher.kinds.template import Kind


def grades_settings(teacher: TeacherSettings | None, base: Path) -> dict[str, Any]:
    """What of the teacher decides the grades; empty for the built-in one. Relative files start from `base`."""
    if teacher is None or not teacher.grades:
        return {}
    from hornbook.teacher import rubrics

    rubric = rubrics.load(teacher.rubric, base)
    return {"teacher": teacher.client().model, "rubric": rubric.name, "rubric_digest": rubric.digest}


def writes_settings(teacher: TeacherSettings | None, base: Path) -> dict[str, Any]:
    """What of the teacher decides what the write stage writes; empty for the built-in one."""
    if teacher is None or not _writes(teacher):
        return {}
    templates = {name: kind.digest for name, (kind, _) in _chats(teacher, base).items()}
    if teacher.exercises:
        templates["exercises"] = _load(teacher.template, base).digest
    parts = {name: part for name, part in teacher.parts.items() if part}
    return {"teacher": teacher.client().model, "templates": templates, **({"parts": parts} if parts else {})}


def _writes(teacher: TeacherSettings) -> bool:
    return teacher.exercises or any(teacher.parts.values())


def _chats(teacher: TeacherSettings, base: Path) -> dict[str, tuple[Kind, float]]:
    """The templates of conversations and preferences that the LLM has a part in, with that part."""
    return {name: (_load(name, base), part) for name, part in teacher.parts.items() if part}


def _load(name: str, base: Path) -> Kind:
    from hornbook.teacher.kinds.template import load

    return load(name, base)


@contextmanager
def grader(teacher: TeacherSettings | None, base: Path, progress: Progress) -> Iterator[Grader]:
    """Who grades, for as long as the block lasts."""
    if teacher is None or not teacher.grades:
        from hornbook.teacher.builtin.teacher import BuiltinTeacher

        yield BuiltinTeacher()
        return
    from hornbook.teacher import rubrics
    from hornbook.teacher.client.client import asking
    from hornbook.teacher.llm import LlmGrader

    with asking(teacher.client(), progress) as client:
        yield LlmGrader(client, rubrics.load(teacher.rubric, base))


@contextmanager
def writer(
    teacher: TeacherSettings | None,
    base: Path,
    progress: Progress,
    *,
    families: int | None = None,
    names: int | None = None,
) -> Iterator[Writer]:
    """Who writes exercises, conversations and preferences, for as long as the block lasts.

    families, names: how varied the built-in teacher's exercises are; see `WriteSettings`.
    """
    from hornbook.teacher.builtin.teacher import BuiltinTeacher

    builtin = BuiltinTeacher(families, names)
    if teacher is None or not _writes(teacher):
        yield builtin
        return
    from hornbook.teacher.client.client import asking
    from hornbook.teacher.llm import LlmWriter

    with asking(teacher.client(), progress) as client:
        exercises = _load(teacher.template, base) if teacher.exercises else None
        yield LlmWriter(client, exercises, _chats(teacher, base), builtin)
