from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hornbook.corpus.clean.alike import jaccard, linked
from hornbook.corpus.clean.minhash import band_keys, candidate_groups, minhash, shingles
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.ngrams import WordHashes

SETTINGS = CleanSettings()
WORDS = [f"w{number}" for number in range(2_000)]


def groups_of(keys: NDArray[np.uint64], asked: list[int]) -> list[list[int]]:
    """The groups of candidates among some of the documents whose keys these are: (documents, bands)."""
    numbers = np.repeat(np.array(asked, dtype=np.int64), keys.shape[1])
    return sorted(group.tolist() for group in candidate_groups(keys[np.array(asked, dtype=np.int64)].ravel(), numbers))


def drop(texts: list[str], settings: CleanSettings = SETTINGS) -> dict[int, int]:
    hashes = WordHashes()
    sets = {number: shingles(text, settings.shingle, hashes) for number, text in enumerate(texts)}
    groups = groups_of(band_keys(texts, settings), list(range(len(texts))))
    return linked(groups, sets, settings.similarity)


def text(seed: int, length: int = 200) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def changed(words: list[str], count: int) -> list[str]:
    """`words` with `count` of them, evenly spread, replaced."""
    step = len(words) // count if count else len(words) + 1
    return [f"new{place}" if place % step == step - 1 else word for place, word in enumerate(words)]


def test_near_duplicates_are_found_and_others_left() -> None:
    original = text(1)
    texts = [original, changed(original, 2), changed(original, 20), text(2), text(3)]
    assert drop([" ".join(words) for words in texts]) == {1: 0}


def test_layout_does_not_matter_but_operators_and_case_do() -> None:
    words = text(1, 60)
    assert drop([" ".join(words), "\n\t".join(words)]) == {1: 0}
    short = "def f ( a , b ) : return a - b"
    assert drop([short, short.replace("-", "+")]) == {}
    assert drop([short, short.replace("a", "A")]) == {}


def test_the_result_does_not_depend_on_the_order_of_groups() -> None:
    chance = random.Random(0)
    texts = [" ".join(changed(text(number % 12), number // 12)) for number in range(60)]
    hashes = WordHashes()
    sets = {number: shingles(one, 5, hashes) for number, one in enumerate(texts)}
    groups = groups_of(band_keys(texts, SETTINGS), list(range(60)))
    expected = linked(groups, sets, 0.7)
    assert expected
    for _ in range(5):
        shuffled = [chance.sample(group, len(group)) for group in chance.sample(groups, len(groups))]
        assert linked(shuffled, sets, 0.7) == expected


def test_candidates_share_a_key_and_keys_above_two_to_the_63_stay_whole() -> None:
    top = 2**64 - 1
    keys = np.array([[top], [top - 1], [top], [top - 2], [2**63], [2**63 + 1]], dtype=np.uint64)
    assert groups_of(keys, list(range(6))) == [[0, 2]]
    assert groups_of(keys, [0, 1, 3, 4, 5]) == []
    assert groups_of(keys, []) == []


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30), st.data())
def test_candidates_are_those_of_comparing_all(keys: list[tuple[int, int]], data: st.DataObject) -> None:
    """Keys of two bands; a band's number is part of its keys, as in `band_keys`."""
    asked = sorted(data.draw(st.sets(st.integers(0, len(keys) - 1)))) if keys else []
    banded = np.array([[one, 100 + other] for one, other in keys], dtype=np.uint64).reshape(-1, 2)
    expected = []
    for band in range(2):
        for key in {keys[row][band] for row in asked}:
            rows = [row for row in asked if keys[row][band] == key]
            if len(rows) > 1:
                expected.append(rows)
    assert groups_of(banded, asked) == sorted(expected)


def test_recall_of_the_bands() -> None:
    """At a similarity of 0.85, 16 bands of 8 rows find 1 - (1 - 0.85^8)^16 = 99% of the pairs."""
    texts = []
    for number in range(150):
        words = text(number, 1_000)
        texts += [" ".join(words), " ".join(changed(words, 16))]
    assert 140 <= len(drop(texts)) <= 150


TEXTS = [" ".join(f"w{(number * 7 + word) % 50}" for word in range(30)) for number in range(40)]

WATCHED = """
import os, socket, urllib.request
called = []
def note(*arguments, **_):
    called.append(str(arguments))
    raise OSError("no network here")
urllib.request.urlopen = socket.socket.connect = socket.create_connection = socket.getaddrinfo = note
from hornbook.corpus.clean.minhash import minhash
minhash(["a b c d e f"], hashes=8, shingle=5)
import threading, time
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(0.5)
print(called, os.environ["DO_NOT_TRACK"])
"""


def test_nothing_is_reported_and_no_bars_are_drawn() -> None:
    ours = {"DO_NOT_TRACK", "DAFT_PROGRESS_BAR", "SCARF_NO_ANALYTICS", "DAFT_ANALYTICS_ENABLED"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[] true\n"
    assert done.stderr == ""


def test_signatures_estimate_similarity() -> None:
    shared, other = [f"s{n}" for n in range(300)], [f"o{n}" for n in range(100)]
    texts = [" ".join(shared), " ".join(shared + other), " ".join(other)]
    one, two, three = minhash(texts, hashes=512, shingle=5)
    assert (one == two).mean() == pytest.approx(296 / 396, abs=0.08)
    assert (one == three).mean() < 0.02


def test_signatures_do_not_depend_on_the_order_of_texts() -> None:
    signatures = minhash(TEXTS, hashes=16, shingle=5)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    assert (minhash([TEXTS[number] for number in order], hashes=16, shingle=5) == signatures[order]).all()
    assert signatures.shape == (len(TEXTS), 16)


def test_short_and_empty_texts_have_signatures() -> None:
    signatures = minhash(["a b", "a c", "", "a b"], hashes=8, shingle=5)
    assert (signatures[0] == signatures[3]).all()
    assert (signatures[0] != signatures[1]).any()
    assert minhash([], hashes=8, shingle=5).shape == (0, 8)


@pytest.mark.parametrize(
    "letters",
    ["春天来了花园里的树木开始发芽孩子们在河边放风", "ぁあいうえおかきくけこさしすせそカキ", "กขคงจฉชซญดตถทธนบป"],
)
def test_one_letter_of_writing_without_spaces_is_no_other_document(letters: str) -> None:
    chance = random.Random(1)
    text = "".join(chance.choices(letters, k=600))
    other = text[:300] + letters[0 if text[300] != letters[0] else 1] + text[301:]
    keys = band_keys([text, other, "".join(chance.choices(letters, k=600))], CleanSettings())
    assert groups_of(keys, [0, 1, 2])[0] == [0, 1]
    sets = [shingles(one, 5, WordHashes()) for one in (text, other)]
    assert jaccard(*sets) > 0.95
