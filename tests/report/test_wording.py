from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.report import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (366, "6 min 06 s"),
        (7_500, "2 h 05 min"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1 kB"),
        (557_568, "558 kB"),
        (3_936_768, "3.9 MB"),
        (1.2e9, "1.2 GB"),
        (16e9, "16 GB"),
    ],
)
def test_sizes(number, text):
    assert wording.size(number) == text


def test_numbers_and_words():
    assert wording.count(1234567) == "1,234,567"
    assert wording.share(0.715, 1) == "71.5%"
    assert wording.share(None) == wording.decimal(None) == "–"
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


@given(st.text(alphabet="ab\n", max_size=60), st.integers(1, 5), st.integers(1, 30))
def test_clipping_keeps_a_beginning_and_tells_the_rest(text, lines, characters):
    shown = wording.clip(text, lines, characters)
    if "…" not in shown:
        assert shown == text.rstrip("\n")
    else:
        kept = shown[: shown.index("\n…")]
        assert text.startswith(kept) and len(kept) <= characters


texts = st.text(alphabet="ab \n.", max_size=40)


def joined(runs) -> str:
    return "".join(text for text, _ in runs)


def test_only_what_differs_is_marked():
    left, right = wording.marked("return a + 1", "return b + 1")
    assert left == [("return ", True), ("a", False), (" + 1", True)]
    assert right == [("return ", True), ("b", False), (" + 1", True)]


@given(texts, texts)
def test_marking_loses_nothing(left, right):
    a, b = wording.marked(left, right)
    assert joined(a) == left and joined(b) == right
    assert joined(run for run in a if run[1]) == joined(run for run in b if run[1])


@given(texts, texts, st.integers(1, 6), st.integers(1, 30))
def test_shortening_keeps_a_beginning(left, right, lines, characters):
    runs, _ = wording.marked(left, right)
    kept = joined(wording.shortened(runs, lines, characters))
    if kept != left:
        assert kept.endswith("\n…")
        kept = kept.removesuffix("\n…")
        assert left.startswith(kept)
    assert len(kept) <= characters and kept.count("\n") < lines
