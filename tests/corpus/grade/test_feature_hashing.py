from __future__ import annotations

import itertools
import random
import re
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.grade.feature_hashing import counts

COLUMNS = 2**20


def words(text: str) -> list[str]:
    """What counts as a word, the plain way."""
    return re.findall(r"[^\W]+|[^\w\s]+", text.lower())


@given(st.lists(st.text(alphabet="ab_é9 \n.(\u2003漢", max_size=40), max_size=6))
def test_it_counts_words_and_pairs(texts: list[str]) -> None:
    matrix = counts(texts, COLUMNS)
    assert matrix.shape == (len(texts), COLUMNS)
    for row, text in enumerate(texts):
        found = words(text)
        expected = Counter(found) + Counter(itertools.pairwise(found))
        assert sorted(matrix[row].data) == sorted(expected.values())


def test_the_same_words_meet_in_the_same_columns() -> None:
    matrix = counts(["one two", "x one two y", "TWO ONE", "onetwo", "one, two"], COLUMNS).toarray() > 0
    one_two, longer, turned, joined, apart = matrix
    assert not (one_two & ~longer).any()
    assert (one_two & turned).sum() == 2
    assert not (one_two & joined).any()
    assert (one_two & apart).sum() == 2


def test_many_texts_are_as_each_alone() -> None:
    chance = random.Random(0)
    texts = [
        " ".join(chance.choices(["alpha", "beta", "(x)", "12", "漢字"], k=chance.randrange(4_000))) for _ in range(90)
    ]
    assert sum(map(len, texts)) > 2**19
    together = counts(texts, 2**12)
    for row, text in enumerate(texts):
        assert (together[row] != counts([text], 2**12)).nnz == 0


def test_odd_texts() -> None:
    assert counts([], COLUMNS).shape == (0, COLUMNS)
    assert counts(["", "\ud800 lone"], COLUMNS).getnnz(axis=1).tolist() == [0, 3]


def test_columns_are_used_evenly() -> None:
    used = counts([" ".join(f"word{number}" for number in range(50_000))], 256).toarray()[0]
    assert np.abs(used / used.mean() - 1).max() < 0.3
