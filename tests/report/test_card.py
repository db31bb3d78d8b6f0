"""The report card of a single training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import EVIL

from hornbook.files import write_json, write_jsonl
from hornbook.report.card import gather, page, training
from hornbook.report.run import Run
from hornbook.report.sections.losses import best, plot
from hornbook.runs.manifest import Manifest

HELD = [(0, 3.0), (2, 2.0), (4, 1.5), (6, 1.75)]
FIGURES: dict[str, Any] = {
    "conversations": 7,
    "sources": {f"a{EVIL}.jsonl": {"conversations (messages)": 6, "texts": 3}},
    "left_out": {f"broken JSON {EVIL}": 2},
    "too_long": 3,
    "cut": 1,
    "refused": {"the template has no tool": 1},
    "held_out": 2,
    "rows": 5,
    "length": 256,
    "batch": 1,
    "steps": 6,
    "tokens": 1234,
    "answer_share": 0.25,
    "loss": 1.25,
    "validation": {"before": 3.0, "after": 1.5, "step": 4, "tokens": 99, "precision": "fp32", "ended": "no better"},
}
SAMPLE = {"messages": [{"role": "user", "content": f"Tea? {EVIL}"}], "answer": "Yes.", "held_out": True}


def make(folder: Path, stage: str = "sft", figures: dict[str, Any] = FIGURES, **settings: Any) -> Manifest:
    steps = [{"step": n, "loss": 4.0 - n / 2, "rate": 1.0, "accuracy": 0.5, "seconds": n} for n in range(1, 7)]
    held = [
        {"step": n, "tokens": n, "validation_loss": loss, "validation_accuracy": n / 10, "validation_margin": 0.0, "precision": "fp32"}
        for n, loss in HELD
    ]  # fmt: skip
    write_jsonl(folder / "training" / "figures.jsonl", [*steps, *(held if "validation" in figures else [])])
    machine = {"processor": "Abacus", "cores": 2, "system": "Linux"}
    versions = {"python": "3.11", "hornbook": "0.1.0"}
    made = Manifest(
        stage, "k", {"seed": 3, **settings}, {}, "c", figures, 63.0, 5_000_000, {}, machine, versions
    )  # fmt: skip
    made.write(folder)
    return made


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in FIGURES.items() if name not in names} | more


def test_what_was_asked_and_what_came_of_it(tmp_path: Path) -> None:
    made = make(tmp_path, lora={"rank": 16})
    write_json(tmp_path / "training" / "samples.json", {"model": f"base{EVIL}", "samples": [SAMPLE | {"before": "", "after": f"No. {EVIL}"}]})  # fmt: skip
    found = page(tmp_path, made)
    assert "<script" not in found
    assert page(tmp_path, made) == found
    for told in (
        "Supervised fine-tuning of base&lt;script&gt;",
        "an adapter of rank 16",
        "3.00 before; the weights of step 4",
        "of 1 row of 256 tokens",
        "1 min 03 s",
        "2 rows held out, none of which was learnt",
        "It ended early: no better.",
        '<th scope="row">perplexity</th><td class="number">20.1</td><td class="number"><strong>4.5</strong></td>',
        "Only the assistant&#39;s tokens count: 25% of all. Loss 1.25 at the end. Dots: held out, lowest ringed; the model has the weights of step 4.",
        "Rows that were held out: answered by",
        "(nothing)",
        "Yes.",
        "<dt>learnt from</dt><dd>7 conversations</dd>",
        "<dt>cut to fit a row</dt><dd>1 conversation</dd>",
        '<td>longer than a row</td><td class="number">3</td>',
        '<td>the template has no tool</td><td class="number">1</td>',
        "Abacus, 2 cores, Linux",
    ):
        assert told in found, told
    assert training(tmp_path) == made
    told = gather(tmp_path, made)
    assert (told["validations"]["validation_loss"], told["curves"]["step"], told["model"]) == (
        [loss for _, loss in HELD], [1, 2, 3, 4, 5, 6], f"base{EVIL}"
    )  # fmt: skip


@pytest.mark.parametrize("before", [None, 1e30])
def test_before_the_first_step_nothing_may_be_known(before: float | None, tmp_path: Path) -> None:
    made = make(tmp_path, figures=without(validation=FIGURES["validation"] | {"before": before}))
    path = tmp_path / "training" / "figures.jsonl"
    path.write_text(path.read_text().replace('"validation_loss": 3.0', f'"validation_loss": {json.dumps(before)}'))
    found = page(tmp_path, made)
    assert '<th scope="row">perplexity</th><td class="number">–</td><td class="number"><strong>4.5</strong></td>' in found  # fmt: skip
    assert ("– before; the weights of step 4" in found) == (before is None)
    assert json.loads(json.dumps(gather(tmp_path, made)["validations"]["validation_loss"])) == [before, 2.0, 1.5, 1.75]


def test_preferences(tmp_path: Path) -> None:
    figures = without("conversations", "cut", "answer_share", pairs=7, accuracy_first=0.5, accuracy_last=0.75)
    found = page(tmp_path, make(tmp_path, "dpo", figures))
    assert "Preferences (DPO)" in found
    assert '<th scope="row">pairs ranked rightly</th><td class="number">0%</td><td class="number"><strong>40%</strong></td>' in found  # fmt: skip
    assert "perplexity" not in found
    assert "<dt>learnt from</dt><dd>7 pairs</dd>" in found


def test_where_nothing_was_held_out_and_nothing_asked(tmp_path: Path) -> None:
    """Also of one step, and of a pretraining from nothing."""
    bare = without("validation", "left_out", "refused", "too_long", left_out={}, refused={}, too_long=0)
    found = page(tmp_path, make(tmp_path, "pretrain", bare))
    assert "<p>Nothing.</p>" in found
    assert found.count("Continued pretraining") == 2
    assert "assistant" not in found
    assert "Before and after" not in found
    assert "held out:" not in found
    assert "<dt>learnt from</dt><dd>7 pieces of text</dd>" in found
    write_jsonl(tmp_path / "training" / "figures.jsonl", [{"step": 1, "loss": 1.0, "rate": 1.0}])
    made = training(tmp_path)
    assert made is not None
    assert "How it learned" not in page(tmp_path, made)
    phases = {"parameters": 9, "steps": {"phase1": 2, "phase2": 4}, "tokens": {"phase1": 8, "phase2": 16}, "loss": {"phase1": 3.0, "phase2": 1.0}}  # fmt: skip
    found = page(tmp_path / "whole", make(tmp_path / "whole", "pretrain", phases))
    assert "Loss 3.00 at the end of phase 1 and 1.00 at the end of phase 2." in found
    assert '<p class="value">24</p>' in found
    assert "left out" not in found


def test_other_folders_are_no_trainings(tmp_path: Path) -> None:
    assert training(tmp_path) is None
    replace(make(tmp_path), stage="read").write(tmp_path)
    assert training(tmp_path) is None


def test_what_was_held_out_is_drawn_beside_what_was_learnt(tmp_path: Path) -> None:
    """In a recipe's report too: a dot for each time, and the lowest once more, with a ring."""
    make(tmp_path, "sft", without("validation"))
    plain = plot(Run.of({"sft": tmp_path}), "sft")
    make(tmp_path)
    drawn = plot(Run.of({"sft": tmp_path}), "sft")
    assert plain is not None
    assert drawn is not None
    assert drawn["svg"].count("<use ") - plain["svg"].count("<use ") >= len(HELD) + 1
    assert "held out" not in plain["svg"]
    assert "held out" in drawn["svg"]


@pytest.mark.parametrize(("losses", "step"), [([9, 3, 1, 2], 4), ([0, 3, 1, 1], 6), ([5, 5], 2)])
def test_of_equal_losses_the_last_is_the_best(losses: list[float], step: int) -> None:
    """As a training keeps its weights. What was measured before the first step is none of them."""
    assert best({"step": [0, 2, 4, 6][: len(losses)], "validation_loss": losses}) == (step, losses[step // 2])
