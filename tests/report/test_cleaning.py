from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hornbook.report.cleaning import marked, shortened

texts = st.text(alphabet="ab \n.", max_size=40)


def joined(runs) -> str:
    return "".join(text for text, _ in runs)


def test_only_what_differs_is_marked():
    left, right = marked("return a + 1", "return b + 1")
    assert left == [("return ", True), ("a", False), (" + 1", True)]
    assert right == [("return ", True), ("b", False), (" + 1", True)]


@given(texts, texts)
def test_marking_loses_nothing(left, right):
    a, b = marked(left, right)
    assert joined(a) == left and joined(b) == right
    assert joined(run for run in a if run[1]) == joined(run for run in b if run[1])


@given(texts, texts, st.integers(1, 6), st.integers(1, 30))
def test_shortening_keeps_a_beginning(left, right, lines, characters):
    runs, _ = marked(left, right)
    kept = joined(shortened(runs, lines, characters))
    if kept != left:
        assert kept.endswith("\n…")
        kept = kept.removesuffix("\n…")
        assert left.startswith(kept)
    assert len(kept) <= characters and kept.count("\n") < lines
