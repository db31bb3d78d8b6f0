from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.audit.corpus import audit_corpus, corpus_of, learned_from
from hornbook.audit.page import page
from hornbook.audit.rephrasings.verdicts import left_over
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Benchmarks, Item, load_benchmarks
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs.manifest import Manifest

QUESTION = "Which of the seven wandering lanterns did the keeper of the harbour museum lend to the baker of the island?"
CODE = '''def gather(values, limit):
    """Gather what is below a limit, twice each."""
    found = []
    for value in values:
        if value < limit and value not in found:
            found.append(value * 2)
            limit -= len(found) % 3
    return sorted(found, reverse=True)
'''


def benchmarks() -> Benchmarks:
    found = [
        Benchmark("quiz", "text", (Item("quiz", "1", QUESTION), Item("quiz", "2", "Who?"))),
        Benchmark("programs", "code", (Item("programs", "p", CODE, code=CODE),)),
        Benchmark(
            "other",
            "text",
            (Item("other", "1", " ".join(f"unheard{number}" for number in range(20))),),
            ("b/other.csv",),
        ),
    ]
    return Benchmarks(found, {"b/README.md": "is not it", "b/other.csv": "lacks 1 of 2 records: line 2"})


def corpus(folder: Path, texts: list[str]) -> Path:
    (folder / "documents").mkdir(parents=True)
    rows: list[dict[str, Any]] = [
        {"id": f"id{number}", "text": text, "source": "web", "path": f"{number}.txt"}
        for number, text in enumerate(texts)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")
    return folder


def test_hits_by_benchmark(tmp_path: Path) -> None:
    renamed = CODE.replace("found", "kept").replace("value", "number").replace("gather", "collect")
    place = corpus(tmp_path, ["nothing here", f"Quiz night! {QUESTION.upper()} Nobody knew.", QUESTION, renamed])
    figures = audit_corpus(place, benchmarks(), Progress())
    assert figures["documents"] == 4
    quiz, programs, other = figures["benchmarks"]
    assert (quiz["items"], quiz["leaked"], quiz["documents"], quiz["short"]) == (2, 1, 2, 1)
    assert (programs["leaked"], programs["rules"]) == (1, {"code": 1})
    assert (other["leaked"], other["hits"]) == (0, [])
    (hit,) = programs["hits"]
    assert (hit["document"], hit["path"], hit["share"]) == ("id3", "3.txt", 1.0)
    assert "collect" in hit["excerpt"]
    assert hit["question"] == CODE


def test_what_was_left_out_is_not_called_clean(tmp_path: Path) -> None:
    heard: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            heard.append(text)

    place = corpus(tmp_path, ["nothing here"])
    figures = audit_corpus(place, benchmarks(), Listening())
    assert figures["left_out"] == {"b/README.md": "is not it", "b/other.csv": "lacks 1 of 2 records: line 2"}
    assert [row["incomplete"] for row in figures["benchmarks"]] == [[], [], ["b/other.csv"]]
    assert heard[0] == "  benchmarks: b/README.md is not it, left out"
    told = page("corpus", "b", figures, None)
    assert "Nothing was found.</strong>" not in told
    assert "<li>b/other.csv lacks 1 of 2 records: line 2</li>" in told
    assert "could not be used: other (1)" in told
    assert "Not found at all: quiz (2, 1 too short), programs (1)." in told
    whole = audit_corpus(place, Benchmarks(benchmarks()[:2]), Progress())
    told = page("corpus", "b", whole, None)
    assert "Nothing was found.</strong>" in told
    assert "Left out" not in told


def run_folder(root: Path) -> Path:
    """A run of three stages: clean (a corpus), tokens, and a model in sft."""
    contents: dict[str, str] = {}
    for number, (stage, reads) in enumerate((("clean", ()), ("tokens", ("clean",)), ("sft", ("tokens",))), start=1):
        folder = root / f"{number:02d}-{stage}"
        if stage == "clean":
            corpus(folder, ["text"])
        (folder / "model").mkdir(parents=True)
        inputs = {name: contents[name] for name in reads}
        written = Manifest(stage, "", {}, inputs, "", {}, 0.0, 0, {"file": stage})
        written.write(folder)
        contents[stage] = written.content
    return root


def test_the_corpus_of_a_model_is_found_by_manifests(tmp_path: Path) -> None:
    root = run_folder(tmp_path)
    assert learned_from(root / "03-sft" / "model") == root / "01-clean"
    changed = Manifest("clean", "", {}, {}, "", {}, 0.0, 0, {"file": "another"})
    changed.write(root / "01-clean")
    assert learned_from(root / "03-sft" / "model") is None
    assert learned_from(tmp_path.parent) is None


def test_the_corpus_of_a_folder(tmp_path: Path) -> None:
    root = run_folder(tmp_path)
    assert corpus_of(root) == corpus_of(root / "01-clean") == root / "01-clean"
    with pytest.raises(UserError, match="is not a corpus"):
        corpus_of(root / "02-tokens")


def test_items_that_share_an_id_are_counted_each(tmp_path: Path) -> None:
    other = "How many of the copper kettles that were sold at the spring fair came back to the tinker before winter?"
    asked = [QUESTION, other]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps({"id": "q", "question": one}) + "\n" for one in asked))
    found = load_benchmarks(tmp_path / "quiz.jsonl")
    figures = audit_corpus(corpus(tmp_path / "corpus", asked), found, Progress())
    assert (figures["benchmarks"][0]["items"], figures["benchmarks"][0]["leaked"]) == (2, 2)
    figures = audit_corpus(corpus(tmp_path / "other", asked[:1]), found, Progress())
    assert [item.question for item in left_over(found, figures)] == asked[1:]
