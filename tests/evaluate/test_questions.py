"""Questions in chat: what counts as right, where they come from, and what is kept of the replies."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings, HeldOut, Subject
from hornbook.evaluate.evaluate import exam_of, questions_of
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.evaluate.questions import QUESTIONS, is_right
from hornbook.inference import generate as module
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress

ASKED = ({"question": "Capital of France?", "answers": ["Paris"]}, {"question": "How are you?"})


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("It is Paris.", True),
        ("PARIS", True),
        ("Comparisons of parishes", False),
        ("", False),
        ("Seven days, i.e. 7!", True),
        ("carbon-dioxide", True),
        ("carbon and dioxide", False),
    ],
)
def test_a_reply_is_right_when_an_answer_is_in_it_as_words(reply: str, right: bool) -> None:
    assert is_right(reply, ["Paris", "7", "carbon dioxide"]) is right


def test_replies_are_kept_and_counted(tmp_path: Path, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.jsonl").write_text(
        '{"question": "Where is the key?", "answer": "under the mat"}\n{"question": "Who?", "answers": ["Ann", "Bo"]}\n'
    )
    settings = EvaluateSettings.model_validate({"questions": ASKED, "own_questions": "own.jsonl"}).seen_from(tmp_path)
    tokenizer = Tokenizer(tokenizer_folder)
    replies = [" Paris.\n", "Well.", "In the garden.", "It was bo."]
    monkeypatch.setattr(module, "generate", lambda *_, **__: [tokenizer.encode(reply) for reply in replies])
    asked = QUESTIONS.load(HeldOut(), settings)
    assert asked is not None
    result = QUESTIONS.run(Subject("x", None, tokenizer, settings, Progress()), asked)  # type: ignore[arg-type]
    assert result is not None
    assert result.scores == {"general": {"right": 1, "of": 1}, "own": {"right": 1, "of": 2}}
    assert [(row["set"], row["reply"], row["right"]) for row in result.answers] == [
        ("general", "Paris.", True),
        ("general", "Well.", None),
        ("own", "In the garden.", False),
        ("own", "It was bo.", True),
    ]
    assert QUESTIONS.in_words(result.scores) == "1 of 1 questions right, 1 of 2 questions of your own right"


def test_nothing_is_asked_where_nothing_is_told(tmp_path: Path) -> None:
    assert QUESTIONS.load(HeldOut(), EvaluateSettings()) is None
    assert questions_of(EvaluateSettings(), tmp_path) is None


def test_other_questions_are_other_work(tmp_path: Path) -> None:
    settings = EvaluateSettings(own_questions=Path("own.jsonl"))
    (tmp_path / "own.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    before = questions_of(settings, tmp_path)
    (tmp_path / "own.jsonl").write_text('{"question": "a", "answer": "c"}\n')
    assert None is not before != questions_of(settings, tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"question": "a", "answer": "b"}\n{"answer": "b"}\n', "line 2, is no question with an answer: KeyError"),
        ('{"question": "a", "answer": "b"}\n{"question": "", "answer": "b"}\n', "line 2, is no question"),
        ('{"question": "a", "answer": {"b": 3}}\n', "line 1, is no question"),
        (None, "does not exist; evaluate.own_questions names a JSONL file"),
    ],
)
def test_a_file_that_is_none_of_questions(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "own.jsonl").write_text(text)
    with pytest.raises(UserError, match=told):
        QUESTIONS.load(HeldOut(), EvaluateSettings(own_questions=tmp_path / "own.jsonl"))


def test_answers_may_be_numbers(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(
        '{"question": "2+2?", "answer": 4}\n{"question": "3?", "answers": [3, "three"]}\n'
    )
    asked = QUESTIONS.load(HeldOut(), EvaluateSettings(own_questions=tmp_path / "mine.jsonl"))
    assert asked is not None
    assert [one.answers for one in asked["own"]] == [("4",), ("3", "three")]


def test_paths_of_a_recipe_begin_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    exam = ExamSettings(data=Path("bench"), benchmarks=("gsm8k",))
    assert EvaluateSettings(exam=exam).seen_from(tmp_path).exam.data == tmp_path / "bench"
    exam = ExamSettings(data=Path("~/bench"), benchmarks=("gsm8k",))
    assert EvaluateSettings(exam=exam).seen_from(tmp_path).exam.data == tmp_path / "home" / "bench"


def test_files_of_benchmarks_that_come_or_change_are_other_work(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    settings = EvaluateSettings(exam=ExamSettings(data=Path("bench"), benchmarks=("humaneval",)))
    assert exam_of(EvaluateSettings(), tmp_path) is None
    told = [exam_of(settings, tmp_path)]
    for text in ("{}", "{}\n{}"):
        (tmp_path / "bench" / "HumanEval.jsonl").write_text(text)
        told.append(exam_of(settings, tmp_path))
    assert told[0] == {"humaneval": ""}
    assert len({str(one) for one in told}) == 3
