from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hornbook.recipe import STAGES
from hornbook.report.terminal import mixture_table, score_table

TITLES = {left.name: left.title for stage in STAGES.values() for left in stage.checkpoints}


def shown(scores: dict[str, Any]) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=80).print(score_table({"scores": scores}, TITLES))
    return output.getvalue().splitlines()


@pytest.fixture
def scores(figures) -> dict[str, Any]:
    return figures["evaluate"]["models"] | figures["quantize"]["models"]


def test_one_line_for_each_checkpoint(scores):
    lines = shown(scores)
    assert lines[1].split() == ["after", "pass@1", "95%", "chat", "refuses", "exercises", "library"]
    assert lines[2].split() == ["phase", "1", "0.0%", "10%-90%", "0.0%", "50%/0%", "0.50", "3.50"]
    assert [line.split()[0] for line in lines[2:7]] == ["phase", "phase", "SFT", "DPO", "4"]


def test_checkpoints_are_in_the_recipes_order(scores):
    backwards = dict(reversed(scores.items()))
    assert shown(backwards) == shown(scores)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 12])
def test_eighty_columns_are_enough(scores, count):
    sources = [f"source-with-a-long-name-{n}" for n in range(count)]
    for values in scores.values():
        values["validation_loss"] = dict.fromkeys(sources, 12.345)
    lines = shown(scores)
    assert all(len(line) <= 80 for line in lines)
    assert sum(line.startswith("after") for line in lines) == 1
    assert lines[7].startswith("pass@1:")
    if count == 12:
        assert "more in the report" in lines[-1]


def test_scores_that_were_not_measured(scores):
    for values in scores.values():
        del values["chat"], values["refusals"], values["validation_loss"]
    assert shown(scores)[2].split() == ["phase", "1", "0.0%", "10%-90%"]


def test_refusals_of_one_kind_only(scores):
    scores["dpo"]["refusals"]["harmless_refused"] = None
    assert "50%/-" in shown(scores)[5]


def test_a_single_unknown_checkpoint(scores):
    lines = shown({"a-checkpoint-with-a-long-name": scores["sft"]})
    assert lines[2].startswith("a-checkpoint  ")


def shown_mixture(figures: dict[str, Any]) -> list[list[str]]:
    table = mixture_table(figures, TITLES)
    assert table is not None
    console = Console(width=160)
    with console.capture() as held:
        console.print(table)
    return [line.split("  ") for line in held.get().splitlines()]


ASKED = {
    "sources": ["web", "code"],
    "minimum_score": 3.5,
    "maximum_score": None,
    "languages": ["!en"],
    "share": 0.75,
    "documents": 1200,
    "tokens": 5000,
}


def test_what_was_asked_and_what_was_read() -> None:
    other = ASKED | {"sources": ["manual"], "minimum_score": 0.0, "maximum_score": 4.0, "languages": [], "share": 0.25}
    figures: dict[str, Any] = {"stages": {"tokens": {"phases": {"phase1": [ASKED, other]}}}}
    before = "\n".join("  ".join(line) for line in shown_mixture(figures))
    for words in ("web + code", "3.5 ≤ score, not en", "75.0%", "score ≤ 4", "5,000", "1,200"):
        assert words in before
    read = [{"rows": 60, "tokens": 7_680, "epochs": 1.5}, {"rows": 40, "tokens": 5_120, "epochs": 0.25}]
    figures["stages"]["pretrain"] = {"mixture": {"phase1": read}}
    after = "\n".join("  ".join(line) for line in shown_mixture(figures))
    for words in ("60.0%", "40.0%", "7,680", "1.50", "0.25"):
        assert words in after
    read.append({"sources": ["its own"], "rows": 100, "tokens": 12_800, "epochs": 1.0})
    own = shown_mixture(figures)[-1]
    assert [cell.strip() for cell in own if cell.strip()] == ["phase 1", "its own", "50.0%", "12,800", "1.00"]


def test_nothing_before_the_tokens_stage() -> None:
    assert mixture_table({"stages": {}}, TITLES) is None
