"""The recipes of the line: they validate and can be planned and shown without a network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.recipe import available, load
from hornbook.runs.folders import final_model, stage_folders
from hornbook.train.optimizers import scheduled

LINE = {
    "phi-1": (1_418_270_720, 50_331_648_000 + 3_145_728_000),
    "phi-1.5": (1_418_270_720, 150_000_000_000),
    "phi-3-mini": (3_821_079_552, 3_300_000_000_000),
    "phi-3-small": (7_392_272_384, 4_800_000_000_000),
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> Any:
        raise AssertionError(f"a network was asked for: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", sorted(LINE))
@pytest.mark.usefixtures("no_network")
def test_a_dry_run_needs_no_network_and_builds_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", name, "--dry-run"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "Nothing was run" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
def test_every_one_runs_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read to report, with what they tell of rates, schedules and batches; what they share is made once."""
    monkeypatch.chdir(tmp_path)
    for name in sorted(LINE):
        done = CliRunner().invoke(app, ["run", name, "--smoke", "--without-isolation"])
        assert done.exit_code == 0, done.output
        assert f"runs/smoke/{name}/" in done.output and "Cut for a trial: " in done.output
        run = Path("runs/smoke") / name
        assert load(run / "recipe.toml").name == f"{name} (smoke)"
        assert final_model(run) is not None
        assert [step.name for step in load(available()[name]).steps(Path())] == list(stage_folders(run))
    assert not Path("runs/phi-1").exists()
    again = CliRunner().invoke(app, ["run", "phi-1", "--smoke"])
    assert "Everything is done already" in again.output


def test_trying_one_needs_only_what_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["run", "phi-3-small", "--smoke", "--dry-run"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(LINE))
def test_sizes_are_the_published_ones(name: str) -> None:
    recipe = load(available()[name])
    parameters, tokens = LINE[name]
    assert recipe.model.parameters() == parameters
    assert recipe.pretrain.phase1.tokens + recipe.pretrain.phase2.tokens == tokens
    assert recipe.pretrain.optimizer == "adamw"


def test_phi_1_5_trains_as_the_paper_tells() -> None:
    trained = load(available()["phi-1.5"]).pretrain
    assert (trained.learning_rate, trained.betas, trained.epsilon) == (2e-4, (0.9, 0.98), 1e-7)
    assert (trained.weight_decay, trained.batch) == (0.1, 2048)
    assert {scheduled(trained, step, 100) for step in range(100)} == {1.0}
    for phase in (trained.phase1, trained.phase2):
        synthetic = sum(part.share for part in phase.mixture if part.sources == ("textbooks",))
        assert synthetic == 0.8


def test_phi_1_trains_as_the_paper_tells() -> None:
    trained = load(available()["phi-1"]).pretrain
    base, tuned = trained.of(trained.phase1), trained.of(trained.phase2)
    steps = [phase.tokens / (one.batch * 2048) for phase, one in ((trained.phase1, base), (trained.phase2, tuned))]
    assert steps == [24_000, 6_000]
    assert (base.learning_rate, base.weight_decay, base.batch) == (1e-3, 0.1, 1024)
    assert (tuned.learning_rate, tuned.weight_decay, tuned.batch) == (1e-4, 0.01, 256)
    assert [round(one.warmup * count) for one, count in zip((base, tuned), steps, strict=True)] == [750, 50]
    assert scheduled(base, 23_999, 24_000) == pytest.approx((36_000 - 24_000) / (36_000 - 750), abs=1e-3)
    assert scheduled(tuned, 5_999, 6_000) < 1e-3
    assert trained.phase2.candidates == 6
    assert (trained.dropout.attention, trained.dropout.residual) == (0.1, 0.1)


def test_a_tenth_of_phi_3_small_is_in_other_languages() -> None:
    trained = load(available()["phi-3-small"]).pretrain
    foreign = sum(
        part.share * phase.tokens
        for phase in (trained.phase1, trained.phase2)
        for part in phase.mixture
        if part.languages == ("!en",)
    )
    assert foreign / 4.8e12 == pytest.approx(0.1, abs=0.003)


def test_a_model_like_another_one(tmp_path: Path) -> None:
    pocket = available()["pocket"].read_text()
    head, _, tail = pocket.partition("[model]")
    rest = tail.partition("[pretrain]")[2]
    (tmp_path / "one.toml").write_text(f'{head}[model]\nlike = "phi-1.5"\ncontext = 512\n[pretrain]{rest}')
    model = load(tmp_path / "one.toml").model
    assert (model.layers, model.width, model.block, model.context) == (24, 2048, "parallel", 512)
    assert load(tmp_path / "one.toml", ["model.layers=2"]).model.layers == 2
    with pytest.raises(UserError, match=r"model: like: .*'phi-9' \(did you mean 'phi-4'"):
        load(tmp_path / "one.toml", ["model.like=phi-9"])
    with pytest.raises(UserError, match=r"model\.heads: |model: width 2048 is not a multiple of heads 7"):
        load(tmp_path / "one.toml", ["model.heads=7"])


def test_rules_for_web_pages_leave_code_alone() -> None:
    for name in ("phi-3-mini", "phi-3-small"):
        recipe = load(available()[name])
        assert "web" in recipe.filter.heuristics.sources
        assert not {"code", "problems", "mathematics", "textbooks"} & set(recipe.filter.heuristics.sources)
    with pytest.raises(UserError, match=r"filter\.heuristics\.sources names the unknown source 'wed'.*'web'"):
        load(available()["phi-3-mini"], ['filter.heuristics.sources=["wed"]'])


def test_a_tokenizer_that_is_learnt_here_uses_every_id() -> None:
    assert load(available()["phi-3-small"]).model.dummy_tokens == ()


def test_languages_need_somebody_who_identifies_them() -> None:
    pocket = available()["pocket"]
    wanted = ["pretrain.phase2.mixture.0.languages=['en']"]
    with pytest.raises(UserError, match=r"set filter\.language\.identify to true"):
        load(pocket, wanted)
    assert load(pocket, [*wanted, "filter.language.identify=true"]).pretrain.phase2.mixture[0].languages == ("en",)
