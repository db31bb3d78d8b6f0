from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.filter import repetition
from hornbook.corpus.filter.tokens import Vocabulary, split

TEXTS = st.lists(st.sampled_from(["a", "bb", "ccc", "d.", "ee, ", "\n"]), max_size=40).map(" ".join)


class Measured:
    """The shares of all of some texts."""

    def __init__(self, *texts: str) -> None:
        vocabulary = Vocabulary()
        self.all = np.ones(len(texts), bool)
        self.repetition = repetition.Repetition(texts, [vocabulary.read(text) for text in texts], vocabulary)

    def top(self, length: int) -> list[float]:
        return self.repetition.top(length).tolist()

    def duplicate(self, length: int) -> list[float]:
        return self.repetition.duplicate(length, self.all).tolist()


def top(text: str, length: int) -> float:
    """The most frequent n-gram by counting: the first of equally frequent ones, with a space between its tokens."""
    tokens = split(text)
    grams = Counter(" ".join(tokens[start : start + length]) for start in range(len(tokens) - length + 1))
    gram, count = max(grams.items(), key=lambda item: item[1], default=("", 0))
    return len(gram) * count / len(text) if count > 1 else 0.0


def duplicate(text: str, length: int) -> float:
    """Reading from left to right, on behind each n-gram that was read before."""
    tokens, seen, characters, place = split(text), set(), 0, 0
    while place + length <= len(tokens):
        gram = tuple(tokens[place : place + length])
        characters += sum(map(len, gram)) if gram in seen else 0
        place += length if gram in seen else 1
        seen.add(gram)
    return characters / max(1, len(text))


@given(st.lists(TEXTS, max_size=6))
def test_shares_are_those_of_counting_by_hand(texts: list[str]) -> None:
    shares = Measured(*texts)
    for length in (2, 3, 4):
        assert shares.top(length) == pytest.approx([top(text, length) for text in texts])
    for length in range(5, 11):
        assert shares.duplicate(length) == pytest.approx([duplicate(text, length) for text in texts])


def test_the_most_frequent_n_gram_counts_not_the_longest() -> None:
    text = "so it so it so it " + "internationalisation unquestionably " * 2
    assert Measured(text).top(2) == pytest.approx([3 * len("so it") / len(text)])
    equal = "so it went, internationalisation unquestionably fine; so it internationalisation unquestionably"
    assert Measured(equal).top(2) == pytest.approx([2 * len("so it") / len(equal)])


def test_repeated_n_grams_do_not_overlap() -> None:
    words = "one two three four five six seven "
    assert Measured(words * 2).duplicate(5) == [len("onetwothreefourfive") / len(words * 2)]
    assert Measured(words * 2).duplicate(7) == [len(words.replace(" ", "")) / len(words * 2)]
    assert Measured(words, words[:-1], "").duplicate(5) == [0, 0, 0]


def test_texts_do_not_touch_each_other() -> None:
    words = "one two three four five six"
    assert Measured(*[words] * 4).duplicate(5) == [0] * 4
    assert Measured(words, f"{words} {words}").duplicate(6) == [0, len(words.replace(" ", "")) / 55]


def test_only_the_texts_asked_for_are_looked_at() -> None:
    shares = Measured("one two three " * 5, "four five six " * 5)
    shares.all[0] = False
    assert [share > 0 for share in shares.duplicate(5)] == [False, True]


def test_the_same_in_every_process() -> None:
    code = "from hornbook.corpus.filter.repetition import _codes; print(_codes(1)[:3].tolist())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != b""
