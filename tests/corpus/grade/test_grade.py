from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from hornbook.corpus.grade import grade
from hornbook.corpus.grade.classifier import load
from hornbook.corpus.grade.scoring import ALL, best
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.documents import document_id, read_rows, shards
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.teacher.interface import Grade

Rows = Callable[[Path], list[dict[str, Any]]]
SETTINGS = GradeSettings(sample=120, batch=7, features=2**12, examples=2)


class CountsLessons:
    """Grades by how often a text says "lesson", and fails at texts that say "fail"."""

    name = "counts lessons"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def grade(self, texts: Sequence[str]) -> list[Grade | None]:
        self.batches.append(len(texts))
        return [None if "fail" in text else Grade(min(5, text.count("lesson")), "counted") for text in texts]


def corpus_rows(count: int = 300) -> list[dict[str, Any]]:
    chance = random.Random(1)
    rows = []
    for number in range(count):
        grade_wanted = chance.randrange(6)
        words = ["lesson"] * grade_wanted + ["other"] * (8 - grade_wanted) + ["fail"] * (number % 25 == 0)
        chance.shuffle(words)
        text = " ".join(words) + f"\nnumber {number}\n"
        source = "small" if number % 10 == 0 else "big"
        rows.append({"id": document_id(text), "text": text, "source": source, "path": f"{number}.txt", "extra": number})
    return rows


def run(corpus: Path, into: Path, settings: GradeSettings = SETTINGS, seed: int = 0) -> dict[str, Any]:
    return grade(corpus, CountsLessons(), settings, seed=seed, into=into, progress=Progress())


