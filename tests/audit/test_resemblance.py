from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tests.audit.rephrasings.told_again import QUESTIONS
from tests.evaluate.exam.conftest import Parrot, own_data  # noqa: F401 (a fixture)

from hornbook.audit.corpus import audit_corpus
from hornbook.audit.exam import EXAM, TWINS_EXAM, Trained, audit_candidate, audit_result, exam_table, notes
from hornbook.audit.model import Asking
from hornbook.audit.page import page
from hornbook.audit.rephrasings.tfidf import TfidfEmbedder
from hornbook.audit.resemblance import COSINES, asked_rows, rows_of, values
from hornbook.corpus.decontaminate.benchmarks import Benchmarks
from hornbook.errors import UserError
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.compare import rows as result_rows
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.model.tokenizers import Tokenizer
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
    return audit_result(result, asked, Trained(place, found, TfidfEmbedder()), Progress())


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
    assert not notes(row), "a result is not asked for twins, so none is missed"


def test_twins_are_asked_beside(
    make_checkpoint: Callable[..., tuple[Any, Path]],
    quiz: ExamSettings,
    tmp_path: Path,
) -> None:
    """A model that answers A whatever is asked drops where its twin's answer is another, and both are shown."""
    assert quiz.data is not None
    page_file = quiz.data / "quiz.toml"
    page_file.write_text(PAGE + 'twin = "options"\n')
    asked = asked_rows(quiz)
    model, folder = make_checkpoint(1, context=256)
    candidate = LocalModel(model, Tokenizer(folder), "m", "m")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "quiz.jsonl").write_text((quiz.data / "quiz.jsonl").read_text().replace("the", "a"))
    trained, asking = Trained(None, None, TfidfEmbedder()), Asking(seed=2)
    found = audit_candidate(candidate, quiz, asked, trained, tmp_path / "out", Progress(), unseen=fresh, asking=asking)
    (row,) = found["benchmarks"]
    twin = row["twin"]
    assert row["split"] is None and twin["rows"] == 16
    before, after = (
        list(result_rows(tmp_path / "out" / one, name)) for one, name in ((EXAM, "quiz"), (TWINS_EXAM, "quiz-twin"))
    )
    rights = [(a["metrics"]["acc"], b["metrics"]["acc"]) for a, b in zip(before, after, strict=True)]
    assert all(a["gold"] != b["gold"] for a, b in zip(before, after, strict=True))
    assert twin["drop"]["lost"] == sum(a > b for a, b in rights)
    assert twin["original"]["share"] == round(sum(a for a, _ in rights) / 16, 4)
    assert {one["texts"] for side in ("twin", "unseen") for one in row["memory"][side].values()} == {16}
    shown = page("m", "quiz", None, None, found)
    assert "choices in another order" in shown and "Min-K%++, beside unseen rows" in shown
    console = Console(width=200)
    with console.capture() as captured:
        console.print(exam_table(found))
    told = captured.get()
    assert "its twin" in told and "Min-K%, likelier than unseen rows" in told
    assert "Quiz <b> has no twin" in "".join(notes(row | {"twin": {}}))
    with pytest.raises(UserError, match="holds rows of none of these"):
        audit_candidate(candidate, quiz, asked, trained, tmp_path, Progress(), unseen=tmp_path, asking=asking)


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
    asked = asked_rows(ExamSettings(benchmarks=names, data=own_data, limit=2))
    assert [(one.page.name, len(one.items.items)) for one in asked] == [(name, 2) for name in names]
    assert asked[0].items.items[0].id == next(iter(asked[0].rows)) == "baking_test:1"
    assert asked[5].items.kind == "code"


def test_a_result_needs_its_rows_and_its_own_data(quiz: ExamSettings, tmp_path: Path) -> None:
    assert quiz.data is not None
    result = tmp_path / "result"
    examine(Parrot(), quiz, Progress(), result)
    assert len(values(result, rows_of(result, quiz)[0].page)) == 16
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
