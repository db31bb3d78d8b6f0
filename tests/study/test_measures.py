"""Which figures a checkpoint's scores are for a study."""

from __future__ import annotations

import math

import pytest

from hornbook.study.figures import figures_of
from hornbook.study.measures import from_scores, measure_of, title_of

EXAM = {
    "benchmarks": {
        "arc_easy": {
            "metric": "acc_norm",
            "metrics": {"acc": {"value": 0.5}, "acc_norm": {"value": 0.4}},
            "right_nats": 7.5,
            "prompts": "digest",
        },
        "lambada": {"metric": "acc", "metrics": {"acc": {"value": 0.3}, "perplexity": {"value": 40.0}}},
        "mt_bench": {"metric": "grade", "metrics": {}},
        "own": {"metric": "perplexity", "metrics": {"acc": {"value": 0.2}, "perplexity": {"value": 12.0}}},
    }
}


def test_scores_of_a_run_and_of_published_benchmarks() -> None:
    scores = {
        "validation_loss": {"library": 1.0, "empty": None},
        "completion": {"pass_at_1": 0.9},
        "refusals": {"harmful_refused": 1.0, "harmless_refused": None},
        "exam": EXAM,
    }
    assert dict(from_scores(scores)) == {
        "perplexity.library": pytest.approx(math.e),
        "pass_at_1": 0.9,
        "harmful_refused": 1.0,
        "answers.arc_easy": 7.5,
        "score.arc_easy": 0.4,
        "score.lambada": 0.3,
    }
    assert title_of("answers.arc_easy") == "nats of a right answer, arc_easy"


def test_a_difference_is_told_in_as_many_figures_as_it_takes() -> None:
    share, nats = measure_of("chat"), measure_of("body")
    assert [share.difference(one) for one in (0.0, -0.0123, 0.0004, -0.000004)] == [
        "+0.0",
        "−1.2",
        "+0.04",
        "+0.0",
    ]
    assert [nats.difference(one) for one in (1.5, 0.00021, -1e-9)] == ["+1.500", "+0.0002", "+0.000"]
    assert share.difference(0.0004, signed=False) == "0.04"


def test_figures_know_which_questions_they_are_of() -> None:
    one = {
        "title": "phase 2",
        "figures": {"answers.piqa": 3, "bits.web": 2},
        "of": {"questions.piqa": "q", "text.web": "t"},
    }
    found = figures_of("arm", 1, {"checkpoints": {"phase2": one}})
    assert [(figure.measure, figure.of) for figure in found] == [
        ("answers.piqa", {"questions": "q"}),
        ("bits.web", {"text": "t"}),
    ]
