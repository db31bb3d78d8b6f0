"""What a comparison says, from figures made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hornbook.study.compare import _OTHER, _WHY, compared
from hornbook.study.figures import Figure
from hornbook.study.measures import MEASURES, measure_of
from hornbook.study.page import page
from hornbook.study.settings import Study

EVIL = "<script>alert(1)</script>"


def study(**changed: Any) -> Study:
    arms: dict[str, Any] = {"base": {}, "one": {"dpo.beta": EVIL}, "two": {}}
    return Study(recipe="pocket", arms=arms, against="base", seeds=(1, 2, 3, 4), **changed)


def figures(measure: str, **arms: list[float]) -> list[Figure]:
    return [
        Figure(arm, seed, "phase2", "phase 2", measure, value)
        for arm, values in arms.items()
        for seed, value in enumerate(values, 1)
    ]


def verdicts(made: Study, found: list[Figure]) -> dict[str, tuple[str, str]]:
    [one] = compared(made, found)
    return {arm["arm"]: (arm["verdict"], arm["sentence"]) for arm in one["arms"]}


def test_better_and_none_seen() -> None:
    found = figures("pass_at_1", base=[0.5, 0.6, 0.7, 0.8], one=[0.6, 0.71, 0.79, 0.9], two=[0.55, 0.5, 0.75, 0.72])
    told = verdicts(study(measures=["pass_at_1"]), found)
    assert told["one"][0] == "better"
    assert told["one"][1].startswith("one is better than base: +10.0 points (95% +8.7 to +11.3; 4 seeds, p ")
    assert told["two"][0] == "no difference seen"
    assert "seeds would be needed to see one of 2 points." in told["two"][1]


@pytest.mark.parametrize(("measure", "by"), [("right", "−1.750 nats"), ("perplexity.library", "−50.0 %")])
def test_lower_is_better_of_nats_and_ratios(measure: str, by: str) -> None:
    name = measure.partition(".")[0]
    found = figures(measure, base=[2.0, 3.0, 4.0, 5.0], one=[1.0, 1.49, 2.01, 2.5], two=[4.0, 6.1, 7.9, 10.0])
    told = verdicts(study(measures=[name]), found)
    assert (told["one"][0], told["two"][0]) == ("better", "worse")
    assert f": {by} (" in told["one"][1]


def test_several_arms_are_corrected_for() -> None:
    """By itself the arm's p is 0.035; as the smaller of two it is 0.071."""
    base, one = [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 1.0]
    alone = verdicts(study(measures=["margin"]), figures("margin", base=base, one=one))
    assert alone["one"][0] == "better"
    both = verdicts(study(measures=["margin"]), figures("margin", base=base, one=one, two=[9.0, -9.0, 8.0, -8.0]))
    assert both["one"][0] == "no difference seen"
    assert "corrected for 2 arms" in both["one"][1]


@pytest.mark.parametrize(
    ("measure", "differs", "verdict"),
    [
        ("right", "tokenizer", "other tokenizer"),
        ("right", "asked", "other problems"),
        ("margin", "asked", "other problems"),
        ("pass_at_1", "problems", "other problems"),
        ("bits", "text", "other text"),
        ("perplexity", "text", "other text"),
        ("long", "long", "other documents"),
        ("score", "questions", "other questions"),
        ("margin", "tokenizer", "better"),
        ("bits", "tokenizer", "better"),
        ("pass_at_1", "asked", "better"),
    ],
)
def test_figures_of_something_else_do_not_compare(measure: str, differs: str, verdict: str) -> None:
    made, better = study(measures=[measure]), [2.0, 3.0, 4.0, 5.0]
    worse = [3.0, 4.0, 5.0, 6.1]
    if measure_of(measure).better == "higher":
        better, worse = worse, better
    same = dict.fromkeys(measure_of(measure).equal, "same")
    found = [replace(one, of=same) for one in figures(measure, base=worse, one=better, two=better)]
    found = [replace(one, of={**same, differs: "x"}) if (one.arm, one.seed) == ("two", 3) else one for one in found]
    told = verdicts(made, found)
    assert (told["one"][0], told["two"][0]) == ("better", verdict)
    if verdict != "better":
        assert told["two"][1].startswith("two and base do not compare: ")


def test_whatever_has_to_be_equal_has_words_where_it_is_not() -> None:
    assert {name for measure in MEASURES.values() for name in measure.equal} <= _OTHER.keys()
    assert set(_OTHER.values()) == _WHY.keys()


@pytest.mark.parametrize(("seeds", "said"), [(1, "in the one seed they share"), (3, "equal in all 3 seeds")])
def test_what_cannot_be_told(seeds: int, said: str) -> None:
    found = figures("chat", base=[0.5] * seeds, one=[0.5] * seeds)
    assert said in verdicts(study(measures=["chat"]), found)["one"][1]


def test_the_page_escapes_what_arms_say_and_tells_of_failures() -> None:
    made = study(measures=["margin"])
    found = figures("margin", base=[1.0, 2.0, 3.0, 4.0], one=[2.0, 3.0, 4.0, 5.2])
    result = {
        "runs": [
            {"arm": "two", "seed": 2, "folder": "", "failed": EVIL, "training": {}},
            {"arm": "one", "seed": 1, "folder": "", "failed": None, "training": {"pretrain": 30.0, "sft": 5.0}},
            {"arm": "one", "seed": 2, "folder": "", "failed": None, "training": {"pretrain": 50.0, "sft": 6.0}},
        ],
        "titles": {"phase2": "phase 2"},
        "comparisons": compared(made, found),
        "machine": {"processor": "a machine", "cores": 2},
    }
    text = page(made, result)
    assert EVIL not in text
    assert text.count("&lt;script&gt;") == 2
    assert "pretrain 40 s, sft 5.5 s" in text
    assert text == page(made, result)


def test_the_page_tells_no_difference_of_figures_of_something_else() -> None:
    made = study(measures=["pass_at_1"])
    found = figures("pass_at_1", base=[0.5, 0.6, 0.7, 0.8], one=[0.6, 0.7, 0.8, 0.9], two=[0.1, 0.2, 0.3, 0.41])
    found = [replace(one, of={"problems": "x" if one.arm == "two" else "same"}) for one in found]
    result = {
        "runs": [],
        "titles": {"phase2": "phase 2"},
        "comparisons": compared(made, found),
        "machine": {"processor": "a machine", "cores": 2},
    }
    text = page(made, result)
    assert "+10.0" in text
    assert "−39.8" not in text
