"""A run that went on from a model: the model as it came stands first, its replies and its control stand beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.files import read_json, write_json
from hornbook.report.report import REPORT, ReportStageSettings, report
from hornbook.report.run import Run
from hornbook.report.sections.control import trained_tokens

from ..conftest import EVIL, PASSED, answers, scores, write_files, write_manifests


def rows(right: bool) -> list[dict[str, Any]]:
    return [
        {"set": "general", "question": f"Sky {EVIL}?", "answers": ["blue"], "reply": f"It is {EVIL}", "right": right},
        {"set": "general", "question": "A tip?", "answers": [], "reply": "Read.", "right": None},
        {"set": "own", "question": "The key?", "answers": ["mat"], "reply": "Mat", "right": right},
    ]


def make(root: Path, figures: dict[str, Any], gains: float = 0.0) -> dict[str, Path]:
    """A run with questions, the model that it went on from in front; its losses are `gains` lower."""
    models = {"before": scores([False] * 4, 0.0), **figures["evaluate"]["models"]}
    for number, (name, one) in enumerate(models.items()):
        told = {"general": {"right": number % 2, "of": 1}, "own": {"right": number % 2, "of": 1}}
        models[name] = one | {"questions": told, "validation_loss": {"general": 3.0 - gains}}
    write_files(root)
    write_json(root / "09-evaluate" / "before.json", answers([False] * 4, refused=False))
    for number, name in enumerate(models):
        file = root / "09-evaluate" / f"{name}.json"
        write_json(file, read_json(file) | {"questions": rows(bool(number % 2)), "scores": models[name]})
    evaluated = {**figures["evaluate"], "models": models, "titles": {"before": "no training"}}
    return write_manifests(root, figures | {"evaluate": evaluated})


def test_the_model_as_it_came_stands_first(tmp_path: Path, figures: dict[str, Any]) -> None:
    make(tmp_path, figures)
    titles = Run.at(tmp_path).titles
    assert list(titles.values()) == ["no training", "phase 1", "phase 2", "SFT", "DPO", "4 bits", "8 bits"]


def test_replies_stand_side_by_side(tmp_path: Path, figures: dict[str, Any]) -> None:
    report("tutor", "", make(tmp_path / "run", figures), into=tmp_path)
    page = (tmp_path / "report.html").read_text()
    part = page.split('<section id="questions"')[1].split("</section>")[0]
    assert "after no training and after DPO" in part
    assert part.count("<article") == 6 and part.count("✗ not right") == 4
    assert "The key?" in part and EVIL not in part
    assert "It solves the same problems as after no training." in page


def test_a_run_is_held_against_its_control(tmp_path: Path, figures: dict[str, Any]) -> None:
    here = make(tmp_path / "run", figures)
    settings = ReportStageSettings(control="control")
    assert REPORT.outside(settings, tmp_path) is None
    report("tutor", "", here, into=tmp_path, control=None)
    assert 'id="control"' not in (tmp_path / "report.html").read_text()
    other = {name: one for name, one in figures.items() if name != "quantize"}
    make(tmp_path / "control", {**other, "sft": {**figures["sft"], "tokens": 1000}}, gains=-2.5)
    told = REPORT.outside(settings, tmp_path)
    assert told
    report("tutor", "", here, into=tmp_path, control=tmp_path / "control")
    part = (tmp_path / "report.html").read_text().split('<section id="control"')[1].split("</section>")[0]
    assert "768 tokens here and 1,768 in the control" in part
    assert part.count('<tr><th scope="row"') == 5  # of what both have: no 4 bits there
    assert '<td class="number">3.00</td><td class="number">5.50</td>' in part
    assert f"{sum(PASSED['dpo']) / 4:.1%}" in part
    assert trained_tokens(Run.at(tmp_path / "control")) == 1768
    assert REPORT.told(settings, tmp_path) == REPORT.told(ReportStageSettings(), tmp_path)
