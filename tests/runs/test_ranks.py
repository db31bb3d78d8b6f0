"""What rank 0 tells the others of a stage's work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hornbook.progress import Progress
from hornbook.runs import ranks
from hornbook.runs.stage import Stage, Work
from hornbook.settings import Settings


class TimesSettings(Settings):
    times: int = 1
    words: tuple[str, ...] = ()


class TimesStageSettings(Settings):
    seed: int = 1
    times: TimesSettings = TimesSettings()


class Calls:
    """The calls of a process to itself, as JSON text."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def tell(self, call: Any) -> None:
        self._told.append(json.dumps(call))

    def wait(self) -> Any:
        return json.loads(self._told.pop(0))


def test_others_do_the_same_work_by_settings_of_which_the_same_were_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Work[TimesStageSettings]] = []

    def run(work: Work[TimesStageSettings]) -> dict[str, Any]:
        done.append(work)
        return {}

    stage = Stage(name="times", summary="", settings=TimesStageSettings, run=run, on_ranks=True)
    monkeypatch.setattr(ranks, "_calls", Calls())
    monkeypatch.setattr(ranks, "world", lambda: 2)
    settings = TimesStageSettings(times=TimesSettings(words=("a",)))
    ranks.perform(stage, Work(settings, {"text": tmp_path}, tmp_path / "into", Progress(), base=tmp_path))
    ranks.release()
    ranks.follow([stage])
    mine, theirs = done
    assert (theirs.settings, theirs.inputs, theirs.into, theirs.base) == (settings, mine.inputs, mine.into, mine.base)
    assert theirs.settings.times.model_fields_set == {"words"}
