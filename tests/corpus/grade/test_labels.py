from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.corpus.grade.classifier import classifier_folder, learned, load
from hornbook.corpus.grade.labels import labels
from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.recipe import STAGES
from hornbook.runs.single import run_stage

Rows = list[dict[str, Any]]


def corpus_rows(count: int = 120, lessons: int = 2) -> Rows:
    """Documents that are worth 4 or 1, by the word in them; two sources."""
    found = []
    for number in range(count):
        good = number % lessons == 0
        text = f"{'lesson' if good else 'advert'} {'word ' * (number % 7)} number {number}"
        source = "small" if number % 10 == 0 else "big"
        found.append({"id": document_id(text), "text": text, "source": source, "mine": 4.0 if good else 0.6})
    return found


@pytest.fixture
def corpus(tmp_path: Path, make_corpus: Any) -> Path:
    found: Path = make_corpus(tmp_path / "corpus", corpus_rows())
    return found


EXPECTED = {row["id"]: round(row["mine"]) for row in corpus_rows()}


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl", "json", "jsonl.gz"])
def test_a_table_of_ids_and_scores(tmp_path: Path, corpus: Path, kind: str) -> None:
    rows = [{"id": row["id"], "score": row["mine"]} for row in corpus_rows()]
    path = tmp_path / f"given.{kind}"
    match kind:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case "csv" | "tsv":
            between = "," if kind == "csv" else "\t"
            lines = [between.join(("score", "id")), *(f"{row['score']}{between}{row['id']}" for row in rows)]
            path.write_text("\n".join(lines))
        case "json":
            path.write_text(json.dumps(rows))
        case _:
            data = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    found = labels(corpus, path.name, tmp_path)
    assert found.scores == EXPECTED
    assert found.unusable == 0


def test_a_table_of_texts_and_a_column_of_the_corpus(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(
        "".join(json.dumps({"text": row["text"] + " \r\n", "label": row["mine"]}) + "\n" for row in corpus_rows())
    )
    assert labels(corpus, str(path), Path()).scores == EXPECTED
    assert labels(corpus, "mine", Path()).scores == EXPECTED


def test_what_is_no_label_is_counted_and_named(tmp_path: Path, corpus: Path) -> None:
    first = corpus_rows()[0]["id"]
    values = [5, "4", 2.5, True, "false", None, "good", 6, -1, float("nan"), [3]]
    path = tmp_path / "given.jsonl"
    rows = [json.dumps({"id": f"{first}{number}", "score": value}) for number, value in enumerate(values)]
    path.write_text("\n".join([*rows, "{broken", json.dumps({"id": "", "score": 3})]))
    found = labels(corpus, str(path), Path())
    assert list(found.scores.values()) == [5, 4, 3, 1, 0]
    assert found.unusable == 8
    assert found.faults[1] == "record 7: 'good' is no grade from 0 to 5"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("theirs", "theirs is no file, and no column of .*, which has id, mine, source, text"),
        ("names.csv", "needs the columns id .or text. and score; it has name, number"),
        ("notes.txt", "no table of a kind that is read"),
        ("torn.parquet", "can't be read"),
        ("nothing.csv", "there is no usable label: it is empty"),
    ],
)
def test_what_are_no_labels(tmp_path: Path, corpus: Path, given: str, said: str) -> None:
    (tmp_path / "names.csv").write_text("name,number\na,1\n")
    (tmp_path / "notes.txt").write_text("good")
    (tmp_path / "torn.parquet").write_text("PAR1")
    (tmp_path / "nothing.csv").write_text("id,score\n")
    with pytest.raises(UserError, match=said):
        labels(corpus, given, tmp_path)


def grade(corpus: Path, into: Path, **settings: Any) -> dict[str, Any]:
    return run_stage(STAGES["grade"], into, settings, corpus=corpus).figures


def test_a_classifier_learns_labels_and_is_applied_elsewhere(
    tmp_path: Path, corpus: Path, make_corpus: Any, rows_of: Any
) -> None:
    figures = grade(corpus, tmp_path / "graded", labels="mine")
    assert (figures["graded"], figures["failed"], figures["grader"]) == (120, 0, "labels in the column mine")
    assert figures["agreement"]["f1"]["value"] == 1
    (tmp_path / "moved").mkdir()
    (tmp_path / "graded/classifier").rename(tmp_path / "moved/mine")

    other = make_corpus(tmp_path / "other", corpus_rows(60, lessons=3))
    applied = grade(other, tmp_path / "applied", classifier=str(tmp_path / "moved/mine"), drop=True)
    assert (applied["documents"], applied["kept"], applied["graded"]) == (60, 20, 0)
    assert applied["sources"]["small"] == {"read": 6, "documents": 2, "low educational value": 4}
    assert applied["learned"]["agreement"] == figures["agreement"]
    kept = rows_of(tmp_path / "applied/documents")
    assert all("lesson" in row["text"] for row in kept)
    scores = load(tmp_path / "moved/mine").score([row["text"] for row in kept])
    assert [row["score"] for row in kept] == scores.tolist()
    again = classifier_folder(str(tmp_path / "applied"), Path())
    assert learned(again) == applied["learned"] == read_json(again / "classifier.json")["learned"]
    assert STAGES["grade"].in_a_line(applied) == "60 scored by a classifier of labels in the column mine"


def test_other_labels_or_another_classifier_are_other_work(tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "given.csv"
    path.write_text("id,score\n" + "".join(f"{row['id']},{row['mine']}\n" for row in corpus_rows()))
    grade(corpus, tmp_path / "graded", labels=str(path))
    path.write_text(path.read_text().replace("4.0", "5"))
    with pytest.raises(UserError, match="--force"):
        grade(corpus, tmp_path / "graded", labels=str(path))


def test_labels_that_fit_nothing(tmp_path: Path, corpus: Path) -> None:
    (tmp_path / "few.csv").write_text("id,score\nabc,3\n")
    with pytest.raises(UserError, match="none of its 1 ids is a document's of"):
        grade(corpus, tmp_path / "a", labels=str(tmp_path / "few.csv"))
    with pytest.raises(UserError, match="the highest is 4, and documents count from threshold=5 on; set --threshold 4"):
        grade(corpus, tmp_path / "b", labels="mine", threshold=5)
    with pytest.raises(UserError, match="is no classifier"):
        grade(corpus, tmp_path / "c", classifier=str(tmp_path))
    with pytest.raises(UserError, match="set one of them"):
        grade(corpus, tmp_path / "d", classifier="a", labels="mine")


def test_documents_that_a_filter_changed_keep_their_labels(tmp_path: Path, make_corpus: Any) -> None:
    rows = [{**row, "original": row["id"], "id": document_id(row["text"] + "!")} for row in corpus_rows()]
    path = tmp_path / "given.csv"
    path.write_text("id,score\n" + "".join(f"{row['original']},{row['mine']}\n" for row in rows))
    figures = grade(make_corpus(tmp_path / "filtered", rows), tmp_path / "out", labels=str(path))
    assert figures["graded"] == 120
