from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.clean import alike, boilerplate, clean
from hornbook.corpus.clean.boilerplate import Boilerplate, common_lines
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.ngrams import WordHashes, ngram_hashes
from hornbook.documents import document_id, shards
from hornbook.progress import Progress

Rows = Callable[[Path], list[dict[str, Any]]]
Make = Callable[..., Path]

WORDS = [f"word{number}" for number in range(5_000)]
FEW = CleanSettings(boilerplate=20)


def prose(seed: int, count: int, wide: int = 8) -> str:
    """So many words in lines of `wide`."""
    words = random.Random(seed).choices(WORDS, k=count)
    return "\n".join(" ".join(words[start : start + wide]) for start in range(0, count, wide))


LICENCE = "\n".join(f"# {line}" for line in prose(10_001, 120, 12).split("\n"))


def document(text: str, name: object, score: float = 1.0) -> dict[str, Any]:
    return {"id": document_id(text), "text": text, "source": "files", "path": str(name), "score": score}


def run(corpora: Sequence[Path], into: Path, settings: CleanSettings) -> dict[str, Any]:
    return clean(corpora, None, settings, into=into, progress=Progress())


def licensed(count: int, body: int) -> list[dict[str, Any]]:
    """Unlike bodies, each below the licence with a year and a name of its own."""
    return [
        document(f"# Copyright {1990 + number % 30} Person {number}\n{LICENCE}\n\n{prose(number, body)}\n", number)
        for number in range(count)
    ]


@pytest.mark.parametrize("body", [20, 60])
def test_a_licence_makes_no_duplicates(tmp_path: Path, make_corpus: Make, body: int) -> None:
    corpus = make_corpus(tmp_path / "corpus", licensed(60, body))
    figures = run([corpus], tmp_path / "out", FEW)
    assert figures["removed"]["near duplicate"] == 0
    assert figures["without_boilerplate"] == figures["documents"] == 60
    if body == 20:
        whole = run([corpus], tmp_path / "whole", CleanSettings(boilerplate=0))
        assert whole["removed"]["near duplicate"] > 50, "what they would be by the licence"
        assert whole["without_boilerplate"] == 0


