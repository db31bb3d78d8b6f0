from __future__ import annotations

from typing import Any

import pytest

from hornbook.report.exam import page
from hornbook.report.sections.exam import tables

EVIL = "<script>alert('x')</script>"


def one(title: str, value: float, state: str = "whole", note: str = "") -> dict[str, Any]:
    metrics = {"acc": {"value": value, "interval": [value - 0.1, value + 0.1], "n": 40}}
    told = {"title": title, "metric": "acc", "n": 40, "metrics": metrics, "unknown": {}, "chance": 0.25}
    return told | {
        "state": state,
        "note": note,
        "file": "f.jsonl",
        "sha256": "ab" * 32,
        "prompts": "cd" * 32,
        "rows": 40,
    }


def scores(value: float = 0.4, suite: str = "phi-1.5") -> dict[str, Any]:
    found = {
        "boolq": one("BoolQ", value, "altered", "no passages"),
        "mine": one(EVIL, 0.5),
        "winogrande": one("WinoGrande", value),
    }
    found["mine"]["unknown"] = {f"lacks {EVIL}": 3}
    return {"suite": suite, "benchmarks": found, "missing": {"piqa": "piqa: piqa_test.json is not there"}}


def test_checkpoints_beside_the_paper() -> None:
    made = tables([("SFT", scores(0.4)), ("DPO", scores(0.5))])
    assert made is not None
    assert (made["models"], made["published"]) == (["SFT", "DPO"], ["phi-1.5", "phi-1.5-web"])
    # The paper's order, then the others; an altered copy has nothing published beside it.
    assert [row["title"] for row in made["rows"]] == ["WinoGrande", "BoolQ", EVIL]
    gap, boolq, _ = made["rows"]
    assert [cell["value"] for cell in gap["cells"]] == [0.4, 0.5]
    assert gap["published"] == {"phi-1.5": 0.734, "phi-1.5-web": 0.740}
    assert boolq["published"] == {}
    told = "\n".join(made["notes"])
    assert "BoolQ: no passages; not compared with published scores" in told
    assert f"unknown, and no part of the score: lacks {EVIL} (3)" in told and "not asked: piqa" in told
    assert "SFT" in made["plot"] and "diamonds" not in made["plot"]


def test_without_a_suite_and_without_scores() -> None:
    assert tables([]) is None
    made = tables([("model", scores(suite=""))])
    assert made is not None and made["published"] == [] and made["suite"] == ""
    empty = scores()
    empty["benchmarks"]["mine"] |= {"metrics": {}, "n": 0}
    made = tables([("model", empty)])
    assert made is not None and made["rows"][-1]["cells"] == [None]


def test_the_page_of_a_result() -> None:
    figures = scores() | {
        "candidate": {"model": f"models/{EVIL}", "precision": "float32"},
        "settings": {"suite": "phi-1.5"},
        "machine": {"processor": "one", "cores": 2},
        "versions": {"torch": "2.13"},
    }
    made = page(figures)
    assert made == page(figures)
    assert EVIL not in made and "&lt;script&gt;" in made
    assert "73.4%" in made and "abababababab" in made and "Computed in float32 on one, 2 cores. torch 2.13." in made


def test_requests_are_shown_with_what_answers_do() -> None:
    figures = scores()
    refused = {"value": 0.75, "interval": [0.3, 0.95], "n": 4}
    verdicts = {"refusal": 2, "partial": 1, "compliance": 1, "unrelated": 0}
    figures["benchmarks"]["mine"]["requests"] = {"harmful": {"refused": refused, "verdicts": verdicts}}
    made = tables([("model", figures)])
    assert made is not None
    (row,) = made["requests"]
    assert (row["title"], row["counts"], row["n"]) == (f"{EVIL}, harmful", [2, 1, 1, 0], 4)
    about = {"candidate": {"model": "m", "precision": "float32"}, "machine": {"processor": "one", "cores": 2}}
    shown = page(figures | about | {"settings": {"suite": ""}, "versions": {}})
    assert 'aria-label="refusals 2, in part 1, answers 1, unrelated 0"' in shown and "75.0%" in shown


@pytest.mark.parametrize("models", [1, 6])
def test_the_picture_tells_every_model(models: int) -> None:
    made = tables([(f"step {at}", scores(0.3 + at / 50)) for at in range(models)])
    assert made is not None
    assert f"step {models - 1} on 3 benchmarks: WinoGrande" in made["plot"]
