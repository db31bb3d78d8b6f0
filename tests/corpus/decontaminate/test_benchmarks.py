from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.decontaminate.benchmarks import load_benchmarks, say_left_out
from hornbook.errors import UserError

HUMANEVAL = {
    "task_id": "HumanEval/0", "prompt": 'def f(x):\n    """Double x."""\n', "canonical_solution": "    return 2 * x\n",
    "entry_point": "f", "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}  # fmt: skip
MBPP = {
    "text": "Write a function to double.",
    "code": "def g(x):\r\n  return 2*x",
    "task_id": 11,
    "test_list": ["assert g(1) == 2"],
    "test_setup_code": "",
}
GSM = {"question": "Ada has 3 apples and buys 4. How many?", "answer": "3+4=<<3+4=7>>7\n#### 7"}


def write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "\n".join(json.dumps(row) for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def test_every_shape_is_read(tmp_path: Path) -> None:
    write(tmp_path / "HumanEval.jsonl.gz", [HUMANEVAL])
    write(tmp_path / "mbpp.jsonl", [MBPP])
    write(tmp_path / "deeper/gsm.jsonl", [GSM])
    (tmp_path / "bbh.json").write_text(
        json.dumps({"canary": "x", "examples": [{"input": "True and", "target": "False"}]})
    )
    (tmp_path / "quiz.csv").write_text('"Which, then?",one,two,three,four,C\n')
    (tmp_path / "named.csv").write_text("Type,Question,Best Answer\na,Who was it?,Nobody\n")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("test/a_test.csv", "test/b_test.csv", "dev/a_dev.csv"):
            data = b"What is it?,1,2,3,4,A\n"
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (tmp_path / "mmlu.tar.gz").write_bytes(archive.getvalue())
    (tmp_path / "README.md").write_text("not a benchmark")
    found = {one.name: one for one in load_benchmarks(tmp_path)}
    assert {name: (one.kind, len(one.items)) for name, one in found.items()} == {
        "HumanEval": ("code", 1), "mbpp": ("code", 1), "deeper/gsm": ("mathematics", 1), "bbh": ("text", 1),
        "quiz": ("text", 1), "named": ("text", 1), "mmlu/test": ("text", 2), "mmlu/dev": ("text", 1),
    }  # fmt: skip
    human = found["HumanEval"].items[0]
    assert (human.id, human.entry, human.code) == (
        "HumanEval/0",
        "f",
        HUMANEVAL["prompt"] + HUMANEVAL["canonical_solution"],
    )
    assert "check(candidate)" in human.checks
    assert found["mbpp"].items[0].checks.strip() == "assert g(1) == 2"
    assert (found["quiz"].items[0].choices, found["quiz"].items[0].right) == (("one", "two", "three", "four"), 2)
    assert found["named"].items[0].answer == "Nobody"


def test_tables_without_a_line_of_names(tmp_path: Path) -> None:
    (tmp_path / "mgsm_de.tsv").write_text('"Ada" hat 3 Äpfel, er\t3\nWie viele "Enten?\t18\n')
    (tmp_path / "named.tsv").write_text('question\tanswer\n"One ""or"" two?"\t2\n')
    (tmp_path / "quiz.tsv").write_text("Which?\tone\ttwo\tB\n")
    found = {one.name: one.items for one in load_benchmarks(tmp_path)}
    assert [(item.question, item.answer) for item in found["mgsm_de"]] == [
        ('"Ada" hat 3 Äpfel, er', "3"),
        ('Wie viele "Enten?', "18"),
    ]
    assert found["named"][0].question == 'One "or" two?'
    assert (found["quiz"][0].choices, found["quiz"][0].right) == (("one", "two"), 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"{broken", r"a\.jsonl line 1 is not valid JSON"),
        ("a.jsonl", b"[1]", "line 1 is not an object"),
        ("a.jsonl", b'"text"', "line 1 is not an object"),
        ("a.jsonl", b"[" * 100_000, "line 1 is not valid JSON"),
        ("a.jsonl", b'{"other": 1}', "record 1 has none of the fields"),
        ("a.jsonl", b"", "holds no records"),
        ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz can't be read"),
        ("a.tar.gz", b"no archive", r"a\.tar\.gz can't be read"),
        ("a.json", b"\xff", "not valid UTF-8"),
        ("a.json", b"3", "neither a list nor an object"),
        ("a.csv", b"who,what\nme,this\n", "line 1 is not a question"),
        ("a.csv", b"question\n" + b"x" * 200_000, "line 2 can't be read"),
        ("a.txt", b"text", "is not .jsonl"),
    ],
)
def test_nothing_usable_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    for where in (tmp_path, tmp_path / name):
        with pytest.raises(UserError, match=message) as caught:
            load_benchmarks(where)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="does not exist"):
        load_benchmarks(tmp_path / "nowhere")