def test_what_is_compared_grows_with_the_documents_and_not_with_their_pairs(
    tmp_path: Path, make_corpus: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    jaccard = alike.jaccard
    monkeypatch.setattr(alike, "jaccard", lambda *sets: compared.append(sets) or jaccard(*sets))
    run([make_corpus(tmp_path / "corpus", licensed(1_000, 50))], tmp_path / "out", CleanSettings())
    assert len(compared) < 1_000  # of 499,500 pairs


def test_bodies_are_compared_whatever_stands_above_them(tmp_path: Path, make_corpus: Make, rows_of: Rows) -> None:
    rows = licensed(40, 100)
    plain = document(prose(3, 100), "3 without the licence", 2.0)
    changed = document(f"{LICENCE}\n{prose(7, 100)} and a little more", "7 changed", 2.0)
    run([make_corpus(tmp_path / "corpus", [*rows, plain, changed])], tmp_path / "out", FEW)
    removed = {row["path"]: row["kept"] for row in rows_of(tmp_path / "out/removed")}
    assert removed == {"3": plain["id"], "7": changed["id"]}


def test_copies_with_a_few_words_changed_are_duplicates_however_many(tmp_path: Path, make_corpus: Make) -> None:
    """Their lines are common, and what is left of each is no text of its own: lines with one word of its own."""
    lines = prose(5, 320).split("\n")
    copies = []
    for number in range(60):
        copy = list(lines)
        for place in random.Random(number).sample(range(len(lines)), 5):
            words = copy[place].split()
            copy[place] = " ".join([*words[:4], f"changed{number}", *words[5:]])
        copies.append(document("\n".join(copy), number))
    figures = run([make_corpus(tmp_path / "corpus", copies)], tmp_path / "out", FEW)
    assert figures["without_boilerplate"] == 0
    assert figures["documents"] == 1


def test_exact_copies_make_no_line_common(tmp_path: Path, make_corpus: Make) -> None:
    """A text that is there many times is not boilerplate in a version with more at its end."""
    text = prose(6, 300)
    rows = [document(text, number) for number in range(50)] + [document(f"{text}\n{prose(8, 40)}", "longer", 2.0)]
    figures = run([make_corpus(tmp_path / "corpus", rows)], tmp_path / "out", FEW)
    assert figures["without_boilerplate"] == 0
    assert figures["documents"] == 1


def test_it_can_be_taken_out_of_the_text(tmp_path: Path, make_corpus: Make, rows_of: Rows) -> None:
    menu = prose(10_002, 40, 2)
    rows = [
        document(f"{menu}\n\n\n{prose(number, 80)}\n\nYours, {number}\n\n{LICENCE}\n", number) for number in range(30)
    ]
    rows += [document(menu, "menu alone"), document(prose(99, 80), "neither")]
    removing = CleanSettings(boilerplate=20, remove_boilerplate=True)
    run([make_corpus(tmp_path / "corpus", rows, files=3)], tmp_path / "out", removing)
    kept = {row["path"]: row for row in rows_of(tmp_path / "out/documents")}
    assert len(kept) == len(rows)
    for before in rows:
        after = kept[before["path"]]
        assert after["original"] == before["id"]
        assert after["id"] == document_id(after["text"])
        number = before["path"]
        assert after["text"] == (f"{prose(int(number), 80)}\n\nYours, {number}" if number.isdigit() else before["text"])
    again = run([tmp_path / "out"], tmp_path / "again", removing)
    assert again["documents"] == len(rows)
    assert {row["original"] for row in rows_of(tmp_path / "again/documents")} == {row["id"] for row in rows}


@pytest.mark.parametrize("files", [1, 5])
def test_files_ranges_and_interruptions_change_no_byte(
    tmp_path: Path, make_corpus: Make, interrupted: Any, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    rows = licensed(50, 60)
    settings = CleanSettings(boilerplate=20, remove_boilerplate=True)
    whole = run([make_corpus(tmp_path / "a", rows)], tmp_path / "whole", settings)
    monkeypatch.setattr(boilerplate, "_RANGE", 40)
    cut = make_corpus(tmp_path / "b", rows[::-1], files=files)
    parts, _ = interrupted(lambda: run([cut], tmp_path / "parts", settings))
    assert parts == whole
    assert whole["without_boilerplate"] == 50
    for file in ("documents/part-00000.parquet", "removed/part-00000.parquet"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()


def test_settings_make_other_results(tmp_path: Path, make_corpus: Make) -> None:
    """In the same folder, where what was done before is taken where it fits."""
    corpus = make_corpus(tmp_path / "corpus", licensed(60, 60))
    for settings, expected in (
        (FEW, 60),
        (CleanSettings(boilerplate=60), 0),
        (CleanSettings(boilerplate=59), 60),
        (CleanSettings(boilerplate=20, boilerplate_words=130), 60),
        (CleanSettings(boilerplate=20, boilerplate_words=131), 0),  # the signs of comments are words
    ):
        assert run([corpus], tmp_path / "out", settings)["without_boilerplate"] == expected


@pytest.mark.parametrize("files", [1, 4])
def test_common_lines_are_those_of_counting(
    tmp_path: Path, make_corpus: Make, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    monkeypatch.setattr(boilerplate, "_RANGE", 7)
    chance = random.Random(0)
    lines = [f"line {number} of it" for number in range(60)]
    texts = ["\n".join(chance.choice(lines[: 3 + number]) for _ in range(30)) for number in range(50)]
    rows = [document("\n \t\n".join(f" {line}\t" for line in text.split("\n")), text[:9]) for text in texts]
    stored = shards(make_corpus(tmp_path / "corpus", rows, files=files))
    found = common_lines(stored, None, CleanSettings(boilerplate=15), into=tmp_path / "out", progress=Progress()).load()
    common = {line for line in lines if sum(line in text.split("\n") for text in texts) > 15}
    assert 10 < len(common) < 50
    hashed = WordHashes()
    pairs = {value for line in common for value in ngram_hashes(hashed(line.split()), 2).tolist()}
    assert set(found.pairs.tolist()) == pairs
    assert set(found.lines.tolist()) == set(boilerplate._Lines(["\n".join(sorted(common))]).hashes.tolist())


COMMON = ["a b c", "d e f g", "h", "i j"]
LINE = st.sampled_from([*COMMON, "", "  ", "x1 x2 x3 x4 x5 x6", "y1 y2 y3 y4 y5 y6 y7", " a b c "])


def literal(text: str, least: int) -> str:
    """What `taken_off` does, one line after the other."""
    runs: list[tuple[bool, list[str]]] = []
    for line in text.split("\n"):
        common = line.strip() in COMMON
        if runs and (not line.strip() or runs[-1][0] == common):
            runs[-1][1].append(line)
        else:
            runs.append((common, [line]))
    own = [line for common, run in runs if not (common and len(" ".join(run).split()) >= least) for line in run]
    words = " ".join(own).split()
    known = {pair for line in COMMON for pair in pairwise(line.split())}
    pairs = list(pairwise(words))
    fresh = sum(pair not in known for pair in pairs)
    return (
        "\n".join(own).strip("\n")
        if fresh >= 10 and fresh >= len(pairs) / 2 and len(own) < text.count("\n") + 1
        else text
    )


@given(st.lists(st.lists(LINE, max_size=12).map("\n".join), max_size=6), st.integers(1, 9))
def test_what_is_taken_off_is_what_a_literal_program_takes_off(texts: list[str], least: int) -> None:
    import numpy as np

    hashed = WordHashes()
    pairs = np.unique(np.concatenate([ngram_hashes(hashed(line.split()), 2) for line in COMMON]))
    cleaner = Boilerplate(np.unique(boilerplate._Lines(COMMON).hashes), pairs, least)
    assert cleaner.taken_off(texts) == [literal(text, least) for text in texts]
