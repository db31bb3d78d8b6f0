from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hornbook.corpus.clean import alike
from hornbook.corpus.clean.alike import components, jaccard, linked
from hornbook.corpus.clean.minhash import shingles
from hornbook.corpus.ngrams import WordHashes

WORDS = [f"w{number}" for number in range(2_000)]


def text(seed: int, length: int = 200) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def changed(words: list[str], count: int) -> list[str]:
    """`words` with `count` of them, evenly spread, replaced."""
    step = len(words) // count
    return [f"new{place}" if place % step == step - 1 else word for place, word in enumerate(words)]


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_jaccard(one: set[int], other: set[int]) -> None:
    arrays = [np.array(sorted(numbers), dtype=np.uint64) for numbers in (one, other)]
    expected = len(one & other) / len(one | other) if one | other else 0
    assert jaccard(*arrays) == pytest.approx(expected)


def test_what_is_like_through_others_is_one_group() -> None:
    first = text(1, 120)
    second = changed(first, 3)
    third = [f"more{place}" if place % 40 == 20 else word for place, word in enumerate(second)]
    hashes = WordHashes()
    sets = [shingles(" ".join(words), 5, hashes) for words in (first, second, third)]
    assert jaccard(sets[0], sets[1]) >= 0.7 <= jaccard(sets[1], sets[2])
    assert jaccard(sets[0], sets[2]) < 0.7
    groups = [[0, 1], [1, 2]]
    assert linked(groups, dict(enumerate(sets)), 0.7) == {1: 0, 2: 0}


def test_a_shared_band_alone_is_not_enough() -> None:
    hashes = WordHashes()
    sets = {number: shingles(" ".join(text(number)), 5, hashes) for number in range(3)}
    assert linked([[0, 1, 2]], sets, 0.7) == {}


def test_thousands_of_equal_documents_take_no_time() -> None:
    started = time.monotonic()
    array = np.arange(50, dtype=np.uint64)
    found = linked([range(20_000)] * 3, dict.fromkeys(range(20_000), array), 0.7)
    assert found == dict.fromkeys(range(1, 20_000), 0)
    assert time.monotonic() - started < 20  # comparing all pairs would take hours


def by_all_pairs(group: list[int], sets: dict[int, NDArray[np.uint64]], similarity: float) -> dict[int, int]:
    """What `linked` says of one group, by comparing everything."""
    label = {one: one for one in group}
    for one in group:
        for other in group:
            if jaccard(sets[one], sets[other]) >= similarity:
                old, new = label[one], label[other]
                label = {member: new if of == old else of for member, of in label.items()}
    best = {of: min(member for member in group if label[member] == of) for of in label.values()}
    return {member: best[of] for member, of in label.items() if best[of] != member}


SET = st.sets(st.integers(0, 14), min_size=1)


@given(st.lists(SET, min_size=2, max_size=12), SET, st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.75, 0.9, 1.0]))
def test_large_groups_lose_no_pair(own: list[set[int]], shared: set[int], similarity: float) -> None:
    """With and without something that all have."""
    group = list(range(len(own)))
    for extra in (set(), {100 + one for one in shared}):
        sets = {one: np.array(sorted(own[one] | extra), dtype=np.uint64) for one in group}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alike, "_LARGE", 1)
            assert linked([group], sets, similarity) == by_all_pairs(group, sets, similarity)


@pytest.mark.parametrize("body", [30, 45, 80, 300])
def test_of_unlike_documents_in_one_bucket_few_are_compared(monkeypatch: pytest.MonkeyPatch, body: int) -> None:
    """Each has 100 shingles that all have, and others of its own: two are 0.63 alike at most."""
    compared = []
    monkeypatch.setattr(alike, "jaccard", lambda *sets: compared.append(sets) or jaccard(*sets))
    chance = np.random.default_rng(0)
    shared = chance.integers(0, 2**63, 100, dtype=np.uint64)
    sets = {
        number: np.unique(np.concatenate([shared, chance.integers(0, 2**63, body + number % 20, dtype=np.uint64)]))
        for number in range(1_000)
    }
    groups = [list(range(number, 1_000)) for number in range(4)]
    assert linked(groups, sets, 0.7) == {}
    assert len(compared) <= 4_000  # of 499,500 pairs in each group


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.integers(1, 60))
def test_components_are_those_of_following_every_link(links: list[tuple[int, int]], size: int) -> None:
    """Whatever the order of the links and the number of parts they come in."""
    expected = list(range(31))
    for _ in expected:
        for one, other in links:
            expected[one] = expected[other] = min(expected[one], expected[other])
    array = np.array(links, dtype=np.int64).reshape(-1, 2)
    parts = [array[start : start + size] for start in range(0, len(array), size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike, "_AT_ONCE", 7)
        assert components(parts, 31).tolist() == expected


def test_a_long_chain_and_a_star_are_one_component_each() -> None:
    chain = np.array([[number, number + 1] for number in range(100_000)])
    star = np.array([[100_001 + number, 200_000] for number in range(50_000)])
    found = components([np.random.default_rng(0).permutation(chain), star[:, ::-1]], 200_001)
    assert (found[:100_001] == 0).all() and (found[100_001:150_001] == 100_001).all() and found[200_000] == 100_001
    assert (found[150_001:200_000] == np.arange(150_001, 200_000)).all(), "and what has no link is alone"
    assert found.dtype == np.uint32