def test_what_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    write(folder / "good.jsonl", [GSM])
    (folder / "part.jsonl").write_text(f'{{broken\n\n{json.dumps(GSM)}\n{{"other": 1}}\n3\n')
    (folder / "quiz.csv").write_text("Which?,one,two,three,four,C\na,b\nWhich?,one,two,?\n")
    (folder / "broken.jsonl.gz").write_bytes(gzip.compress(b"x" * 100)[:-9])
    (folder / "README.md").write_text("not a benchmark")
    (folder / "gone.json").symlink_to("nothing")
    (folder / "linked").symlink_to(tmp_path)
    (folder / ".hidden").write_text("nobody misses this")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in (("test/a.csv", b"What is it?,1,2,3,4,A\n"), ("test/b.csv", b"\xff"), ("LICENSE", b"MIT")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (folder / "mmlu.tar.gz").write_bytes(archive.getvalue())
    found = load_benchmarks(folder)
    assert {one.name: (len(one.items), one.incomplete) for one in found} == {
        "good": (1, ()),
        "mmlu/test": (1, ("benchmarks/mmlu.tar.gz, test/b.csv",)),
        "part": (1, ("benchmarks/part.jsonl",)),
        "quiz": (1, ("benchmarks/quiz.csv",)),
    }
    starts = {
        "README.md": "is not .jsonl, .json, .csv or .tsv",
        "broken.jsonl.gz": "can't be read to its end: cut off",
        "gone.json": "is not a regular file",
        "linked": "is a link to a folder",
        "mmlu.tar.gz, LICENSE": "is not .jsonl, .json, .csv or .tsv",
        "mmlu.tar.gz, test/b.csv": "line 1 is not valid UTF-8: byte 0xFF",
        "part.jsonl": "lacks 3 of 4 records: line 1 is not valid JSON",
        "quiz.csv": "lacks 2 of 3 records: line 2 is not a question, its choices and a letter",
    }
    assert list(found.left_out) == sorted(f"benchmarks/{name}" for name in starts)
    for name, reason in starts.items():
        assert found.left_out[f"benchmarks/{name}"].startswith(reason)
    assert [item.id for one in found if one.name == "part" for item in one.items] == ["2"]
    (alone,) = load_benchmarks(folder / "part.jsonl")
    assert (len(alone.items), alone.incomplete) == (1, ("part.jsonl",))


@pytest.mark.parametrize("name", ["b.jsonl", "b.json", "b.jsonl.gz", "b.jsonl.zst", "b.jsonl.bz2", "b.csv", "b.zip"])
def test_one_bad_record_costs_itself(tmp_path: Path, name: str) -> None:
    rows = [f'{{"question": "How many are {n} and {n}?", "answer": "{2 * n}"}}'.encode() for n in range(20)]
    rows[7] = rows[7].replace(b"How", b"How\xff")
    data = b"[" + b", ".join(rows) + b"]" if name == "b.json" else b"\n".join(rows)
    if name == "b.csv":
        data = b"question,answer\n" + b"\n".join(b"How%b many?,%d" % (b"\xff" * (n == 7), n) for n in range(20))
    if name == "b.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("b/b.jsonl", data)
    else:
        pack = {".gz": gzip.compress, ".zst": zstd.compress, ".bz2": bz2.compress}.get(Path(name).suffix, bytes)
        (tmp_path / name).write_bytes(pack(data))
    found = load_benchmarks(tmp_path / name)
    assert [len(one.items) for one in found] == [19]
    (told,) = found.left_out.values()
    assert told.startswith("lacks 1 of 20 records: ")
    assert "is not valid UTF-8" in told


def test_what_is_before_damage_is_used(tmp_path: Path) -> None:
    data = "".join(json.dumps({**GSM, "number": n**9}) + "\n" for n in range(2_000)).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data)[:-9])
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("a.jsonl", "b.jsonl"):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (tmp_path / "c.tar.gz").write_bytes(archive.getvalue()[:-2_000])
    found = load_benchmarks(tmp_path)
    counts = {one.name: len(one.items) for one in found}
    assert counts["a"] > 1_900
    assert counts["c"] >= 2_000
    assert all("can't be read" in told for told in found.left_out.values())


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a.tar.gz", "a.zip"])
def test_what_is_too_large_is_named_and_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("hornbook.corpus.decontaminate.files._LARGEST", 1 << 20)
    large = b" " * (50 << 20)
    if name == "a.tar.gz":
        with tarfile.open(tmp_path / name, "w:gz", compresslevel=1) as tar:
            for member, data in (("a.jsonl", large), ("b.jsonl", json.dumps(GSM).encode())):
                entry = tarfile.TarInfo(member)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    elif name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jsonl", large)
            archive.writestr("b.jsonl", json.dumps(GSM))
    else:
        (tmp_path / name).write_bytes(gzip.compress(large, 1) if name.endswith(".gz") else large)
        write(tmp_path / "b.jsonl", [GSM])
    del large
    tracemalloc.start()
    found = load_benchmarks(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(len(one.items) for one in found) == 1
    (told,) = found.left_out.values()
    assert told == "holds more than 1,048,576 bytes, too many for a benchmark"
    assert peak < 10 << 20


def test_the_first_files_left_out_are_said(heard: Any) -> None:
    say_left_out({f"b/{number}.txt": "is [not] it" for number in range(7)}, heard)
    assert heard.lines[0] == "  benchmarks: b/0.txt is \\[not] it, left out"
    assert heard.lines[5:] == ["  benchmarks: 7 files in all left out, wholly or in part"]
    heard.lines.clear()
    say_left_out({}, heard)
    assert heard.lines == []


@given(
    st.binary(max_size=200),
    st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".jsonl.gz", ".tar.gz", ".zip", ".txt"]),
)
def test_any_bytes_are_used_or_named(tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    write(folder / "good.jsonl", [GSM])
    (folder / f"a{ending}").write_bytes(content)
    found = load_benchmarks(folder)
    assert "good" in {one.name for one in found}
    assert len(found) == 2 or found.left_out


def test_mgsm(real_data: Callable[[str], Path]) -> None:
    found = load_benchmarks(real_data("benchmarks/mgsm"))
    assert [(len(one.items), one.kind) for one in found] == [(250, "mathematics")] * 11
    assert all(
        item.answer.replace(",", "").replace(".", "").lstrip("-").isdigit() for one in found for item in one.items
    )


def test_files_of_one_benchmark_that_count_alike_are_told_apart(tmp_path: Path) -> None:
    """MMLU's subjects: each file numbers its questions from 1."""
    with tarfile.open(tmp_path / "mmlu.tar.gz", mode="w:gz") as tar:
        for subject in ("anatomy_test", "law_test"):
            data = "".join(f'"What is the {subject} number {n} of these?",a,b,c,d,B\n' for n in range(3)).encode()
            entry = tarfile.TarInfo(f"data/test/{subject}.csv")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (benchmark,) = load_benchmarks(tmp_path)
    assert len({item.id for item in benchmark.items}) == len(benchmark.items) == 6
    assert {item.id.partition(":")[0] for item in benchmark.items} == {"anatomy_test", "law_test"}
    write(tmp_path / "alone" / "gsm.jsonl", [GSM, GSM])
    assert [item.id for item in load_benchmarks(tmp_path / "alone")[0].items] == ["1", "2"]


def test_records_that_share_an_id_are_told_apart(tmp_path: Path) -> None:
    rows = [{"id": id_, "question": f"Which is number {n}?"} for n, id_ in enumerate("aba")]
    write(tmp_path / "quiz.jsonl", rows)
    assert [item.id for item in load_benchmarks(tmp_path)[0].items] == ["a#1", "b", "a#3"]
    with tarfile.open(tmp_path / "quiz.tar", mode="w") as tar:
        for split in ("x", "y"):  # files of one benchmark that are called alike
            data = "".join(json.dumps(row) + "\n" for row in rows).encode()
            entry = tarfile.TarInfo(f"all/quiz.{split}.jsonl")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (tmp_path / "quiz.jsonl").unlink()
    (benchmark,) = load_benchmarks(tmp_path)
    assert len({item.id for item in benchmark.items}) == 6
