from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.evaluate.long.prompt import TooShortError
from hornbook.evaluate.long.question_answering import QuestionAnswer, load, question_answering
from hornbook.evaluate.long.tasks import Materials

GOOD = '{"question": "Who?", "answer": "Ann", "paragraph": "Ann did."}\n'
OTHER = '{"question": "Who else?", "answers": ["Bo", "Bob"], "paragraph": "Bob did."}\n'


def test_answer_or_answers(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(GOOD + "\n" + OTHER)
    assert load(path) == (
        QuestionAnswer("Who?", ("Ann",), "Ann did."),
        QuestionAnswer("Who else?", ("Bo", "Bob"), "Bob did."),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2, is not valid JSON"),
        ("[1]", "line 2, is no object"),
        ('{"question": "Q", "paragraph": "P"}', "line 2, has no answer"),
        ('{"question": "Q", "answers": [], "paragraph": "P"}', "line 2, has no answer"),
        ('{"question": "Q", "answers": ["", "a"], "paragraph": "P"}', "line 2, has no answer"),
        ('{"question": 3, "answer": "a", "paragraph": "P"}', "line 2, has no question"),
        ('{"question": "Q", "answer": "a"}', "line 2, has no paragraph"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(GOOD + line + "\n")
    with pytest.raises(UserError, match=message):
        load(path)


def test_files_that_hold_no_questions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "missing.jsonl")
    (tmp_path / "one.jsonl").write_text(GOOD * 3)
    with pytest.raises(UserError, match="fewer than two different paragraphs"):
        load(tmp_path / "one.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        load(tmp_path / "bytes.jsonl")


@settings(max_examples=30)
@given(length=st.integers(250, 4000), seed=st.integers(0, 2**40))
def test_one_paragraph_answers(materials: Materials, length: int, seed: int) -> None:
    question = question_answering(materials.prompter, materials.questions, length, seed)
    assert question.text.count(question.expected[0]) == 1
    headings = [int(number) for number in re.findall(r"Paragraph (\d+):", question.text)]
    assert headings == list(range(1, len(headings) + 1))
    shown = re.findall(r"House (\d+) stands", question.text)
    assert len(set(shown)) == len(shown) == len(headings)
    assert 0 <= length - len(question.prompt) - question.room <= 100  # one paragraph


def test_paragraphs_that_answer_too_do_not_distract(materials: Materials) -> None:
    known = (
        QuestionAnswer("Which city?", ("Rome",), "It is in Rome."),
        QuestionAnswer("Which country?", ("Italy",), "Italy; ROME is its capital."),
        QuestionAnswer("Which sea?", ("None",), "It lies inland, on a river."),
    )
    for seed in range(20):
        question = question_answering(materials.prompter, known, 400, seed)
        if question.expected == ("Rome",):
            assert "ROME" not in question.text
            assert "inland" in question.text


def test_paragraphs_that_are_too_long_are_passed_over(materials: Materials) -> None:
    long = tuple(QuestionAnswer(f"Q{index}?", ("x",), f"Long {index} " + "word " * 900 + "x") for index in range(3))
    short = QuestionAnswer("Short?", ("answer",), "The answer.")
    for seed in range(10):
        assert question_answering(materials.prompter, (*long, short), 300, seed).expected == ("answer",)
    with pytest.raises(TooShortError):
        question_answering(materials.prompter, long, 300, 1)
