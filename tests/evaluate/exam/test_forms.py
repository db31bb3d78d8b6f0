from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.exam.forms import FORMS

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda text: text == text.strip() and ":" not in text
)


@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=6), st.data())
def test_what_was_wrapped_comes_out_again(question: str, choices: list[str], data: st.DataObject) -> None:
    right = data.draw(st.integers(0, len(choices) - 1))
    for kind, separator in (("Answer", " "), ("Solution", "\n\n")):
        told = separator.join(f"{kind}{at}: {one}" for at, one in enumerate(choices, start=1))
        text = f"Please choose the correct answer to the question: {question}\n\n{told}\n\nAnswer format: a/b"
        record = {"instruction": text, "answer": f"{kind.lower()}{right + 1}"}
        assert FORMS["instruction"](record, "") == {"question": question, "choices": choices, "gold": right}


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "What is it?", "answer": "answer1"},
        {
            "instruction": "Please choose the correct answer to the question: a\n\nAnswer1: b\n\nAnswer format: c",
            "answer": "x",
        },
    ],
)
def test_what_is_not_wrapped_so_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no instruction|none of its choices"):
        FORMS["instruction"](record, "")


def test_forms_of_the_hub() -> None:
    stem = {"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}
    assert FORMS["arc"](stem, "") == {"question": "q", "choices": ["x", "y"], "gold": 1}
    own = {
        "question": {"stem": "q", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]},
        "answerKey": "B",
    }
    assert FORMS["arc"](own, "") == {"question": "q", "choices": ["x", "y"], "gold": 1}
    gap = {"sentence": "The _ was't here.", "option1": "cat", "option2": "dog", "answer": "2"}
    assert FORMS["winogrande"](gap, "") == {
        "contexts": ["The cat", "The dog"],
        "continuation": "was't here.",
        "gold": 1,
    }


def test_several_right_answers_and_none() -> None:
    row = {"passage": None, "question": "q", "options": ["(A)x", "(B)y", "(C)z"], "label": "B C", "other": {}}
    assert FORMS["agieval"](row, "agieval/jec.jsonl")["gold"] == [1, 2]
    assert FORMS["agieval"]({**row, "options": None}, "agieval/math.jsonl") is None
