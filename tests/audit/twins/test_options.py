from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.twins.options import twin
from hornbook.audit.twins.row import UntwinnableError
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.questions import question

MMLU, LETTERED = find("mmlu"), find("commonsense_qa")


@given(
    st.lists(st.text("abc xyz", min_size=1, max_size=6), min_size=4, max_size=4),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_the_right_one_stays_right_under_another_letter(texts: list[str], gold: int, letter: bool, seed: int) -> None:
    row: dict[str, Any] = {"question": "Which?", "subject": "s", "group": "g", "choices": texts}
    row["gold"] = "ABCD"[gold] if letter else gold
    one = twin(MMLU, row, random.Random(seed))
    asked = question(MMLU, "1", one)
    assert asked.gold != (gold,)
    assert one["choices"][asked.gold[0]] == texts[gold]
    assert sorted(one["choices"]) == sorted(texts)
    assert row["choices"] == texts


def test_lettered_lines() -> None:
    row = {"query": "Question: Where?\nChoices:\nA. a bank\nB. A. mall\nC. home\nAnswer:", "choices": ["A", "B", "C"]}
    one = twin(LETTERED, row | {"gold": 2}, random.Random(3))
    lines = one["query"].splitlines()
    assert [line[:3] for line in lines[2:5]] == ["A. ", "B. ", "C. "]
    assert sorted(line[3:] for line in lines[2:5]) == ["A. mall", "a bank", "home"]
    assert lines[2 + one["gold"]][3:] == "home" and one["gold"] != 2
    assert one["choices"] == ["A", "B", "C"]


def test_labelled_choices_one_behind_another() -> None:
    choices = ["(A)red", "(B)dark blue", "(C)green"]
    row = {"query": f"Q: Which? Answer Choices: {' '.join(choices)}\nA: Among A through C, the answer is"}
    one = twin(find("agieval"), row | {"choices": choices, "gold": [1]}, random.Random(3))
    assert [text[:3] for text in one["choices"]] == ["(A)", "(B)", "(C)"]
    assert one["choices"][one["gold"]].endswith("dark blue") and one["gold"] != 1
    assert one["query"] == row["query"].replace(" ".join(choices), " ".join(one["choices"]))
    with pytest.raises(UntwinnableError, match="one behind another"):
        twin(find("agieval"), {"query": "Which?", "choices": choices, "gold": 0}, random.Random(3))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"choices": ["red", "all of the above"], "gold": 0}, "speak of others' places"),
        ({"choices": ["red", "blue", "Both A and B"], "gold": 0}, "speak of others' places"),
        ({"choices": ["red", "blue"], "gold": [0, 1]}, "no single right choice"),
        ({"choices": ["red", "blue"], "gold": 4}, "no single right choice"),
        ({"choices": ["red", "blue"]}, "no list of choices"),
        ({"choices": ["red"], "gold": 0}, "no list of choices"),
        ({"choices": ["A", "B"], "gold": 0, "query": "Which?"}, "lettered lines"),
    ],
)
def test_what_can_not_be_shuffled(row: dict[str, Any], why: str) -> None:
    with pytest.raises(UntwinnableError, match=why):
        twin(MMLU, row, random.Random(1))
