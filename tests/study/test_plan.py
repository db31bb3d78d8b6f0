"""What a study would do and cost, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.planning.teaching import teaching
from hornbook.recipe import available, load
from hornbook.study.plan import plan
from hornbook.study.settings import Study, runs_of

LLM = {"teacher.endpoints": ["http://localhost:9/v1#m,price_in=1,price_out=4"]}


def study(**settings: object) -> Study:
    return Study.model_validate(
        {
            "recipe": "pocket",
            "against": "plain",
            "seeds": [1, 2],
            "settings": settings,
            "arms": {"plain": {}, "slow": {"pretrain.learning_rate": 1e-4}},
        }
    )


def test_an_llm_is_paid_once_for_what_several_runs_read(tmp_path: Path) -> None:
    paid = {one.name: one.teacher_dollars for one in plan(study(**LLM), runs_of(study(**LLM), tmp_path), tmp_path)}
    overrides = [f"{key}={value}".replace("'", '"') for key, value in LLM.items()]
    whole = teaching(load(available()["pocket"], overrides), tmp_path).dollars((1.0, 4.0))
    assert paid["plain-1"] == pytest.approx(whole) and whole > 1
    assert paid["slow-1"] == paid["slow-2"] == 0


def test_what_an_llm_writes_as_a_source_is_paid_by_the_run_that_makes_it(tmp_path: Path) -> None:
    stories = {"sources.0.path": "teacher:stories#500"}
    wanted = study(**LLM, **stories).model_copy(update={"recipe": "stories"})
    paid = {one.name: one.teacher_dollars for one in plan(wanted, runs_of(wanted, tmp_path), tmp_path)}
    assert paid["plain-1"] > 0 and paid["slow-1"] == paid["slow-2"] == 0


def test_the_built_in_teacher_costs_nothing(tmp_path: Path) -> None:
    assert {one.teacher_dollars for one in plan(study(), runs_of(study(), tmp_path), tmp_path)} == {0.0}


def test_a_dry_run_tells_time_and_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["study", "rates", "--dry-run"], env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    assert (
        "in all, one run at a time" in told.output and "at most where a core is rented at $0.04 an hour" in told.output
    )
    assert "the LLM" not in told.output and not any(tmp_path.iterdir())
