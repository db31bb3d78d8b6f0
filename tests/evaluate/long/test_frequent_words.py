from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.long.frequent_words import frequencies, frequent_words
from hornbook.evaluate.long.tasks import Materials


@given(length=st.integers(300, 6000), seed=st.integers(0, 2**40))
def test_three_words_are_the_most_frequent(materials: Materials, length: int, seed: int) -> None:
    question = frequent_words(materials.prompter, length, seed)
    counts = Counter(question.text.split("\n\n")[1].split())
    ranked = [(count, word) for word, count in counts.items() if word != "..."]
    ranked.sort(reverse=True)
    assert [word for _, word in ranked[:3]] == list(question.expected)
    assert ranked[2][0] > max((count for count, _ in ranked[3:]), default=0)
    assert counts["..."] >= ranked[0][0] - 1
    slack = length - len(question.prompt) - question.room
    assert 0 <= slack <= 40  # one more word in all may be one more of several ranks


@given(st.integers(1, 100_000), st.integers(8, 400))
def test_frequencies(total: int, ranks: int) -> None:
    counts = frequencies(total, ranks)
    assert len(counts) == ranks
    assert counts[1] > counts[2] > counts[3] > max(counts[4:])
    assert sorted(counts[1:], reverse=True) == counts[1:]
    assert sum(counts) <= total + 6
