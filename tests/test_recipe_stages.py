"""Recipes that leave stages out, and sources that the teacher writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.recipe import available, load
from hornbook.report.figures import collect
from hornbook.runs.steps import Step

ADDRESS = "teacher.endpoints=['http://localhost:9/v1#m']"
SMALL = [
    "sources.0.path=teacher:stories#300", "model.vocabulary=400", "model.layers=1", "model.width=32", "model.heads=2",
    "model.mlp_width=32", "model.context=32", "pretrain.phase2.tokens=2048",
    "pretrain.batch=4", "pretrain.compile=false", "samples.new_tokens=8", "tokens.training_characters=20000",
]  # fmt: skip


def plan(recipe: str, *overrides: str) -> dict[str, Step]:
    return {step.name: step for step in load(available()[recipe], overrides).steps(Path())}


def test_the_pocket_recipe_has_every_usual_stage() -> None:
    found = plan("pocket")
    assert list(found) == [
        "read", "grade", "write", "clean", "tokens", "pretrain", "sft", "dpo", "evaluate", "quantize", "report",
    ]  # fmt: skip
    assert found["clean"].inputs == ("grade", "write")
    assert found["evaluate"].inputs == ("write", "tokens", "pretrain", "sft", "dpo")
    assert found["quantize"].inputs == ("dpo", "tokens", "write")
    for name in ("read", "grade", "write"):
        assert not {"teacher", "without", "rubric"} & found[name].settings.keys()


def test_stories_by_the_teacher_or_from_a_file() -> None:
    found = plan("stories")
    assert list(found) == ["texts", "clean", "tokens", "pretrain", "samples", "report"]
    assert found["clean"].inputs == ("texts",)
    found = plan("stories", "sources.0.path=tales.jsonl")
    assert list(found) == ["read", "clean", "tokens", "pretrain", "samples", "report"]
    assert found["clean"].inputs == ("read",)


def test_an_llm_grades_and_writes() -> None:
    found = plan("pocket", ADDRESS, "sources.1.path=teacher:textbooks#50")
    assert found["grade"].settings["teacher"] == found["write"].settings["teacher"] == "m"
    assert found["texts"].inputs == ("read",)  # textbooks may start from documents
    assert found["clean"].inputs == ("grade", "texts", "write")
    assert "texts" in found["report"].inputs
    other = plan("pocket", ADDRESS, "teacher.rubric=code", "teacher.exercises=false")
    assert other["grade"].settings != found["grade"].settings
    assert "teacher" not in other["write"].settings
    part = plan("pocket", ADDRESS, "teacher.exercises=false", "teacher.refusals=0.5")["write"].settings
    assert part["parts"] == {"refusals": 0.5, "refusal-pairs": 0.5}
    assert part["templates"].keys() == part["parts"].keys()
    moved = plan("pocket", "teacher.endpoints=['http://localhost:7/v1#m']", "sources.1.path=teacher:textbooks#50")
    assert moved["texts"].settings == found["texts"].settings  # who serves a model decides nothing


@pytest.mark.parametrize(
    ("left_out", "quantizes"), [(["dpo"], "sft"), (["sft", "dpo"], "pretrain"), (["evaluate", "grade"], "dpo")]
)
def test_stages_left_out(left_out: list[str], quantizes: str) -> None:
    found = plan("pocket", f"without={left_out}")
    assert not found.keys() & set(left_out)
    assert quantizes in found["quantize"].inputs
    for stage in found.values():
        assert set(stage.inputs) <= found.keys(), stage.name


def test_with_rows_of_ones_own_nothing_has_to_be_written() -> None:
    mixture = "[{sources=['library'], share=1.0}]"
    phases = [f"pretrain.{name}.mixture={mixture}" for name in ("phase1", "phase2")]
    found = plan(
        "pocket", "without=['write', 'evaluate', 'quantize']", "sft.data=['a.jsonl']", "dpo.data=['b.jsonl']", *phases
    )
    assert found["sft"].inputs == ("pretrain",) and found["dpo"].inputs == ("sft",)
    with pytest.raises(UserError, match="without: dpo can't be done without write"):
        plan("pocket", "without=['write', 'evaluate', 'quantize']", "sft.data=['a.jsonl']", *phases)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("without=['write']", "without: sft, dpo, evaluate, quantize can't be done without write"),
        ("without=['sft']", "dpo can't be done without sft"),
        ("without=['tokens']", "without: tokens can't be left out"),
        ("sources.0.path=teacher:textbooks#5", "the built-in teacher writes stories, facts; for textbooks name an LLM"),
        ("sources.0.path=teacher:stories#x", "is no order for a teacher"),
        ("teacher.endpoints=['http://localhost:9/v1']", "names no model"),
        ("teacher.endpoint=5", "teacher.endpoint is not a setting (did you mean 'endpoints'?)"),
        ("samples.prompts=[]", "samples: give openings in prompts"),
    ],
)
def test_mistakes(override: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load(available()["pocket"], [override])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_run_from_nothing_to_samples(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hornbook", "run", "stories", "--into", str(tmp_path / "run"), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = collect(tmp_path / "run")
    assert figures["stages"]["texts"]["documents"] == 300
    assert figures["stages"]["samples"]["validation_loss"]["phase2"]["stories"] > 0
    page = next((tmp_path / "run").glob("*-report/report.html")).read_text()
    assert "Texts by the teacher" in page
    assert "What it writes" in page
    assert "one fixed prompt" in page
