from __future__ import annotations

import hashlib
import json
import math
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus import shuffle
from hornbook.corpus.clean import alike, clean, duplicates, index, writing
from hornbook.corpus.clean.minhash import band_keys
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.decontaminate import EvaluationFiles, EvaluationSets
from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.workers import work

Rows = Callable[[Path], list[dict[str, Any]]]

PROMPT = 'def sum_of_even_squares(values):\n    """Return the sum of the squares of the even numbers in values."""\n'
SOLUTION = "    return sum(v * v for v in values if v % 2 == 0)\n"


def words(seed: int, count: int = 120) -> str:
    return " ".join(random.Random(seed).choices([f"word{number}" for number in range(500)], k=count))


def document(text: str, path: str, score: float | None = None, source: str = "library") -> dict[str, Any]:
    return {"id": document_id(text), "text": text, "source": source, "path": path, "score": score}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    file = tmp_path / "problems.jsonl"
    file.write_text(json.dumps({"id": "evens", "prompt": PROMPT, "solution": SOLUTION}))
    return file


LIBRARY = [
    document(words(1), "one.txt", 3.0),
    document(words(1) + "  \n\n", "one again.txt", 4.0),
    document(words(2), "two.txt", 2.0),
    document(words(2) + " and a little more", "two longer.txt", 2.5),
    document(words(3), "three.txt", 1.0),
    document("before\n" + PROMPT + SOLUTION + "after", "leak.txt", 5.0),
]
EXERCISES = [
    {"id": "e1", "text": words(3) + " end", "source": "exercises", "family": "f", "level": 1},
    {"id": "e2", "text": words(4), "source": "exercises", "family": "g", "level": 2},
]


def run(corpora: list[Path], problems: Path, into: Path, settings: CleanSettings | None = None) -> dict[str, Any]:
    return clean(corpora, problems, settings or CleanSettings(), into=into, progress=Progress())


def test_what_goes_and_what_stays(tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows) -> None:
    corpora = [make_corpus(tmp_path / "library", LIBRARY), make_corpus(tmp_path / "exercises", EXERCISES)]
    figures = run(corpora, problems, tmp_path / "out")
    rows = rows_of(tmp_path / "out/documents")
    assert {row["path"] for row in rows if row["path"]} == {"one again.txt", "two longer.txt", "three.txt"}
    assert [row["id"] for row in rows if row["source"] == "exercises"] == ["e2"]
    removed = {row["path"] or row["id"]: (row["reason"], row["kept"]) for row in rows_of(tmp_path / "out/removed")}
    assert removed == {
        "one.txt": ("exact duplicate", LIBRARY[1]["id"]),
        "two.txt": ("near duplicate", LIBRARY[3]["id"]),
        "e1": ("near duplicate", LIBRARY[4]["id"]),
        "leak.txt": ("contamination", "evens"),
    }
    assert figures["read"] == 8
    assert figures["documents"] == len(rows) == 4
    assert figures["characters"] == sum(len(row["text"]) for row in rows)
    assert figures["removed"] == {"exact duplicate": 1, "near duplicate": 2, "contamination": 1}
    assert figures["sources"]["exercises"] == {
        "read": 2, "documents": 1, "characters": len(words(4)),
        "exact duplicate": 0, "near duplicate": 1, "contamination": 0,
    }  # fmt: skip


def test_columns_survive_where_they_are(tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows) -> None:
    corpora = [make_corpus(tmp_path / "library", LIBRARY), make_corpus(tmp_path / "exercises", EXERCISES)]
    run(corpora, problems, tmp_path / "out")
    by_id = {row["id"]: row for row in rows_of(tmp_path / "out/documents")}
    assert by_id["e2"] == {**EXERCISES[1], "path": None, "score": None}
    assert by_id[LIBRARY[4]["id"]] == {**LIBRARY[4], "family": None, "level": None}


def test_examples_show_both_texts(tmp_path: Path, make_corpus: Any, problems: Path) -> None:
    figures = run([make_corpus(tmp_path / "library", LIBRARY)], problems, tmp_path / "out", CleanSettings(examples=1))
    examples = figures["examples"]
    assert {reason: len(rows) for reason, rows in examples.items()} == dict.fromkeys(examples, 1)
    assert examples["near duplicate"][0]["kept_text"] == LIBRARY[3]["text"]
    assert examples["near duplicate"][0]["text"] == LIBRARY[2]["text"]
    assert examples["contamination"][0]["kept_text"] == PROMPT + SOLUTION
    json.dumps(figures)


