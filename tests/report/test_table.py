from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hornbook.report.table import score_table


def shown(scores: dict[str, Any]) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=80).print(score_table({"scores": scores}))
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
