from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.grade.sampling import choose

DOCUMENTS = [(f"{number:04x}", "big" if number % 20 else "small") for number in range(1_000)]


def test_the_order_of_documents_does_not_matter() -> None:
    drawn = choose(DOCUMENTS, 100, seed=0)
    assert drawn == choose(DOCUMENTS[::-1], 100, seed=0)
    assert drawn != choose(DOCUMENTS, 100, seed=1)
    assert len(set(drawn)) == 100


def test_small_sources_are_not_forgotten() -> None:
    documents = [*((f"a{n}", "big") for n in range(10_000)), *((f"b{n}", "small") for n in range(30))]
    drawn = Counter(identity[0] for identity in choose(documents, 200, seed=0))
    assert drawn["b"] >= 10
    assert drawn["a"] + drawn["b"] == 200


def test_a_text_that_occurs_twice_is_drawn_once() -> None:
    assert sorted(choose([("a", "x"), ("a", "y"), ("b", "x")], 10, seed=0)) == ["a", "b"]


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 100))
def test_as_many_as_wanted_or_all(sizes: list[int], count: int) -> None:
    documents = [(f"{source}-{n}", str(source)) for source, size in enumerate(sizes) for n in range(size)]
    drawn = choose(documents, count, seed=0)
    assert len(drawn) == len(set(drawn)) == min(count, len(documents))
