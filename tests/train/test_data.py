"""Rows of one's own, from files of every kind, with shares."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from rich.console import Console

from hornbook.corpus.read.sources import DOCUMENTATION, EVERYDAY, documentation
from hornbook.errors import UserError
from hornbook.progress import ConsoleProgress, Progress
from hornbook.train.data import Data, Given, RowsInput, gather, reading_order, tell_unread, warn_of_plain_prompts
from hornbook.train.sft import SftSettings
from hornbook.train.shapes import Completion, to_learn

ROWS = [{"question": f"What is {n}?", "answer": f"{n}"} for n in range(3)]
OWN = "conversations.jsonl"


def fingerprint(name: str, base: Path) -> list[str] | None:
    return RowsInput("rows", OWN, to_learn, lambda settings: (Data(path=name),)).fingerprint(None, base)


def found(path: str, base: Path, progress: Progress | None = None) -> list[Any]:
    [given] = gather([Data(path=path)], base, to_learn, own=OWN, progress=progress or Progress())
    return given.rows


def write(folder: Path, name: str) -> None:
    place, lines = folder / name, "\n".join(map(json.dumps, ROWS))
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), place)
    elif name.endswith(".gz"):
        place.write_bytes(gzip.compress(lines.encode()))
    elif name.endswith((".csv", ".tsv")):
        mark = "," if name.endswith(".csv") else "\t"
        place.write_text(f"question{mark}answer\n" + "".join(f"{r['question']}{mark}{r['answer']}\n" for r in ROWS))
    else:
        place.write_text(lines if name.endswith("l") else json.dumps(ROWS, indent=2))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.tsv", "a.parquet"])
def test_every_kind_of_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    assert found(name, tmp_path) == [to_learn(row)[1] for row in ROWS]
    assert found(str(tmp_path), Path("/")) == found(name, tmp_path)


def test_archives_hold_rows_and_texts(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jsonl", "b.csv", "c.parquet"):
        write(tmp_path / "in", name)
    (tmp_path / "in" / "notes.md").write_text("# A text")
    expected = [to_learn(row)[1] for row in ROWS]
    for kind in ("zip", "gztar"):
        place = shutil.make_archive(str(tmp_path / "all"), kind, tmp_path / "in")
        assert sorted(map(str, found(place, tmp_path))) == sorted(map(str, [*(3 * expected), "# A text"]))
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(UserError, match=r"broken\.zip holds nothing to learn from: "):
        found("broken.zip", tmp_path)


@pytest.mark.parametrize("mark", [",", "\t"])
def test_tables_that_spreadsheets_write(mark: str, tmp_path: Path) -> None:
    """In the encoding that they seem to have; a row with a byte that means nothing is left out."""
    rows = f"question{mark}answer\nWie heißt die größte Stadt?{mark}Köln ist größer als Düsseldorf.\n"
    name = "a.csv" if mark == "," else "a.tsv"
    (tmp_path / name).write_text(rows, encoding="cp1252")
    talk = found(name, tmp_path)[0]
    assert [turn["content"] for turn in talk] == ["Wie heißt die größte Stadt?", "Köln ist größer als Düsseldorf."]
    (tmp_path / name).write_bytes(rows.encode() + f"what?{mark}x".encode() + b"\xff\n")
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    assert found(name, tmp_path, told) == [talk]
    assert f"1 row, at {name}:3 first: invalid UTF-8" in told.console.file.getvalue()  # type: ignore[attr-defined]


def test_a_folder_called_documents_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "mine" / "documents").mkdir(parents=True)
    (tmp_path / "mine" / "documents" / "a.txt").write_text("A text.")
    before = fingerprint("mine", tmp_path)
    assert found("mine", tmp_path) == ["A text."]
    (tmp_path / "mine" / "documents" / "a.txt").write_text("Another one.")
    assert fingerprint("mine", tmp_path) != before


def test_what_python_and_hornbook_bring_along(tmp_path: Path) -> None:
    assert found(EVERYDAY, tmp_path)
    topics = found(DOCUMENTATION, tmp_path)
    assert topics == [text for _, text in documentation() if text.strip()]
    assert fingerprint(DOCUMENTATION, tmp_path) == [sys.version]
    with pytest.raises(UserError, match="there is no python:docs"):
        found("python:docs", tmp_path)


def test_a_stages_folder_gives_its_rows_and_texts_give_themselves(tmp_path: Path) -> None:
    write(tmp_path, OWN)
    (tmp_path / "notes.md").write_text("# A text\n\nOf two lines.")
    assert len(found(str(tmp_path), Path())) == 3
    assert found("notes.md", tmp_path) == ["# A text\n\nOf two lines."]


def test_a_stages_folder_is_told_by_its_name(tmp_path: Path) -> None:
    """Not by where it lies, which a manifest would keep."""
    (tmp_path / "04-clean").mkdir()
    write(tmp_path / "04-clean", OWN)
    rows = RowsInput("rows", OWN, to_learn, lambda settings: ())
    work = SimpleNamespace(inputs={"rows": tmp_path / "04-clean"}, progress=Progress(), settings=None, base=Path())
    (given,) = rows.given(work)  # type: ignore[arg-type]
    assert (given.name, len(given.rows), given.theirs) == ("04-clean", 3, False)


def test_a_dataset_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(name: str, config: str | None, *, split: str, streaming: bool) -> Any:
        asked.append((name, config, split, streaming))
        return iter(ROWS)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))
    assert len(found("hf:some/chats@test", tmp_path)) == 3
    assert asked == [("some/chats", None, "test", True)]
    assert fingerprint("hf:some/chats", tmp_path) == ["hf:some/chats"]


def test_bad_rows_cost_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{json.dumps(ROWS[0])}\n{{"x": 1}}\nbroken\n{{"x": 2}}\n[1]\n3\n')
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    assert len(found("a.jsonl", tmp_path, told)) == 1
    lines = told.console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [
        "  a.jsonl: 1 row as instructions with answers; left out 5",
        "    2 rows, at a.jsonl:2 first: neither a conversation nor a text: it has x",
        "    1 row, at a.jsonl:3 first: broken JSON",
        "    1 row, at a.jsonl:5 first: no JSON object; an array belongs into a .json file",
        "    1 row, at a.jsonl:6 first: no JSON object",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"x": 1}\n', "a.jsonl holds nothing to learn from: neither a conversation"),
        ("", "nothing to learn from: it is empty"),
    ],
)
def test_nothing_to_learn_from(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(UserError, match=why):
        found("a.jsonl", tmp_path)
    with pytest.raises(UserError, match=r"^.*b\.jsonl does not exist"):
        found("b.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("word", "path", "share"),
    [
        ("a.jsonl:0.7", "a.jsonl", 0.7),
        ("a.jsonl", "a.jsonl", None),
        ("hf:name", "hf:name", None),
        ("hf:n/m:2", "hf:n/m", 2.0),
    ],
)
def test_a_word_may_have_a_share(word: str, path: str, share: float | None) -> None:
    assert Data.model_validate(word) == Data(path=path, share=share)


def test_all_have_a_share_or_none() -> None:
    with pytest.raises(ValidationError, match="give each of several data its share"):
        SftSettings.model_validate({"data": ["a.jsonl:0.7", "b.jsonl"]})


def test_data_of_which_nothing_is_read_are_named() -> None:
    few, many = Given("few", 0.01, rows=["a"] * 3), Given("many", 0.99, rows=["b"] * 40)
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    order = reading_order([3, 40], [few, many], 1.0, seed=1)
    tell_unread(order, 8, [3, 40], [few, many], "row", told)
    tell_unread(reading_order([3, 40], [few, many], 9.0, seed=1), 8, [3, 40], [few, many], "row", told)
    assert told.console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "  warning: few: never read: its share of all rows that are read comes to none; raise it, or epochs"
    ]


def test_contents_count_and_not_names_or_times(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path, name)
    first, second = (fingerprint(name, tmp_path) for name in ("a.jsonl", "b.jsonl"))
    assert first == second
    (tmp_path / "b.jsonl").write_text(json.dumps(ROWS[0]))
    assert fingerprint("b.jsonl", tmp_path) != first


def test_only_the_users_own_plain_prompts_are_told(tmp_path: Path) -> None:
    """What a stage of ours left is as it is meant."""
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    rows = [Completion("a", "b"), "a text", [{"role": "user", "content": "a"}], {"messages": [{}], "prompt": None}]
    warn_of_plain_prompts([Given("ours", rows=rows)], "x", told)
    assert not told.console.file.getvalue()
    warn_of_plain_prompts([Given("[mine]", rows=rows, theirs=True)], "messages", told)
    line = "[mine]: 1 prompt of plain text, learnt without the model's chat template; a chat is told by messages"
    assert told.console.file.getvalue().strip() == f"warning: {line}"
