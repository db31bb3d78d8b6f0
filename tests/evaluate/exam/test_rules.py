from __future__ import annotations

import pytest

from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.rules import RULES, Question
from hornbook.inference.likelihood import Likelihood


def likely(*values: float) -> list[Likelihood]:
    return [Likelihood(value, value == max(values)) for value in values]


def test_choices_by_likelihood_and_by_characters() -> None:
    question = Question("1", ("q",), answers=(" no", " not at all"), choices=("no", "not at all"), gold=(1,))
    row = RULES["choice"].score(find("arc_easy"), question, likely(-2.0, -5.0))
    assert row["metrics"] == {"acc": 0.0, "acc_norm": 1.0}
    assert (row["pick"], row["pick_norm"], row["gold"]) == (0, 1, [1])
    tie = RULES["choice"].score(find("arc_easy"), question, likely(-2.0, -2.0))
    assert tie["pick"] == 0  # the first, as numpy's argmax has it


def test_the_share_of_true_answers() -> None:
    question = Question("1", ("q",), answers=("a", "b", "c"), choices=("a", "b", "c"), gold=(0, 2))
    row = RULES["mass"].score(find("truthfulqa_mc2"), question, likely(-900.0, -901.0, -900.0))
    assert row["metrics"]["mass"] == pytest.approx(2 / (2 + 2.718281828**-1))


@pytest.mark.parametrize(
    ("text", "exact", "strict"),
    [
        (" 2 + 3 = 5 ducks.\n#### 5", 1, 1),
        (" She has $1,234.50 left.\n#### 1234.50", 0, 0),
        (" It is 5.", 1, 0),
        (" #### 5 and then 6", 0, 1),
        (" Nobody knows.", 0, 0),
        ("", 0, 0),
        (" $5", 1, 0),
        (" -5", 0, 0),
    ],
)
def test_numbers_of_gsm8k(text: str, exact: int, strict: int) -> None:
    row = RULES["exact"].score(find("gsm8k"), Question("1", ("q",), targets=("5",)), text)
    assert row["metrics"] == {"exact": exact, "strict": strict}


def test_words_of_triviaqa() -> None:
    question = Question("1", ("q",), targets=("The Moon", "Luna"))
    for text, right in ((" the moon", 1), (" “The moon”", 0), ("  Luna!", 1), (" moon", 0)):
        row = RULES["exact"].score(find("triviaqa"), question, text)
        assert row["metrics"] == {"exact": right}, text


@pytest.mark.parametrize(
    ("wrong", "ended"),
    [
        ("", "right"),
        ("timeout: no answer within the time allowed", "timeout"),
        ("the tests fail: AssertionError", "wrong"),
    ],
)
def test_programs_out_of_time_are_told_from_wrong_ones(wrong: str, ended: str) -> None:
    row = RULES["program"].score(find("humaneval"), Question("1", ("q",)), wrong)
    assert (row["ended"], row["metrics"]["pass@1"]) == (ended, float(ended == "right"))
