from __future__ import annotations

import numpy as np

from hornbook.audit.rephrasings.tfidf import TfidfEmbedder

TEXTS = ["the red fox jumps", "a red fox that jumped", "unlike anything", "", "ab"]


def test_rows_have_length_one_and_do_not_depend_on_the_batch() -> None:
    vectors = TfidfEmbedder()
    vectors.learn([TEXTS[:2], TEXTS[2:]])
    whole = vectors(TEXTS)
    lengths = np.sqrt(whole.multiply(whole).sum(axis=1)).A1 if hasattr(whole, "A1") else None
    squares = np.asarray(whole.multiply(whole).sum(axis=1)).ravel()
    assert lengths is None
    assert squares.round(6).tolist() == [1, 1, 1, 0, 1]
    for number, text in enumerate(TEXTS):
        assert (vectors([text]) != whole[number]).nnz == 0


def test_shared_words_and_parts_of_words_bring_near() -> None:
    vectors = TfidfEmbedder()
    vectors.learn([TEXTS])
    near = (vectors(TEXTS) @ vectors(TEXTS).T).toarray()
    assert near[0, 1] > 0.2
    assert near[0, 2] == near[0, 4] == 0


def test_what_most_texts_hold_weighs_nothing() -> None:
    texts = [f"common phrase {number:03}{number:03}" for number in range(200)]
    vectors = TfidfEmbedder()
    vectors.learn([texts])
    assert (vectors(["common phrase"]) @ vectors(texts).T).nnz == 0
