from __future__ import annotations

import pytest

from hornbook.corpus.filter.lines import clean_lines


@pytest.mark.parametrize(
    ("rule", "limit", "text", "left"),
    [
        ("c4.unended_lines", None, "  Ends.  \n\n  Goes on,\nSaid so'\nSo…\nSo...\nSaid ”", "Ends.\nSaid so'"),
        (
            "c4.short_lines",
            3,
            "Two words.\n\nThree words here.\r\n\tAnd three more.",
            "Three words here.\nAnd three more.",
        ),
        ("c4.citations", None, "Here[] and[12] there.[edit]\n\n x", "Here and there.\n\nx"),
        ("c4.long_word_lines", 5, "short\ntoo-long\n\nhere", "short\n\nhere"),
    ],
)
def test_what_lines_are_left(rule: str, limit: float | None, text: str, left: str) -> None:
    assert clean_lines(text, {rule: limit})[0] == left


def test_blank_lines_are_not_counted_as_taken() -> None:
    text, taken = clean_lines("Menu\n\n\nA whole sentence.\n", {"c4.unended_lines": None})
    assert (text, taken) == ("A whole sentence.", {"c4.unended_lines": 1})
