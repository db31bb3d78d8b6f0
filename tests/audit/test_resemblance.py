from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.audit.rephrasings.told_again import QUESTIONS
from tests.evaluate.exam.conftest import Parrot, own_data  # noqa: F401 (a fixture)

from hornbook.audit.corpus import audit_corpus
from hornbook.audit.exam import audit_result
from hornbook.audit.page import page
from hornbook.audit.rephrasings.tfidf import TfidfEmbedder
from hornbook.audit.resemblance import COSINES, asked_rows, rows_of, values
from hornbook.corpus.decontaminate.benchmarks import Benchmarks
from hornbook.errors import UserError
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress

PAGE = """
title = "Quiz <b>"
about = "questions of our own"
source = "here"
score = "choice"
prompt = "Question: {{ question }}\\nAnswer:"
choices = "choices"
gold = "gold"
files = [{ file = "quiz.jsonl" }]
"""


@pytest.fixture
def quiz(tmp_path: Path) -> ExamSettings:
    """Sixteen questions, each with two choices."""
    folder = tmp_path / "quiz"
    folder.mkdir()
    (folder / "quiz.toml").write_text(PAGE)
    rows = [{"question": question, "choices": ["yes", "no"], "gold": n % 2} for n, question in enumerate(QUESTIONS)]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ExamSettings(benchmarks=("quiz",), data=folder)


def corpus(folder: Path, texts: list[str]) -> Path:
    (folder / "documents").mkdir(parents=True)
    rows = [{"id": str(number), "text": text, "source": "s"} for number, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")
    return folder


def audited(result: Path, settings: ExamSettings, place: Path) -> dict[str, Any]:
    asked = rows_of(result, settings)
    found = audit_corpus(place, Benchmarks(one.items for one in asked), Progress())
    return audit_result(result, asked, place, found, TfidfEmbedder(), Progress())


def test_rows_like_the_corpus_and_the_others(quiz: ExamSettings, tmp_path: Path) -> None:
    """A model that knows the first six questions, which its corpus holds, and one other."""
    wrong = [str(number) for number in range(8, 17)]
    examine(Parrot(wrong=wrong), quiz, Progress(), tmp_path / "result")
    texts = [f"A reader asked. {question} Nobody knew." for question in QUESTIONS[:6]]
    found = audited(tmp_path / "result", quiz, corpus(tmp_path / "corpus", [*texts, "Something else altogether."]))
    (row,) = found["benchmarks"]
    assert (row["score"]["share"], row["score"]["of"]) == (0.4375, 16)
    lines = {line["degree"]: line for line in row["split"]}
    assert list(lines) == [None, *COSINES]
    for degree in (None, 0.5):
        line = lines[degree]
        assert (line["similar"]["share"], line["similar"]["of"], line["other"]["of"]) == (1.0, 6, 10)
        assert line["difference"]["difference"] == 0.9
        assert line["difference"]["p"] < 0.01 < line["difference"]["low"]
    assert lines[0.8]["left_out"] == 0
    shown = page("m", "quiz", None, None, found)
    assert "Quiz &lt;b&gt;" in shown and "+90.0%" in shown


def test_what_can_not_be_looked_for_is_on_no_side(quiz: ExamSettings, tmp_path: Path) -> None:
    assert quiz.data is not None
    with (quiz.data / "quiz.jsonl").open("a") as file:
        file.write(json.dumps({"question": "Who?", "choices": ["a", "b"], "gold": 0}) + "\n")
    examine(Parrot(), quiz, Progress(), tmp_path / "result")
    found = audited(tmp_path / "result", quiz, corpus(tmp_path / "corpus", ["Nothing of that."]))
    rules, *vectors = found["benchmarks"][0]["split"]
    assert (rules["other"]["of"], rules["left_out"], rules["difference"]) == (16, 1, None)
    assert vectors[0]["other"]["of"] == 17


def test_every_form_of_rows_can_be_looked_for(own_data: Path) -> None:  # noqa: F811
    names = ("mmlu", "arc_easy", "winogrande", "lambada", "gsm8k", "humaneval", "agieval", "math", "commonsense_qa")
    asked, missing = asked_rows(ExamSettings(benchmarks=names, data=own_data, limit=2))
    assert not missing
    assert [(one.page.name, len(one.items.items)) for one in asked] == [(name, 2) for name in names]
    assert asked[0].items.items[0].id == next(iter(asked[0].rows)) == "baking_test:1"
    assert asked[5].items.kind == "code"


def test_a_result_needs_its_rows_and_its_own_data(quiz: ExamSettings, tmp_path: Path) -> None:
    assert quiz.data is not None
    result = tmp_path / "result"
    examine(Parrot(), quiz, Progress(), result)
    assert len(values(result, rows_of(result, quiz)[0])) == 16
    with pytest.raises(UserError, match="has no arc_easy; it asked quiz"):
        rows_of(result, quiz.model_copy(update={"benchmarks": ("arc_easy",)}))
    with (quiz.data / "quiz.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match="is not the file that"):
        rows_of(result, quiz)
    (result / "rows" / "quiz.jsonl").unlink()
    with pytest.raises(UserError, match="has no rows of quiz"):
        rows_of(result, quiz)
    with pytest.raises(UserError, match="holds no text"):
        audit_corpus(corpus(tmp_path / "empty", ["", ""]), Benchmarks(), Progress())
