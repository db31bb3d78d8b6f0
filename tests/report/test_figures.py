from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from hornbook.recipe import STAGES
from hornbook.report.figures import collect, without_nan


def root_of(folders: dict[str, Path]) -> Path:
    return next(iter(folders.values())).parent


def test_collect_gathers_every_stage(make_run):
    collected = collect(root_of(make_run()))
    assert collected["pass_at_1"] == {"phase1": 0.0, "phase2": 0.5, "sft": 0.5, "dpo": 0.75, "4bit": 0.5}
    stages = list(collected["stages"])
    assert (stages[0], stages[-1]) == ("read", "quantize")
    assert collected["seconds"] == sum(range(1, 11))
    assert collected["peak_memory"] == 10_000_000
    assert collected["stages"]["pretrain"]["loss"] == {"phase1": 3.0, "phase2": 1.0}
    assert collected["stages"]["pretrain"]["curves"]["loss"] == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert collected["changes"]["sft"] == {"against": "phase2", "gained": 1, "lost": 1, "p": 1.0}


def test_collect_is_plain_json(make_run, figures):
    figures["sft"]["loss"] = math.nan
    figures["dpo"]["more"] = [1.0, math.inf, {"deep": -math.inf}]
    collected = collect(root_of(make_run(figures)))
    text = json.dumps(collected, allow_nan=False)
    assert json.loads(text) == collected
    assert collected["stages"]["sft"]["loss"] is None
    assert collected["stages"]["dpo"]["more"] == [1.0, None, {"deep": None}]


def test_collect_of_an_empty_folder(tmp_path):
    collected = collect(tmp_path)
    assert collected["pass_at_1"] == {} and collected["stages"] == {} and collected["seconds"] == 0


def test_collect_of_a_partial_run(make_run, figures):
    del figures["quantize"], figures["dpo"], figures["evaluate"]["models"]["dpo"]
    assert list(collect(root_of(make_run(figures)))["pass_at_1"]) == ["phase1", "phase2", "sft"]


def test_without_nan_keeps_everything_else():
    value = {"a": [1, 2.5, "nan", None, True], "b": {"c": (1, 2)}}
    assert without_nan(value) == {"a": [1, 2.5, "nan", None, True], "b": {"c": [1, 2]}}


@pytest.mark.parametrize(
    ("stage", "part"),
    [
        ("read", "9 documents"),
        ("grade", "kappa 0.80, F1 0.80 (0.70 by always yes)"),
        ("write", "4 exercises of 2 families"),
        ("clean", "10 documents kept, 3 removed"),
        ("tokens", "vocabulary of 300"),
        ("pretrain", "loss 3.00 → 1.00"),
        ("sft", "loss 0.90"),
        ("dpo", "50% → 90%"),
        ("evaluate", "phase1 0.0%, phase2 50.0%, sft 50.0%, dpo 75.0%"),
        ("quantize", "4bit 50.0%"),
    ],
)
def test_every_stage_has_a_headline(figures, stage, part):
    line = STAGES[stage].in_a_line(figures[stage])
    assert part in line
    assert len(line) <= 60


def test_headline_of_what_is_unknown():
    assert STAGES["read"].in_a_line({}) == ""
    assert STAGES["grade"].in_a_line({"graded": 3, "agreement": None}) == ""
