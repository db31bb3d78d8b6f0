from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from tests.audit.rephrasings.conftest import noise
from tests.audit.rephrasings.told_again import QUESTIONS, WAYS

from hornbook.audit.rephrasings import candidates as module
from hornbook.audit.rephrasings.candidates import CHARACTERS, STEP, candidates, passages, windows
from hornbook.audit.rephrasings.tfidf import TfidfEmbedder
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item
from hornbook.progress import Progress


class Given:
    """Vectors by a table; sparse or not."""

    name = "given"

    def __init__(self, rows: dict[str, list[float]], *, sparse: bool) -> None:
        self._rows, self._sparse = rows, sparse

    def learn(self, batches: Any) -> None:
        for _ in batches:
            pass

    def __call__(self, texts: Sequence[str]) -> Any:
        rows: NDArray[np.float64] = np.array([self._rows[text] for text in texts])
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return csr_matrix(rows) if self._sparse else rows


@pytest.mark.parametrize("sparse", [True, False])
def test_the_nearest_of_all_batches(
    sparse: bool, make_corpus: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    texts = [f"text {number}" for number in range(60)]
    items = [Item("b", str(number), f"item {number}", answer="yes") for number in range(7)]
    rows = {text: [chance.choice((0, 0, 1, 2, 3)) for _ in range(6)] for text in texts}
    rows |= {text: [chance.random() for _ in range(6)] for item in items for text in (item.question, item.text)}
    monkeypatch.setattr(module, "_BATCH", 7)
    monkeypatch.setattr(module, "_ROWS", 3)
    embed = Given({name: list(map(float, row)) for name, row in rows.items()}, sparse=sparse)
    found, passages = candidates(make_corpus(texts), items, embed, 4, Progress())
    assert passages == 60
    offered = Given(embed._rows, sparse=False)(texts)
    for item, pairs in zip(items, found, strict=True):
        values = np.max(
            [Given(embed._rows, sparse=False)([side])[0] @ offered.T for side in module.sides(item)], axis=0
        )
        assert [pair.similarity for pair in pairs] == sorted(values.round(4).tolist(), reverse=True)[:4]
        assert all(values[int(pair.passage.document[2:])].round(4) == pair.similarity for pair in pairs)


def test_copies_and_overlaps_take_one_place(make_corpus: Callable[..., Path]) -> None:
    told = WAYS["other order"][0]
    filler = " ".join(noise(1)) * 20
    long = filler[: STEP + 200] + told + filler[:STEP]
    corpus = make_corpus([told, told, long, *noise(30)])
    ((first, second, third),), _ = candidates(corpus, [Item("b", "1", QUESTIONS[0])], TfidfEmbedder(), 3, Progress())
    assert (first.passage.document, second.passage.document) == ("id0", "id2")
    assert third.passage.document not in ("id0", "id1", "id2")


def test_nothing_shared_is_no_candidate(make_corpus: Callable[..., Path]) -> None:
    corpus = make_corpus(["zzzz yyyy", "xxxx"])
    assert candidates(corpus, [Item("b", "1", "lantern harbour"), Item("b", "2", "")], TfidfEmbedder(), 3, Progress()) == (
        [[], []], 2,
    )  # fmt: skip
    assert candidates(corpus, [], TfidfEmbedder(), 3, Progress()) == ([], 2)


@pytest.mark.parametrize(("way", "least"), [("other order", 1.0), ("other language", 0.8), ("other words", 0.6)])
def test_planted_rephrasings_are_among_the_nearest(
    way: str, least: float, benchmark: Benchmark, make_corpus: Callable[..., Path]
) -> None:
    """Among the topics of Python's own help, and stretches of the questions' own words."""
    from pydoc_data.topics import topics

    corpus = make_corpus([*topics.values(), *noise(40), *WAYS[way]])
    found, _ = candidates(corpus, benchmark.items, TfidfEmbedder(), 3, Progress())
    there = [any(pair.passage.text == told for pair in pairs) for pairs, told in zip(found, WAYS[way], strict=True)]
    assert sum(there) / len(there) >= least


@given(st.text("ab \n", max_size=5 * CHARACTERS), st.integers(0, 5 * CHARACTERS))
def test_whatever_is_short_lies_whole_in_a_passage(text: str, place: int) -> None:
    cut = list(windows(text))
    assert all(text[start : start + CHARACTERS] == part for start, part in cut)
    assert not any(not part.strip() for _, part in cut)
    wanted = text[place : place + STEP]
    assert not wanted.strip() or any(wanted in part for _, part in cut)


def test_long_documents_come_in_parts(make_corpus: Callable[..., Path]) -> None:
    corpus = make_corpus(["one", "", "x" * (3 * STEP)])
    assert [(one.document, one.start, len(one.text)) for one in passages(corpus)] == [
        ("id0", 0, 3), ("id2", 0, CHARACTERS), ("id2", STEP, CHARACTERS),
    ]  # fmt: skip
