from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.ngrams import WordHashes, fold, ngram_hashes

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=40)


@given(WORDS, st.integers(1, 12))
def test_equal_runs_have_equal_hashes_and_others_do_not(words: list[str], length: int) -> None:
    hashed = ngram_hashes(WordHashes()(words), length).tolist()
    size = min(length, len(words))
    spelled = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
    assert len(hashed) == len(spelled)
    assert len(set(zip(hashed, spelled, strict=True))) == len(set(hashed)) == len(set(spelled))


def test_no_words_have_no_runs() -> None:
    assert ngram_hashes(WordHashes()([]), 5).tolist() == []


def test_the_order_of_columns_matters() -> None:
    one, two = np.array([1, 2], dtype=np.uint64), np.array([3, 3], dtype=np.uint64)
    assert (fold([one, two]) != fold([two, one])).all()
    assert fold([one, two])[0] != fold([one, two])[1]


def test_hashes_are_the_same_in_every_process() -> None:
    code = "from hornbook.corpus.ngrams import WordHashes, ngram_hashes; print(ngram_hashes(WordHashes()('a b c é'.split()), 3).tolist())"
    printed = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert max(WordHashes()([str(number) for number in range(100)]).tolist()) > 2**63
