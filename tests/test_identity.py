from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.identity import document_id, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  \nb\t\n", "a\nb"),
        ("a\n\n\n \n\nb", "a\n\nb"),
        ("\n\n  indented\n", "  indented"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("Case Stays", "Case Stays"),
        (" \n\t\n", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text(alphabet=st.sampled_from(" \t\r\n\fabé\u0301")))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_the_id_is_a_string_of_the_normalised_text() -> None:
    assert document_id("a \r\nb\n\n") == hashlib.sha256(b"a\nb").hexdigest()[:32]
    assert document_id("a\nb") != document_id("a\nB")


def test_long_runs_of_spaces_take_no_time() -> None:
    assert normalise(" " * 2_000_000 + "x").endswith("x")  # quadratic code would take hours
