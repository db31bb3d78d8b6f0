"""`hornbook show`, and `hornbook report` of a corpus: what a person reads of one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.documents import CorpusWriter, document_schema
from hornbook.files import write_jsonl

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    schema = document_schema("language").append(pa.field("score", pa.float64()))
    with CorpusWriter(Path("mine"), schema) as made:
        for number in range(40):
            source = "web" if number % 4 == 0 else "books"
            text = f"Text {number} of a lantern {EVIL}. " + "word " * (10 * number)
            row = {"id": f"{number:032x}", "text": text, "source": source, "path": f"{number}.txt"}
            made.keep({**row, "language": "de" if number % 8 == 0 else "en", "score": number / 10})
        for number in range(60):
            row = {"id": "", "text": f"Gone {number}\x1b[2J", "source": "web", "path": "a.html"}
            made.drop(row, "gopher.few_words" if number else EVIL)
    write_jsonl(
        Path("mine/conversations.jsonl"),
        [{"id": str(n), "kind": "task", "messages": [{"role": "user", "content": f"Why {n}?"}]} for n in range(9)],
    )
    write_jsonl(Path("mine/preferences.jsonl"), [{"id": "1", "prompt": "a", "chosen": "right", "rejected": "wrong"}])
    return Path("mine")


def told(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "60"})
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def refused(*words: str) -> str:
    return str(CliRunner().invoke(app, list(words)).exception)


def test_documents_are_drawn_by_lot_and_the_same_again(corpus: Path) -> None:
    output = told("show", "mine", "--sample", "3")
    assert output.startswith("3 of 40 documents in mine")
    assert output == told("show", "mine", "--sample", "3")
    assert output != told("show", "mine", "--sample", "3", "--seed", "2")
    drawn = [json.loads(line) for line in told("show", "mine", "--sample", "40", "--json").splitlines()]
    assert [row["path"] for row in drawn] == [f"{number}.txt" for number in range(40)]
    assert "more characters" in told("show", "mine", "--sample", "40")
    assert "more characters" not in told("show", "mine", "--sample", "40", "--whole")


def test_documents_of_a_source(corpus: Path) -> None:
    output = told("show", "mine", "--source", "web", "--sample", "40")
    assert set(re.findall(r"source (\w+)", output)) == {"web"}
    assert "10 of 10 documents of web in mine" in output
    assert "has no source 'wep' (did you mean 'web'?); it has books, web" in refused("show", "mine", "--source", "wep")


def test_what_was_dropped_has_its_reason_and_no_control_characters(corpus: Path) -> None:
    output = told("show", "mine", "--dropped", "--sample", "2")
    assert output.startswith("2 of 60 documents that were dropped in mine")
    assert "dropped: gopher.few_words" in output
    assert "\x1b" not in output and "\\x1b[2J" in output
    assert "0 of 0 documents" in told("show", "mine", "--dropped", "--source", "books")


def test_conversations_and_pairs(corpus: Path) -> None:
    output = told("show", "mine", "--of", "conversations", "--sample", "2")
    assert output.startswith("2 of 9 conversations")
    assert re.search(r"\[user\]\nWhy \d\?", output)
    assert "[chosen]\nright\n[rejected]\nwrong" in told("show", "mine/preferences.jsonl")


def test_what_cannot_be_shown(corpus: Path) -> None:
    assert "mine has no problems: there is no problems.jsonl in it" in refused("show", "mine", "--of", "problems")
    assert "there are documents, conversations" in refused("show", "mine", "--of", "poems")
    assert "nowhere is not a run" in refused("show", "nowhere")
    Path("outer").mkdir()
    corpus.rename("outer/mine")
    assert "these are in it: mine" in refused("show", "outer")


def test_the_page_of_a_corpus(corpus: Path) -> None:
    output = told("report", "mine")
    assert "40 documents of 2 sources. The page: mine.html\n" in output
    page = Path("mine.html").read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</head>")[1]))
    assert "nearly gone" not in words
    assert re.search(r"web 70 59 1 10 14% [\d,]+ ", words)
    assert re.search(r"books 30 0 0 30 100% ", words)
    assert page.count("<svg") == 2
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "The page: mine.html\n" in told("report", "./mine/")
    told("report", "mine", "--into", "again.html")
    assert Path("again.html").read_text() == page
    figures = json.loads(told("report", "mine", "--json"))
    assert figures["sources"]["web"]["documents"] == 10
    assert sum(figures["scores"]["web"]) == 10
    assert set(figures["languages"]) == {"de", "en"}


def test_a_page_replaces_only_a_page(corpus: Path) -> None:
    Path("mine.html").write_text("my own page")
    assert "is no page of Hornbook's; name another file with --into" in refused("report", "mine")
    assert Path("mine.html").read_text() == "my own page"
    Path("mine.html").unlink()
    told("report", "mine")
    told("report", "mine")


def test_a_corpus_that_others_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("theirs/documents").mkdir(parents=True)
    rows = [
        {"id": "1", "text": "a b", "source": None, "score": 3},
        {"id": "2", "text": None, "source": "web", "score": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), "theirs/documents/a.parquet")
    assert "2 documents of 2 sources" in told("report", "theirs")
    assert "2 of 2 documents" in told("show", "theirs")