def many() -> list[dict[str, Any]]:
    chance = random.Random(0)
    rows = []
    for number in range(240):
        text = words(number % 60, 40 + number % 60 % 7)
        if number % 5 == 0:
            text += " extra" * (number // 60)
        if number % 30 == 0:
            text = PROMPT + SOLUTION + text
        rows.append(document(text, f"{number}.txt", round(chance.random() * 5, 2), f"source {number % 3}"))
    return rows


def test_the_order_of_rows_files_and_corpora_changes_no_byte(tmp_path: Path, make_corpus: Any, problems: Path) -> None:
    rows = many()
    shuffled = random.Random(1).sample(rows, len(rows))
    layouts = {
        "one": [make_corpus(tmp_path / "a", rows)],
        "two": [make_corpus(tmp_path / "b", shuffled, files=7)],
        "three": [make_corpus(tmp_path / "c", shuffled[:100]), make_corpus(tmp_path / "d", shuffled[100:], files=2)],
    }
    figures = [run(corpora, problems, tmp_path / name) for name, corpora in layouts.items()]
    assert figures[0] == figures[1] == figures[2]
    assert all(count > 0 for count in figures[0]["removed"].values())
    for file in ("documents/part-00000.parquet", "removed/part-00000.parquet"):
        assert len({(tmp_path / name / file).read_bytes() for name in layouts}) == 1


def test_passes_to_save_memory_change_no_row(tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows) -> None:
    corpus = make_corpus(tmp_path / "corpus", many())
    run([corpus], problems, tmp_path / "one")
    small = CleanSettings.model_construct(**{**CleanSettings().model_dump(), "memory": 5_000})
    run([corpus], problems, tmp_path / "two", small)
    for folder in ("documents", "removed"):
        assert rows_of(tmp_path / "one" / folder) == rows_of(tmp_path / "two" / folder)
    keys = [document_id(row["text"]) for row in rows_of(tmp_path / "two/documents")]
    assert keys == sorted(set(keys))


def test_cleaning_twice_drops_nothing_more(tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows) -> None:
    run([make_corpus(tmp_path / "corpus", many())], problems, tmp_path / "one")
    figures = run([tmp_path / "one"], problems, tmp_path / "two")
    assert sum(figures["removed"].values()) == 0
    assert rows_of(tmp_path / "one/documents") == rows_of(tmp_path / "two/documents")


def test_settings_are_heard(tmp_path: Path, make_corpus: Any, problems: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", LIBRARY)
    assert run([corpus], problems, tmp_path / "one", CleanSettings(similarity=1.0))["removed"]["near duplicate"] == 0
    assert run([corpus], problems, tmp_path / "two", CleanSettings(ngram=200))["removed"]["contamination"] == 1
    long = CleanSettings(match=0.99)
    assert run([corpus], problems, tmp_path / "three", long)["removed"]["contamination"] == 1


def test_what_is_no_corpus_is_named(tmp_path: Path, problems: Path) -> None:
    with pytest.raises(UserError, match="nothing is not a corpus"):
        run([tmp_path / "nothing"], problems, tmp_path / "out")


def test_benchmarks_are_kept_out_too(tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows) -> None:
    question = (
        "Which of the seven wandering lanterns did the keeper of the harbour museum lend to the baker of the island?"
    )
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "quiz.jsonl").write_text(json.dumps({"id": "q1", "question": question, "answer": "A"}))
    rows = [*LIBRARY, document(f"{words(9)} {question.upper()} {words(10)}", "quiz.txt")]
    corpus = make_corpus(tmp_path / "corpus", rows)
    settings, benchmarks = CleanSettings(examples=5), [tmp_path / "benchmarks"]
    figures = clean([corpus], problems, settings, into=tmp_path / "out", progress=Progress(), against=benchmarks)
    removed = {
        row["path"]: row["kept"] for row in rows_of(tmp_path / "out/removed") if row["reason"] == "contamination"
    }
    assert removed == {"leak.txt": "evens", "quiz.txt": "quiz/q1"}
    assert figures["problems"] == 2
    shown = {row["path"]: row["kept_text"] for row in figures["examples"]["contamination"]}
    assert shown["quiz.txt"].startswith(question)


@pytest.mark.slow
def test_a_run_that_is_interrupted_everywhere_ends_with_the_same_bytes(
    tmp_path: Path, make_corpus: Any, problems: Path, interrupted: Any
) -> None:
    corpora = [make_corpus(tmp_path / "a", many()[:200], files=4), make_corpus(tmp_path / "b", many()[200:])]
    settings = CleanSettings.model_construct(**{**CleanSettings().model_dump(), "memory": 20_000})
    whole = run(corpora, problems, tmp_path / "whole", settings)
    figures, times = interrupted(lambda: run(corpora, problems, tmp_path / "parts", settings))
    assert figures == whole
    assert times >= 8, "in every pass"
    for file in sorted((tmp_path / "whole").glob("*/*.parquet")):
        assert file.read_bytes() == (tmp_path / "parts" / file.relative_to(tmp_path / "whole")).read_bytes()


def test_what_was_done_for_other_settings_or_problems_is_not_taken(
    tmp_path: Path, make_corpus: Any, problems: Path
) -> None:
    corpus = make_corpus(tmp_path / "corpus", many(), files=3)
    run([corpus], problems, tmp_path / "out")
    other = CleanSettings(shingle=3, similarity=0.5, match=0.9, examples=1)
    problems.write_text(json.dumps({"id": "other", "prompt": words(7), "solution": words(8)}))
    assert run([corpus], problems, tmp_path / "out", other) == run([corpus], problems, tmp_path / "fresh", other)
    shorter = make_corpus(tmp_path / "shorter", many()[:150], files=3)
    assert run([shorter], problems, tmp_path / "out") == run([shorter], problems, tmp_path / "fresh too")


@pytest.mark.parametrize("parts", [2, 7])
def test_the_number_of_partitions_changes_no_byte(tmp_path: Path, make_corpus: Any, problems: Path, parts: int) -> None:
    """The rows in another order too."""
    rows = many()
    whole = run([make_corpus(tmp_path / "a", rows)], problems, tmp_path / "whole")
    cut = run([make_corpus(tmp_path / "b", rows[::-1], files=parts)], problems, tmp_path / "cut")
    assert whole == cut
    for file in ("documents/part-00000.parquet", "removed/part-00000.parquet"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()


def test_what_resembles_through_others_is_one_group(tmp_path: Path, make_corpus: Any, problems: Path) -> None:
    """Each text shares most with the next and little with the last: only the best of them all stays."""
    chain = [words(5, 400)]
    for step in range(1, 6):
        chain.append(" ".join([*chain[-1].split()[25:], *words(50 + step, 25).split()]))
    rows = [document(text, f"{number}.txt", float(number == 3)) for number, text in enumerate(chain)]
    for name, order in (("one", rows), ("two", rows[::-1])):
        figures = run([make_corpus(tmp_path / f"c{name}", order)], problems, tmp_path / name)
        assert figures["removed"]["near duplicate"] == 5
    kept = (tmp_path / "one/documents/part-00000.parquet").read_bytes()
    assert kept == (tmp_path / "two/documents/part-00000.parquet").read_bytes()


def plainly(rows: list[dict[str, Any]], settings: CleanSettings, sets: EvaluationSets) -> dict[str, list[Any]]:
    """What cleaning leaves of rows that lie in files in this order, found by comparing everything with everything."""

    def preference(number: int) -> tuple[Any, ...]:
        row = rows[number]
        told = hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()
        return (-math.inf if row["score"] is None else row["score"]) * -1, row["id"].encode(), told, number

    def best_of(numbers: set[int]) -> int:
        return min(numbers, key=preference)

    keys = [document_id(row["text"]) for row in rows]
    removed: dict[int, tuple[str, str]] = {}
    for key in set(keys):
        same = {number for number in range(len(rows)) if keys[number] == key}
        removed |= {number: ("exact duplicate", rows[best_of(same)]["id"]) for number in same - {best_of(same)}}
    left = [number for number in range(len(rows)) if number not in removed]
    bands = [set(some.tolist()) for some in band_keys([row["text"] for row in rows], settings)]
    sets_of = [
        {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} for words in map(str.split, texts(rows))
    ]
    group = {number: {number} for number in left}
    for one in left:
        for other in left:
            shared = len(sets_of[one] & sets_of[other]) / len(sets_of[one] | sets_of[other])
            if one != other and bands[one] & bands[other] and shared >= settings.similarity:
                together = group[one] | group[other]
                group |= dict.fromkeys(together, together)
    for number in left:
        if number != best_of(group[number]):
            removed[number] = ("near duplicate", rows[best_of(group[number])]["id"])
    for number, name in enumerate(sets.find(texts(rows))):
        if name is not None and number not in removed:
            removed[number] = ("contamination", name)
    order = sorted(range(len(rows)), key=lambda number: (keys[number], preference(number)))
    return {
        "documents": [rows[number] for number in order if number not in removed],
        "removed": [(rows[number]["path"], *removed[number]) for number in order if number in removed],
    }


def texts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["text"] for row in rows]


def tangled(seed: int) -> list[dict[str, Any]]:
    """Copies, chains of near copies, ids and scores that occur twice, and leaks."""
    chance = random.Random(seed)
    made = [words(100 * seed + number, chance.randrange(6, 60)) for number in range(25)]
    for _ in range(75):
        text = chance.choice(made)
        if chance.random() < 0.6:
            changed = text.split(" ")
            changed[chance.randrange(len(changed))] = f"other{chance.randrange(9)}"
            text = " ".join(changed) + chance.choice(["", "", f"\n{PROMPT}{SOLUTION}"])
        made.append(text + chance.choice(["", " \n"]))
    return [
        {**document(text, f"{number}.txt", chance.choice([None, 1.0, 2.0])), "id": f"id {chance.randrange(60)}"}
        for number, text in enumerate(made)
    ]


SMALL = {
    (shuffle, "_RUN"): 30,
    (index, "_ENTRIES"): 23,
    (duplicates, "_BANDS"): 300,
    (duplicates, "_SETS"): 20_000,
    (duplicates, "_LINKED"): 10,
    (alike, "_AT_ONCE"): 9,
    (writing, "_OBJECTS"): 2,
}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_in_ranges_the_result_is_that_of_comparing_everything(
    tmp_path: Path, make_corpus: Any, problems: Path, rows_of: Rows, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rows = tangled(seed)
    plain = CleanSettings(bands=8, rows=3, similarity=0.6, boilerplate=0).model_dump()
    settings = CleanSettings.model_construct(**plain | {"memory": 6_000})
    corpus = make_corpus(tmp_path / "corpus", rows, files=3)
    stored = [row for file in range(3) for row in rows[file::3]]
    expected = plainly(stored, settings, EvaluationSets(EvaluationFiles(problems, (), settings)))
    figures = run([corpus], problems, tmp_path / "large", settings)
    for (module, name), value in SMALL.items():
        monkeypatch.setattr(module, name, value)
    assert run([corpus], problems, tmp_path / "small", settings) == figures
    assert (
        len(list((tmp_path / "small/scratch").glob("alike-*"))) > 2 < len(list((tmp_path / "small").glob("*/best-*")))
    )
    for file in sorted((tmp_path / "large").glob("*/*.parquet")):
        assert file.read_bytes() == (tmp_path / "small" / file.relative_to(tmp_path / "large")).read_bytes()
    assert rows_of(tmp_path / "small/documents") == expected["documents"]
    removed = [(row["path"], row["reason"], row["kept"]) for row in rows_of(tmp_path / "small/removed")]
    assert removed == expected["removed"]
    assert {reason for _, reason, _ in removed} == {"exact duplicate", "near duplicate", "contamination"}


def test_the_process_that_starts_the_work_holds_few_bytes_of_a_document(
    tmp_path: Path, make_corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between portions, and in the one that holds something of all documents; the others go to workers."""
    held = most = 0
    do = work._do

    def measured(portion: Any, advance: Any) -> Any:
        nonlocal held, most
        if "joined" in portion.folder.name:
            return do(portion, advance)
        now, peak = tracemalloc.get_traced_memory()
        held, most = held + now, max(most, held + peak)
        tracemalloc.stop()
        figures = do(portion, advance)
        tracemalloc.start()
        return figures

    monkeypatch.setattr(work, "_do", measured)
    peaks = {}
    for count in (600, 2_100):
        half = [document(words(number, 8), f"{number}") for number in range(count // 3)]
        near = [document(row["text"] + " more", f"{row['path']} more") for row in half]
        corpus = make_corpus(tmp_path / f"of {count}", [*half, *half, *near], files=3)
        settings = CleanSettings(similarity=0.5, bands=8, rows=1, examples=0)
        clean([corpus], None, settings, into=tmp_path / "once", progress=Progress())  # what is imported and kept once
        held = most = 0
        tracemalloc.start()
        figures = clean([corpus], None, settings, into=tmp_path / f"out {count}", progress=Progress())
        tracemalloc.stop()
        assert min(figures["removed"]["exact duplicate"], figures["removed"]["near duplicate"]) >= count // 3 - 1
        peaks[count] = most
    assert (peaks[2_100] - peaks[600]) / 1_500 < 24