def test_every_document_gets_a_score(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    rows = corpus_rows()
    figures = run(make_corpus(tmp_path / "corpus", rows), tmp_path / "out")
    scored = rows_of(tmp_path / "out/documents")
    assert [{name: row[name] for name in rows[0]} for row in scored] == rows
    assert list(scored[0]) == ["id", "text", "source", "path", "extra", "score"]
    off = [abs(row["score"] - min(5, row["text"].count("lesson"))) for row in scored]
    assert sum(off) / len(off) < 0.6
    histogram = figures["histogram"]
    assert {source: sum(counts) for source, counts in histogram["counts"].items()} == {"big": 270, "small": 30}
    assert histogram["edges"] == [quarter / 4 for quarter in range(21)]
    assert histogram["counts"]["small"][0] == sum(row["score"] < 0.25 for row in scored if row["source"] == "small")


@pytest.mark.parametrize("share", [None, 0.3])
def test_a_run_that_is_interrupted_everywhere_ends_with_the_same_bytes(
    tmp_path: Path, make_corpus: Any, interrupted: Any, share: float | None
) -> None:
    corpus = make_corpus(tmp_path / "corpus", corpus_rows(), files=5)
    settings = GradeSettings(**{**SETTINGS.model_dump(), "share": share})
    whole = run(corpus, tmp_path / "whole", settings)
    figures, times = interrupted(lambda: run(corpus, tmp_path / "parts", settings))
    assert figures == whole
    assert times >= 5, "in both passes"
    for file in sorted((tmp_path / "whole").glob("*/*.parquet")):
        assert file.read_bytes() == (tmp_path / "parts" / file.relative_to(tmp_path / "whole")).read_bytes()


def test_scores_of_another_classifier_are_not_taken(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    corpus = make_corpus(tmp_path / "corpus", corpus_rows(), files=2)
    run(corpus, tmp_path / "out")
    assert run(corpus, tmp_path / "out", seed=5) == run(corpus, tmp_path / "fresh", seed=5)
    assert rows_of(tmp_path / "out/documents") == rows_of(tmp_path / "fresh/documents")


def test_the_teachers_grades_are_kept(tmp_path: Path, make_corpus: Any) -> None:
    rows = {row["id"]: row for row in corpus_rows()}
    figures = run(make_corpus(tmp_path / "corpus", list(rows.values())), tmp_path / "out")
    grades = pq.read_table(tmp_path / "out/grades.parquet").to_pylist()
    assert list(grades[0]) == ["id", "source", "path", "score", "reason", "split", "predicted"]
    assert all(one["score"] == min(5, rows[one["id"]]["text"].count("lesson")) for one in grades)
    held_out = [one for one in grades if one["split"] == "held out"]
    assert figures["graded"] == len(grades) == 120 - figures["failed"]
    assert figures["failed"] > 0
    assert figures["held_out"] == len(held_out)
    assert 15 <= len(held_out) <= 24
    assert sum(figures["grades"].values()) == len(grades)
    texts = [rows[one["id"]]["text"] for one in held_out]
    predicted = load(tmp_path / "out/classifier").grades(texts, 3)
    exact = sum(predicted == [one["score"] for one in held_out]) / len(held_out)
    assert figures["agreement"]["exact"]["value"] == pytest.approx(exact, abs=1e-4)


def test_the_classifier_lies_beside_the_documents(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    run(make_corpus(tmp_path / "corpus", corpus_rows()), tmp_path / "out")
    rows = rows_of(tmp_path / "out/documents")[:20]
    scores = load(tmp_path / "out/classifier").score([row["text"] for row in rows])
    assert scores.tolist() == [row["score"] for row in rows]


def test_examples_are_the_worst_and_the_best(tmp_path: Path, make_corpus: Any) -> None:
    figures = run(make_corpus(tmp_path / "corpus", corpus_rows()), tmp_path / "out")
    saved = json.loads((tmp_path / "out/examples.json").read_text())
    assert saved == {"histogram": figures["histogram"], **figures["examples"]}
    assert [one["score"] for one in saved["worst"]] == [0, 0]
    assert [one["score"] for one in saved["best"]] == [5, 5]
    assert saved["best"][0]["text"].count("lesson") == 5
    assert saved["best"][0]["reason"] == "counted"


def test_the_order_of_rows_and_files_changes_no_score(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    rows = corpus_rows()
    one = run(make_corpus(tmp_path / "a", rows), tmp_path / "one")
    two = run(make_corpus(tmp_path / "b", rows[::-1], files=3), tmp_path / "two")
    assert one == two
    for file in ("grades.parquet", "classifier/classifier.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    scores = [{row["id"]: row["score"] for row in rows_of(tmp_path / name / "documents")} for name in ("one", "two")]
    assert scores[0] == scores[1]


def test_grading_again_replaces_the_score(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    run(make_corpus(tmp_path / "corpus", corpus_rows()), tmp_path / "one")
    run(tmp_path / "one", tmp_path / "two")
    assert rows_of(tmp_path / "one/documents") == rows_of(tmp_path / "two/documents")


def test_the_teacher_is_asked_in_batches(tmp_path: Path, make_corpus: Any) -> None:
    teacher = CountsLessons()
    corpus = make_corpus(tmp_path / "corpus", corpus_rows())
    grade(corpus, teacher, SETTINGS, seed=0, into=tmp_path / "out", progress=Progress())
    assert sum(teacher.batches) == 120
    assert max(teacher.batches) == 7


def test_a_teacher_that_fails_at_everything_is_an_error(tmp_path: Path, make_corpus: Any) -> None:
    rows = [{**row, "text": "fail " + row["text"]} for row in corpus_rows(40)]
    with pytest.raises(UserError, match="counts lessons graded 0 of 40 sampled documents"):
        run(make_corpus(tmp_path / "corpus", rows), tmp_path / "out")


def test_documents_below_the_threshold_are_dropped(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    corpus = make_corpus(tmp_path / "corpus", corpus_rows())
    everything = run(corpus, tmp_path / "all")
    assert everything["kept"] == everything["documents"] == 300
    settings = SETTINGS.model_copy(update={"drop": True})
    figures = run(corpus, tmp_path / "some", settings)
    kept, removed = rows_of(tmp_path / "some/documents"), rows_of(tmp_path / "some/removed")
    assert figures["kept"] == len(kept) == 300 - figures["removed"]["low educational value"] == 300 - len(removed)
    assert min(row["score"] for row in kept) >= figures["minimum_score"] > max(row["score"] for row in removed)
    assert {row["reason"] for row in removed} == {"low educational value"}
    worth = [row["text"].count("lesson") >= 3 for row in kept]
    assert sum(worth) / len(worth) > 0.9


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_a_share_keeps_the_best(tmp_path: Path, make_corpus: Any, rows_of: Rows, share: float) -> None:
    corpus = make_corpus(tmp_path / "corpus", corpus_rows())
    figures = run(corpus, tmp_path / "out", SETTINGS.model_copy(update={"share": share}))
    kept, removed = rows_of(tmp_path / "out/documents"), rows_of(tmp_path / "out/removed")
    assert figures["kept"] == len(kept) == 300 * share
    assert all(one["score"] <= min(row["score"] for row in kept) for one in removed)


def test_shares_by_source(tmp_path: Path, make_corpus: Any, rows_of: Rows) -> None:
    """A source whose scores are lower keeps its own best; others, named by *, theirs; one with neither stays whole."""
    corpus = make_corpus(tmp_path / "corpus", corpus_rows(), files=3)
    figures = run(corpus, tmp_path / "out", SETTINGS.model_copy(update={"share": {"small": 0.2, "*": 0.5}}))
    kept, removed = rows_of(tmp_path / "out/documents"), rows_of(tmp_path / "out/removed")
    for source, number in (("small", 6), ("big", 135)):
        stay = [row["score"] for row in kept if row["source"] == source]
        assert len(stay) == number == figures["sources"][source]["documents"]
        assert min(stay) == figures["minimum_scores"][source]
        assert all(row["score"] <= min(stay) for row in removed if row["source"] == source)
    figures = run(corpus, tmp_path / "small", SETTINGS.model_copy(update={"share": {"small": 0.2}}))
    assert figures["sources"]["big"] == {"read": 270, "documents": 270}
    with pytest.raises(UserError, match=r"no document comes from 'smal' \(did you mean 'small'"):
        run(corpus, tmp_path / "none", SETTINGS.model_copy(update={"share": {"smal": 0.2}}))


def test_grades_of_a_source_that_is_kept_whole_are_no_doubt(
    tmp_path: Path, make_corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(tmp_path / "corpus", corpus_rows())
    monkeypatch.setattr(f"{__name__}.Grade", partial(Grade, known=False))
    for share, sources in (({"big": 0.5, "small": 1.0}, {"big"}), ({"big": 0.5}, {"big", "small"}), (1.0, None)):
        figures = run(corpus, tmp_path / str(share), SETTINGS.model_copy(update={"share": share}))
        assert figures["not_made_for"].keys() == (sources or {"big", "small"})


@pytest.mark.parametrize("share", [0, 1.5, "half", {"web": 2}, [0.5]])
def test_what_is_no_share(share: Any) -> None:
    with pytest.raises(ValidationError, match="a share is more than 0 and at most 1"):
        GradeSettings(share=share)


def test_among_equal_scores_ids_decide(tmp_path: Path, make_corpus: Any) -> None:
    corpus = make_corpus(
        tmp_path / "c", [{"id": f"{n * 7 % 20:02d}", "text": "x", "source": "ab"[n % 2]} for n in range(20)], files=3
    )
    ids = sorted(row["id"] for row in read_rows(corpus, ["id"]))
    files = []
    for number, shard in enumerate(shards(corpus)):
        files.append(tmp_path / f"{number}.npy")
        np.save(files[-1], np.ones(shard.rows))
    rule = best(shards(corpus), files, {ALL: 0.15})[ALL]
    assert [identity for identity in ids if rule(1.0, identity)] == ids[:3]
    assert rule(1.1, "z") and not rule(0.9, ids[0])
    of = {row["id"]: row["source"] for row in read_rows(corpus, ["id", "source"])}
    rules = best(shards(corpus), files, {"a": 0.15, "b": 1.0, "none": 0.5})
    mine = [identity for identity in ids if of[identity] == "a"]
    assert [identity for identity in mine if rules["a"](1.0, identity)] == mine[:2]
    assert rules["b"].last == max(identity for identity in ids if of[identity] == "b")
    assert rules["none"](0.0, "any")


def test_two_rules_at_once_are_refused() -> None:
    with pytest.raises(ValidationError, match="set one of them"):
        GradeSettings(drop=True, share=0.5)


def test_calibration_is_measured_on_held_out_grades(tmp_path: Path, make_corpus: Any) -> None:
    figures = run(make_corpus(tmp_path / "corpus", corpus_rows()), tmp_path / "out")
    assert sum(row["documents"] for row in figures["calibration"]["table"]) == figures["held_out"]
    assert 0 <= figures["calibration"]["error"] <= 0.3
