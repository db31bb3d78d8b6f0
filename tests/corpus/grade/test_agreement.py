from __future__ import annotations

import random

import pytest
from sklearn import metrics

from hornbook.corpus.grade.agreement import agreement, calibration, doubts


def drawn(count: int, noise: float) -> tuple[list[int], list[int]]:
    chance = random.Random(3)
    true = [chance.randrange(6) for _ in range(count)]
    return true, [min(5, max(0, grade + round(chance.gauss(0, noise)))) for grade in true]


def test_measures_are_those_of_scikit_learn() -> None:
    true, predicted = drawn(300, 1.0)
    measured = {name: one["value"] for name, one in agreement(true, predicted, 3, seed=0).items()}
    positive, found = [grade >= 3 for grade in true], [grade >= 3 for grade in predicted]
    expected = {
        "f1": metrics.f1_score(positive, found),
        "always_yes": metrics.f1_score(positive, [True] * 300),
        "gain": metrics.f1_score(positive, found) - metrics.f1_score(positive, [True] * 300),
        "precision": metrics.precision_score(positive, found),
        "recall": metrics.recall_score(positive, found),
        "macro_f1": metrics.f1_score(true, predicted, average="macro"),
        "exact": metrics.accuracy_score(true, predicted),
        "within_one": sum(abs(a - b) <= 1 for a, b in zip(true, predicted, strict=True)) / 300,
        "kappa": metrics.cohen_kappa_score(true, predicted, weights="quadratic"),
    }
    assert measured == pytest.approx(expected, abs=1e-4)


def test_intervals_hold_the_value_and_shrink_with_more_pairs() -> None:
    few, many = agreement(*drawn(50, 2.0), 3, seed=0), agreement(*drawn(5_000, 2.0), 3, seed=0)
    for name in few:
        assert few[name]["low"] <= few[name]["value"] <= few[name]["high"]
        assert many[name]["high"] - many[name]["low"] < (few[name]["high"] - few[name]["low"]) / 3


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    true = [3] * 400
    exact = agreement(true, [3] * 300 + [4] * 100, 3, seed=0)["exact"]
    margin = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert exact["low"] == pytest.approx(0.75 - margin, abs=0.006)
    assert exact["high"] == pytest.approx(0.75 + margin, abs=0.006)


def test_perfect_and_degenerate_agreement() -> None:
    perfect = agreement([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 3, seed=0)
    assert all(one["value"] == 1 for name, one in perfect.items() if name not in ("always_yes", "gain"))
    assert perfect["always_yes"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    nothing = agreement([1, 1], [1, 1], 3, seed=0)
    assert nothing["f1"] == {"value": 0, "low": 0, "high": 0}
    assert nothing["macro_f1"]["value"] == 1
    assert nothing["kappa"]["value"] == 0


def test_the_same_seed_gives_the_same_interval() -> None:
    pairs = drawn(100, 1.0)
    assert agreement(*pairs, 3, seed=1) == agreement(*pairs, 3, seed=1) != agreement(*pairs, 3, seed=2)


def test_calibration_of_honest_and_of_proud_probabilities() -> None:
    chance = random.Random(0)
    claimed = [chance.random() for _ in range(20_000)]
    right = [chance.random() < one for one in claimed]
    honest = calibration(claimed, right)
    assert honest["error"] < 0.02
    assert sum(row["documents"] for row in honest["table"]) == 20_000
    proud = calibration([0.95] * 100, [number < 60 for number in range(100)])
    assert proud["error"] == pytest.approx(0.35)
    assert proud["table"][9] == {"from": 0.9, "documents": 100, "claimed": 0.95, "true": 0.6}


def test_an_f1_that_always_yes_has_too_is_told() -> None:
    """289 of 300 documents are worth it, and the grader says yes to all but one, wrongly."""
    true = [3] * 289 + [1] * 11
    measured = agreement(true, [1] + [3] * 299, 3, seed=0)
    assert measured["f1"]["value"] == pytest.approx(0.98, abs=0.005)
    assert measured["always_yes"]["value"] > measured["f1"]["value"]
    told = doubts({"agreement": measured, "threshold": 3})
    assert "no better than calling everything so would: F1 0.98 against 0.98" in told[0]
    assert "kappa is -0.01" in told[1]
    honest = agreement(true, true, 3, seed=0)
    assert doubts({"agreement": honest, "threshold": 3}) == []
    assert doubts({}) == []


def test_an_f1_of_few_documents_is_told_as_that() -> None:
    """One document of ten is worth it and found, another is found wrongly: better, if that is no chance."""
    measured = agreement([3] + [1] * 9, [3, 3] + [1] * 8, 3, seed=0)
    [told] = doubts({"agreement": measured, "threshold": 3})
    assert (
        "not surely better than calling everything so would: F1 0.67 against 0.18, of which few documents can't tell (95% "
        in told
    )
    assert told.endswith("): raise grade.sample")


def test_documents_without_a_source_are_told_as_these() -> None:
    [told] = doubts({"not_made_for": {"": [1, 1], "web": [7, 7]}})
    assert "1 of 1 document graded of what has no source, 7 of 7 documents graded of web are neither" in told


def test_text_that_the_teacher_was_not_made_for_is_told_by_source() -> None:
    [told] = doubts({"not_made_for": {"web": [180, 200], "code": [3, 100], "books": [40, 41]}})
    assert "40 of 41 documents graded of books, 180 of 200 documents graded of web are neither" in told
