"""The tutor's table, from runs that are made up; `tests/test_tutor.py` measures a real one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.scripts import ROOT, script

from hornbook.errors import UserError
from hornbook.files import read_json, write_text
from hornbook.runs.manifest import Manifest

tutor = script("tutor")
DPO = "| DPO | 75.0% (70.0–80.0) | 75.0% (70.0–80.0) | 48.0 (47.0–49.0) | 20.0% (17.5–22.5) | 8.0 (7.0–9.0) |"
MACHINE = {"processor": "a chip", "cores": 2, "system": "Linux x86_64"}


def made(folder: Path, passed: int, right: int) -> None:
    """A finished run of a model as it came, solving nothing, and as it became."""

    def scores(solved: int, answered: int, perplexity: float = 40) -> dict[str, Any]:
        style = {"pass_at_1": solved / 200, "passed": solved, "of": 200, "interval": [0.1, 0.9], "families": {}}
        questions = {"general": {"right": answered, "of": 9}}
        return {
            "completion": style,
            "chat": style,
            "questions": questions,
            "validation_loss": {"general": math.log(perplexity)},
        }

    stages: dict[str, dict[str, Any]] = {
        "pretrain": {"tokens": {"phase1": 20, "phase2": 140}, "computing": "cpu, bf16"},
        "sft": {"tokens": 60},
        "dpo": {"tokens": 30},
        "evaluate": {"problems": 200, "models": {"before": scores(0, 8), "dpo": scores(passed, right, 40 + right)}},
        "report": {"bytes": 9},
    }
    titles = {"dpo": [{"name": "dpo", "folder": "model", "title": "DPO", "shrunk": False}]}
    for number, (stage, told) in enumerate(stages.items(), start=1):
        place = folder / f"{number:02d}-{stage}"
        place.mkdir(parents=True)
        facts: dict[str, Any] = {
            "stage": stage, "key": "k", "settings": {}, "inputs": {}, "code": "c", "figures": told, "seconds": 90.0,
            "peak_memory": 6_100_000_000, "outputs": {}, "machine": MACHINE, "versions": {"torch": "2.13.0"},
            "checkpoints": titles.get(stage, []),
        }  # fmt: skip
        Manifest(**facts).write(place)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    for seed, passed, right in ((1, 140, 7), (2, 150, 8), (3, 160, 9)):
        made(tmp_path / f"seed-{seed}", passed, right)
        made(tmp_path / f"control-{seed}", 0, 0)
    places = [tmp_path / "README.md", tmp_path / "docs" / "tutor.md"]
    for place in places:
        write_text(place, f"# A\n\n{tutor.BEGIN}\nold\n{tutor.END}\n\nB\n")
    monkeypatch.setattr(tutor, "ROOT", tmp_path)
    monkeypatch.setattr(tutor, "PLACES", places)
    monkeypatch.setattr(tutor, "FIGURES", tmp_path / "tutor.json")
    monkeypatch.setattr(tutor, "describe", lambda: MACHINE)
    return places


def test_the_table_holds_the_seeds_against_the_controls(pages: list[Path], tmp_path: Path) -> None:
    tutor.main(["--runs", str(tmp_path), "--read"])
    for place, figures in zip(pages, ("benchmarks/tutor.json", "../benchmarks/tutor.json"), strict=True):
        text = place.read_text(encoding="utf-8")
        assert text.startswith("# A\n") and text.endswith("B\n") and "old" not in text
        assert "| no training | 0.0% | 0.0% | 40.0 | – | 8.0 | 0.0% |" in text
        assert DPO + " 0.0% |" in text
        words = " ".join(text.split())
        assert "250 tokens are trained on; the whole takes 7 min 30 s, with" in words and f"({figures})" in words
    assert read_json(tmp_path / "tutor.json")["runs"][0]["tokens"] == {
        "phase1": 20,
        "phase2": 140,
        "sft": 60,
        "dpo": 30,
    }
    before = pages[0].read_text(encoding="utf-8")
    tutor.main([])
    assert pages[0].read_text(encoding="utf-8") == before, "of the figures alone it is the same"


def test_controls_may_be_fewer_and_times_those_of_lone_runs(pages: list[Path], tmp_path: Path) -> None:
    tutor.main(["--runs", str(tmp_path), "--read", "--controls", "2", "--timed", "1"])
    words = " ".join(pages[0].read_text(encoding="utf-8").split())
    assert "with the same tokens (seed 2): what pretraining was worth" in words
    assert "takes 7 min 30 s (seed 1, alone on the machine), with" in words
    tutor.main(["--runs", str(tmp_path), "--read", "--controls"])
    text = pages[0].read_text(encoding="utf-8")
    assert "random weights" not in text and f"{DPO}\n" in text


def test_what_is_missing_is_told_in_a_line(pages: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name web pages with --web"):
        tutor.main(["--runs", str(tmp_path)])
    with pytest.raises(UserError, match="no finished run"):
        tutor.main(["--runs", str(tmp_path), "--read", "--seeds", "4"])
    write_text(pages[1], "# A\n")
    with pytest.raises(UserError, match=r"tutor.md has no place for the table"):
        tutor.main(["--runs", str(tmp_path), "--read"])


def test_the_pages_have_a_place_for_it() -> None:
    for place in ("README.md", "docs/tutor.md"):
        text = (ROOT / place).read_text(encoding="utf-8")
        assert text.count(tutor.BEGIN) == text.count(tutor.END) == 1
