from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.teacher.settings import TeacherSettings
from hornbook.teacher.texts import write_texts


class Heard(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def _write(teacher: Any, tmp_path: Path, into: str) -> tuple[dict[str, Any], list[str]]:
    settings = TeacherSettings(endpoints=(f"{teacher.url}#small",), cache=str(tmp_path / "answers"), compare=0)
    heard = Heard()
    figures = write_texts(
        {"tales": "teacher:stories#3"}, settings, None, base=tmp_path, seed=1, into=tmp_path / into, progress=heard
    )
    return figures, heard.said


def test_who_was_asked_is_told(tmp_path: Path, start_teacher: Callable[..., Any]) -> None:
    teacher = start_teacher()
    figures, said = _write(teacher, tmp_path, "a")
    assert figures["documents"] == 3
    assert "tales: 3 of 3 answered, 0 from the cache" in said[-1]
    assert "all from the cache" in _write(teacher, tmp_path, "b")[1][-1]


def test_a_source_of_which_nothing_passes_ends_the_stage(tmp_path: Path, start_teacher: Callable[..., Any]) -> None:
    teacher = start_teacher(lambda body, said: {**said, "story": "Too short."})
    with pytest.raises(UserError, match="tales: of 15 rows by small not one passed its checks"):
        _write(teacher, tmp_path, "a")
    assert not list(tmp_path.glob("a/**/*.parquet"))
