from __future__ import annotations

import random
import uuid

import pytest

from hornbook.evaluate.long.synthetic import (
    ADJECTIVES,
    NOUNS,
    distinct,
    letters,
    noise,
    number,
    of_kind,
    prose,
    unique_id,
)


def test_no_pair_lies_within_another() -> None:
    assert len(set(ADJECTIVES)) == len(ADJECTIVES)
    assert len(set(NOUNS)) == len(NOUNS)
    assert not [(a, b) for a in ADJECTIVES for b in ADJECTIVES if a != b and b.endswith(a)]
    assert not [(a, b) for a in NOUNS for b in NOUNS if a != b and b.startswith(a)]


def test_kinds() -> None:
    source = random.Random(1)
    assert {len(number(source)) for _ in range(200)} == {7}
    assert uuid.UUID(unique_id(source)).version == 4
    for kind in ("number", "word", "uuid"):
        assert len(set(of_kind(kind, source, 300, absent=""))) == 300


def test_values_that_the_text_holds_are_not_drawn() -> None:
    source = random.Random(1)
    found = distinct(lambda: letters(source, 1, "ABC"), 2, absent="a text with an a")
    assert sorted(found) == ["B", "C"]
    with pytest.raises(ValueError, match="2 different values"):
        distinct(lambda: letters(source, 1, "AB"), 2, absent="a", known=())


def test_the_same_for_a_seed_and_varied() -> None:
    one = prose(1, 20_000)
    assert one.text == prose(1, 20_000).text
    assert one.text != prose(2, 20_000).text
    assert len(one.text) >= 20_000
    sentences = one.text.replace("\n\n", " ").split(". ")
    assert len(set(sentences)) > 0.99 * len(sentences)


def test_nothing_in_it_looks_like_a_needle() -> None:
    for text in (prose(0, 50_000).text, noise().text):
        assert not any(character.isdigit() or character in "-=_" for character in text)
        assert "magic" not in text
        assert "VAR" not in text
