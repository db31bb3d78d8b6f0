from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.grade.sampling import choose
from hornbook.seeds import derive

DOCUMENTS = [(f"{number:04x}", "big" if number % 20 else "small") for number in range(1_000)]


def test_the_order_of_documents_does_not_matter() -> None:
    drawn = choose(lambda: DOCUMENTS, 100, seed=0)
    assert drawn == choose(lambda: DOCUMENTS[::-1], 100, seed=0)
    assert drawn != choose(lambda: DOCUMENTS, 100, seed=1)
    assert len(set(drawn)) == 100


def test_small_sources_are_not_forgotten() -> None:
    documents = [*((f"a{n}", "big") for n in range(10_000)), *((f"b{n}", "small") for n in range(30))]
    drawn = Counter(identity[0] for identity in choose(lambda: documents, 200, seed=0))
    assert drawn["b"] >= 10
    assert drawn["a"] + drawn["b"] == 200


def test_a_text_that_occurs_twice_is_drawn_once() -> None:
    assert sorted(choose(lambda: [("a", "x"), ("a", "y"), ("b", "x")], 10, seed=0)) == ["a", "b"]


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 100))
def test_as_many_as_wanted_or_all(sizes: list[int], count: int) -> None:
    documents = [(f"{source}-{n}", str(source)) for source, size in enumerate(sizes) for n in range(size)]
    drawn = choose(lambda: documents, count, seed=0)
    assert len(drawn) == len(set(drawn)) == min(count, len(documents))


def test_the_draw_is_that_of_sorted_ids() -> None:
    documents = [(f"{n % 700}", "yxz"[n * n % 3]) for n in range(1_000)]  # 300 of them occur twice
    source_of: dict[str, str] = {}
    for identity, source in documents:
        source_of[identity] = min(source, source_of.get(identity, source))
    members: dict[str, list[str]] = {"x": [], "y": [], "z": []}
    for identity in sorted(source_of, key=lambda identity: derive(5, "grade", "sample", identity)):
        members[source_of[identity]].append(identity)
    drawn = choose(lambda: documents, 90, seed=5)
    counts = Counter(source_of[identity] for identity in drawn)
    assert counts.total() == 90 and all(abs(counts[name] - 90 * len(ids) / 700) < 3 for name, ids in members.items())
    assert set(drawn) == {identity for name, ids in members.items() for identity in ids[: counts[name]]}
