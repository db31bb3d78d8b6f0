from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.commands import documents
from hornbook.commands.settings import settings_of
from hornbook.errors import UserError
from hornbook.files import alone
from hornbook.recipe import STAGES
from hornbook.runs.single import run_stage

TEXT = "A lantern is a lamp in a case. The case keeps the wind from the flame, and the glass lets the light out. " * 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/lantern.txt").write_text(TEXT + "Ask keeper@hornbook.org about it.")
    (tmp_path / "notes/lantern again.txt").write_text(TEXT + "Ask keeper@hornbook.org about it.  \n")
    (tmp_path / "notes/leak.md").write_text(
        "Seven wandering lanterns were lent by the keeper of the harbour museum to the baker of the small island today."
    )
    (tmp_path / "notes/short.txt").write_text("Too short.")
    (tmp_path / "rows.jsonl").write_text(json.dumps({"body": "Eine Laterne ist eine Lampe in einem Gehäuse. " * 20}))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def told(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def rows(corpus: str, part: str = "documents") -> list[dict[str, Any]]:
    return [row for file in sorted(Path(corpus, part).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def test_from_a_folder_to_a_clean_corpus(folder: Path) -> None:
    assert "5 documents" in told("read", "notes", "german=rows.jsonl", "--column", "body")
    assert {row["source"] for row in rows("corpus")} == {"notes", "german"}
    assert "It is there already, whole." in told("read", "notes", "german=rows.jsonl", "--column", "body")

    output = told("filter", "corpus", "--mask", "email", "--language", "en", "--into", "english")
    assert "2 email" in output
    assert "keeper@hornbook.org" not in "".join(row["text"] for row in rows("english"))
    assert {row["source"] for row in rows("english")} == {"notes"}

    Path("benchmarks").mkdir()
    question = "Seven wandering lanterns were lent by the keeper of the harbour museum to the baker of the small island"
    Path("benchmarks/quiz.jsonl").write_text(json.dumps({"id": "q1", "question": question, "answer": "A"}))
    output = told("clean", "english", "--against", "benchmarks")
    assert "1 exact duplicate" in output
    assert "1 contamination" in output
    left = [row["path"] for row in rows("cleaned")]
    assert [path for path in left if path.startswith("lantern")] == left[:1]
    assert {row["kept"] for row in rows("cleaned", "removed")} >= {"quiz/q1"}

    way = ["corpus", "english", "cleaned"]
    dropped = next(row["id"] for row in rows("cleaned", "removed") if row["reason"] == "exact duplicate")
    output = told("trace", dropped, *way)
    assert "kept instead" in output or "Dropped in its favour" in output, "two documents of one id"
    leaked = next(row["id"] for row in rows("cleaned", "removed") if row["reason"] == "contamination")
    steps = re.findall(r"^(\w+)  (\w+)$", told("trace", leaked, *way), re.MULTILINE)
    assert steps == [("corpus", "kept"), ("english", "kept"), ("cleaned", "dropped")]


def test_settings_and_what_they_name_wrongly(folder: Path) -> None:
    told("read", "notes", "maximum_characters=300", "--into", "small")
    assert all(len(row["text"]) <= 300 for row in rows("small"))
    told("read", "notes", "--whole", "maximum_characters=300", "--into", "large")
    assert max(len(row["text"]) for row in rows("large")) > 800
    for arguments, words in (
        (["read", "notes", "maximum_charakters=300"], "maximum_charakters is not a setting (did you mean"),
        (["read", "nowhere"], "nowhere"),
        (["filter", "small"], "nothing to filter by"),
        (["filter", "small", "--rules", "goffer"], "there is no rule 'goffer' (did you mean 'gopher'?)"),
        (["filter", "small", "--mask", "emial"], "privacy.mask"),
        (["filter", "notes", "--rules", "gopher"], "`hornbook read notes --into corpus` makes one of its files"),
        (["filter", "rows.jsonl", "--rules", "gopher"], "rows.jsonl is"),
        (["grade", "small", "--share", "web=0.5"], "no document comes from 'web'; there are notes"),
        (["clean", "small", "similarity=2"], "similarity"),
        (["clean", "small", "--against", "nowhere"], "nowhere"),
        (["clean", "small", "--into", "notes"], "notes is there already"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, UserError), (arguments, done.output)
        assert words in str(done.exception)
        assert "\n" not in str(done.exception)


def test_what_a_corpus_holds_beside_its_documents_is_not_read(folder: Path) -> None:
    told("read", "notes", "--into", "once")
    told("clean", "once", "--into", "cleaned")
    assert rows("cleaned", "removed")
    told("read", "cleaned", "--into", "twice")
    assert {row["text"] for row in rows("twice")} == {row["text"] for row in rows("cleaned")}
    assert rows("twice", "removed") == []


@pytest.mark.parametrize(
    ("path", "name", "rest"),
    [
        ("notes", "notes", "notes"),
        ("a/b/notes.jsonl.gz", "notes", "a/b/notes.jsonl.gz"),
        ("mine=a/b", "mine", "a/b"),
        ("a/b=c/d", "d", "a/b=c/d"),
        ("s3://bucket/web/?x=1", "?x=1", "s3://bucket/web/?x=1"),
        ("web=https://host/a.txt?x=1", "web", "https://host/a.txt?x=1"),
        ("hf:org/stories@train", "stories@train", "hf:org/stories@train"),
        ("/", "/", "/"),
    ],
)
def test_names_of_sources(path: str, name: str, rest: str) -> None:
    assert documents._named([path]) == [(name, rest)]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/part-0.jsonl", "b/part-0.jsonl"], ["a/part-0", "b/part-0"]),
        (["a/x/part-0.jsonl", "b/x/part-0.jsonl", "c.txt"], ["a/x/part-0", "b/x/part-0", "c"]),
        (["a/notes.csv", "a/notes.jsonl"], ["notes.csv", "notes.jsonl"]),
        (["data", "mine=data", "/data"], ["data", "mine", "/data"]),
        (["-", "a.txt"], ["stdin", "a"]),
    ],
)
def test_names_that_are_alike_are_told_apart_by_folder(paths: list[str], names: list[str]) -> None:
    found = documents._named(paths)
    assert [name for name, _ in found] == names
    assert [path for _, path in found] == [path.removeprefix("mine=") for path in paths]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd/"
    os.mkdir(odd)  # noqa: PTH102
    for name in (b"na\xefve.txt", b"two\nlines.txt", b"\x1b[31mred.txt", b"bad\xff\x1b.txt"):
        with open(odd + name, "wb") as file:  # noqa: PTH123
            file.write(b"" if b"bad" in name else b"Some text of " + name[:2])
    done = CliRunner().invoke(app, ["read", str(tmp_path / "odd"), "--into", str(tmp_path / "corpus")])
    assert done.exit_code == 0, done.output
    assert "bad\\xff\\x1b.txt: empty, left out" in done.output
    assert "\x1b" not in done.output
    rows = pq.read_table(tmp_path / "corpus/documents").to_pylist()
    assert sorted(row["path"] for row in rows) == ["\x1b[31mred.txt", "na\\xefve.txt", "two\nlines.txt"]


def test_an_interrupted_reading_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hornbook.corpus import read as reading
    from hornbook.corpus.read import portions

    monkeypatch.setattr(reading, "portions", lambda items: portions(items, 10))
    opened: list[str] = []
    read = reading._read_files

    def fragile(items: Any, *rest: Any) -> Any:
        opened.append(items[0].file.path)
        if len(opened) == 3:
            raise KeyboardInterrupt
        return read(items, *rest)

    monkeypatch.setattr(reading, "_read_files", fragile)
    done = run("read", "notes")
    assert done.exit_code == 130
    assert "The same command goes on from here." in done.output
    assert not Path("corpus").exists()
    told("read", "notes")
    assert sorted(opened) == sorted([*{*opened}, opened[2]])
    assert len(rows("corpus")) == 4
    assert not Path("corpus/scratch").exists()


def refused(*arguments: str) -> str:
    done = run(*arguments)
    assert isinstance(done.exception, UserError), done.output
    return str(done.exception)


def test_a_home_that_is_not_there_is_told(folder: Path) -> None:
    told("read", "notes", "--into", "kept")
    for words in (
        ["read", "~who.is.this/x"],
        ["read", "notes=~who.is.this/x"],
        ["clean", "kept", "against=['~who.is.this/x']"],
        ["grade", "kept", "labels=~who.is.this/x"],
        ["grade", "kept", "classifier=~who.is.this/x"],
    ):
        assert "~who.is.this/x: there is no home of that name" in refused(*words)


def test_what_is_read_from_a_home_is_not_written_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert "would be written where notes is read" in refused("read", "main=~/notes", "--into", "notes")


def test_without_anything_to_read(folder: Path) -> None:
    assert "`hornbook read` needs something to read" in refused("read", "maximum_characters=500")
    assert "`hornbook clean` needs a corpus" in refused("clean", "similarity=0.8")
    with pytest.raises(UserError, match="there is no corpus to clean"):
        run_stage(STAGES["clean"], "cleaned", corpora=[])


@pytest.mark.parametrize("path", ["https://localhost:1/a.txt", "hf:some/texts", "python:source", "-"])
def test_a_source_is_no_setting_whatever_its_path(path: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(documents, "run_stage", lambda stage, settings, *_, **__: seen.append(settings) or sys.exit(0))
    run("read", f"main={path}", f"share={path}")
    assert [(one.name, one.path) for one in seen[0].sources] == [("main", path), ("share", path)]


def test_no_corpus_is_replaced_unasked(folder: Path) -> None:
    told("read", "notes", "--into", "kept")
    assert "kept holds what other settings" in refused("read", "notes", "--whole", "--into", "kept")
    assert "would be written where kept is read" in refused("filter", "kept", "--mask", "email", "--into", "kept")
    assert "would be written where kept is read" in refused("clean", "kept", "--into", "kept/inside")
    assert "would be written where notes is read" in refused("read", "notes", "--into", ".")
    assert len(rows("kept")) == 4
    told("read", "notes/lantern.txt", "--into", "kept", "--force")
    assert len(rows("kept")) == 1


def test_a_corpus_that_was_changed_is_no_longer_hornbooks_but_the_users(folder: Path) -> None:
    told("read", "notes")
    told("clean", "corpus")
    (file,) = Path("corpus/documents").glob("*.parquet")
    pq.write_table(pq.read_table(file).slice(0, 1), file)
    changed = refused("clean", "corpus", "--force")
    assert "part-00000.parquet is not what `hornbook read` wrote: make it again" in changed
    assert "where you changed it yourself, delete corpus/manifest.json" in changed
    Path("corpus/manifest.json").unlink()
    assert "cleaned holds what" in refused("clean", "corpus")
    told("clean", "corpus", "--force")
    assert len(rows("cleaned")) == 1


def test_two_at_once_in_one_place(folder: Path) -> None:
    with alone(Path(".corpus.hornbook.lock"), "never"):
        child = subprocess.run(
            [sys.executable, "-m", "hornbook", "read", "notes"], capture_output=True, text=True, check=False
        )
    assert child.returncode == 2
    assert f"another `hornbook read` (process {os.getpid()}) makes corpus" in " ".join(child.stderr.split())
    told("read", "notes")
    assert sorted(path.name for path in Path().glob(".*")) == []


@pytest.mark.parametrize("command", ["filter", "clean", "grade", "audit"])
def test_damaged_corpora_are_named(folder: Path, command: str) -> None:
    Path("quiz.jsonl").write_text(json.dumps({"id": "q1", "question": "What is a lantern made of?", "answer": "A"}))
    more = {
        "filter": ["--mask", "email"],
        "clean": [],
        "grade": ["--sample", "3"],
        "audit": ["--against", "quiz.jsonl"],
    }
    told("read", "notes")
    (file,) = Path("corpus/documents").glob("*.parquet")
    Path("corpus/manifest.json").unlink()
    whole = pq.read_table(file)
    for column in ("id", "text"):
        pq.write_table(whole.drop_columns([column]), file)
        assert f"part-00000.parquet has no column '{column}'" in refused(command, "corpus", *more[command])
    file.write_bytes(b"PAR1 half of it")
    assert "part-00000.parquet is damaged" in refused(command, "corpus", *more[command])
    assert not list(Path().glob(".*partial"))


@pytest.mark.parametrize(
    "command",
    [["read", "notes"], ["clean", "corpus"], ["grade", "corpus", "--sample", "3"], ["write", "stories", "--count", "2"],
     ["audit", "corpus", "--against", "quiz.jsonl"]],
)  # fmt: skip
def test_places_where_nothing_can_be_written(folder: Path, command: list[str]) -> None:
    told("read", "notes")
    Path("quiz.jsonl").write_text(json.dumps({"id": "q1", "question": "What is a lantern made of?", "answer": "A"}))
    for place in ("rows.jsonl/x", "/proc/nowhere/x"):
        assert "can't be written" in refused(*command, "--into", place)


def test_a_flag_and_a_setting_of_one_list_both_count() -> None:
    rules = settings_of(STAGES["filter"], ["heuristics.rules=['c4']"], given={"heuristics.rules": ["gopher"]})
    assert rules.filter.heuristics.rules == ("c4", "gopher")
    benchmarks = settings_of(STAGES["clean"], ["against=['x']"], given={"against": ["y"]})
    assert benchmarks.clean.against == ("x", "y")


def test_settings_wrong_below_a_flag_are_told_in_one_line(folder: Path) -> None:
    for wrong in ("heuristics=5", "heuristics.rules=gopher"):
        done = run("filter", "notes", wrong, "--rules", "c4")
        assert isinstance(done.exception, UserError), (wrong, done.exception)
        assert "\n" not in str(done.exception)


def test_settings_of_sources_and_folders_that_look_like_settings(folder: Path) -> None:
    (folder / "lang=en").mkdir()
    (folder / "lang=en" / "part.jsonl").write_text(
        "".join(json.dumps({"text": f"{TEXT} {n}", "url": "u", "more": n}) + "\n" for n in range(40))
    )
    told("read", "lang=en", "--into", "whole")
    assert len(rows("whole")) == 40
    told("read", "lang=en/part.jsonl", "share=0.5", "keep=[url]", "--into", "half")
    half = rows("half")
    assert 10 < len(half) < 30
    assert all("url" in row and "more" not in row for row in half)
    told("clean", "whole", "--into", "lang=de")
    assert rows("lang=de")


def test_a_setting_may_be_longer_than_any_name(folder: Path) -> None:
    long = "heuristics.sources=[" + ",".join(f"source-{number}" for number in range(100)) + "]"
    told("read", "notes", "--into", "read")
    done = run("filter", "read", "heuristics.rules=[gopher.few_words]", long)
    assert isinstance(done.exception, UserError)
    assert "no document comes from 'source-0'" in str(done.exception)
