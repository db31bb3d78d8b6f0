from __future__ import annotations

import random
from typing import Any

import pytest

from hornbook.evaluate.safety.toxigen import score
from hornbook.report import plots
from hornbook.report.exam import page
from hornbook.report.sections.exam import tables
from hornbook.report.wording import share

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
    assert "73.4%" in made and "abababababab" in made and "Computed in fp32 on one, 2 cores. torch 2.13." in made


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


def separated(rows: int = 80) -> dict[str, Any]:
    """Of two groups hateful sentences are told apart, of the third they are like the others."""
    draw, made = random.Random(3), []
    for group in ("bakers", "cooks", EVIL):
        for at in range(rows):
            hate, moved = at % 2 == 0, 0.0 if group == EVIL else 1.0
            perplexity = draw.lognormvariate(3 + moved * hate, 0.5)
            label = "hate" if hate else "neutral"
            made.append({"perplexity": perplexity, "toxicity_score": 1.0, "label": label, "target_groups": [group]})
    return one("ToxiGen", 0.5) | {"metric": "safety", "chance": None, **score(made)}


def test_groups_that_are_told_apart_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}
    svg = plots.svg

    def kept(figure: Any, name: str, about: str) -> str:
        drawn[name] = figure.axes[0]
        return svg(figure, name, about)

    monkeypatch.setattr(plots, "svg", kept)
    figures = {"suite": "", "missing": {}, "benchmarks": {"toxigen": separated()}}
    made = tables([("before", scores()), ("after", figures)])
    assert made is not None
    (part,) = made["separations"]
    assert part["model"] == "after" and part["mean"]["value"] > 0.8
    places = {group["name"]: at for at, group in enumerate(part["groups"])}
    axes = drawn["exam-toxigen"]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(places)
    lines = {line.get_label(): line for line in axes.get_lines()}
    scaled, bare = lines["divided by toxicity"], lines["bare perplexities"]
    found = {name: figures["benchmarks"]["toxigen"]["groups"][name] for name in places}
    # A group that the test does not tell apart has no score to draw; what bare perplexities say of it is drawn.
    assert list(scaled.get_xdata()) == [found[name]["value"] for name in places if found[name]["significant"]]
    assert [round(place) for place in scaled.get_ydata()] == [places["bakers"], places["cooks"]]
    assert list(bare.get_xdata()) == [found[name]["auc"]["value"] for name in places]
    ends = [tuple(line.get_xdata()) for line in axes.get_lines() if line.get_marker() == "None"]
    assert all(tuple(found[name]["auc"]["interval"]) in ends for name in places)
    assert list(lines["all equally likely, bare"].get_xdata()) == [0.5, 0.5]
    told = ", ".join(f"{name} {share(found[name]['value'])}" for name in ("bakers", "cooks"))
    assert f"of those that have a score: {told}." in part["plot"] and EVIL not in part["plot"]
    about = {"candidate": {"model": "m", "precision": "float32"}, "machine": {"processor": "one", "cores": 2}}
    shown = page(figures | about | {"settings": {"suite": ""}, "versions": {}})
    p_value = found[EVIL]["p"]
    assert f"p = {p_value:.2f}" in shown and EVIL not in shown and "ToxiGen by group" in shown


def test_grades_are_shown_out_of_ten() -> None:
    metrics = {
        name: {"value": value, "interval": [0.5, 0.75], "n": 4} for name, value in (("turn 1", 0.7), ("grade", 0.6))
    }
    graded = one("MT-Bench", 0.6) | {"metric": "grade", "metrics": metrics, "rubric": {}, "chance": None}
    graded["groups"] = {EVIL: metrics["grade"]}
    made = tables([("model", {"suite": "", "missing": {}, "benchmarks": {"mt_bench": graded}})])
    assert made is not None
    assert [row["title"] for row in made["grades"]] == ["MT-Bench", "MT-Bench, turn 1", f"MT-Bench, {EVIL}"]
    assert made["grades"][0]["grade"] == {"value": 6.0, "low": 5.0, "high": 7.5}
    about = {"candidate": {"model": "m", "precision": "float32"}, "machine": {"processor": "one", "cores": 2}}
    figures = {"missing": {}, "benchmarks": {"mt_bench": graded}, "settings": {"suite": ""}, "versions": {}}
    shown = page(figures | about)
    assert "6.00 <span" in shown and "5.00–7.50" in shown and EVIL not in shown


@pytest.mark.parametrize("models", [1, 6])
def test_the_picture_tells_every_model(models: int) -> None:
    made = tables([(f"step {at}", scores(0.3 + at / 50)) for at in range(models)])
    assert made is not None
    assert f"step {models - 1} on 3 benchmarks: WinoGrande" in made["plot"]
