from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.rephrasings.passages import CHARACTERS, STEP, passages, windows


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
