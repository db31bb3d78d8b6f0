"""A line for each step, once, whatever happens on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.train.test_resume import StopAfter, Stopped, run_pretrain

from hornbook.progress import Progress
from hornbook.runs import manifest
from hornbook.train import state
from hornbook.train.figures import Figures, read

KNOWN = {"step", "tokens", "loss", "learning_rate", "muon_learning_rate", "rate", "gradient_norm"}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "training" / "figures.jsonl").read_text().splitlines()]


def test_each_step_is_a_line_while_the_training_goes_on(
    tokens_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No state is stored after the fifth step: the sixth and seventh are taken back, and so is half a line."""
    whole = tmp_path / "whole"
    run_pretrain(tokens_folder, whole, Progress())
    due = iter([False] * 4 + [True])
    monkeypatch.setattr(state.Pace, "due", property(lambda pace: next(due, False)))
    stopped = tmp_path / "stopped"
    with pytest.raises(Stopped):
        run_pretrain(tokens_folder, stopped, StopAfter(7))
    assert [one["step"] for one in lines(stopped)] == [*range(1, 9)], "written before anything else is done with a step"
    with (stopped / "training" / "figures.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')
    run_pretrain(tokens_folder, stopped, Progress())
    assert read(stopped) == read(whole)
    found = lines(stopped)
    assert [one["step"] for one in found] == [*range(1, 15)]
    assert all(set(one) == KNOWN | {"seconds", "tokens_per_second"} for one in found)
    assert [one["tokens"] for one in found] == [step * 4 * 64 for step in range(1, 15)]
    seconds = [one["seconds"] for one in found]
    assert seconds == sorted(seconds), "time goes on where the state was, not from nothing"
    assert all(one["gradient_norm"] > 0 and one["tokens_per_second"] > 0 for one in found)


def test_times_are_no_part_of_a_result(tokens_folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_pretrain(tokens_folder, tmp_path / name, Progress())
    a, b = tmp_path / "a", tmp_path / "b"
    assert lines(a) != lines(b)
    assert manifest.outputs(a) == manifest.outputs(b)
    assert manifest.FIGURES not in manifest.outputs(a)
    assert manifest.beside(a) == [manifest.FIGURES]


def test_what_json_cannot_hold_is_null(tmp_path: Path) -> None:
    figures = Figures(tmp_path, [])
    with figures.open():
        figures.add({"step": 1, "loss": 2.0, "margin": float("inf")})
    assert lines(tmp_path)[0]["margin"] is None
