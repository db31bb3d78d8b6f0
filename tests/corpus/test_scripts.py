from __future__ import annotations

import pytest

from hornbook.corpus.scripts import spaced


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plain text, naïve Straße", ["plain", "text,", "naïve", "Straße"]),
        ("ab漢字。カー", ["ab", "漢", "字", "。", "カ", "ー"]),
        ("น้ำก็", ["น้", "ำ", "ก็"]),
        ("한국어 하나 हिन्दी", ["한국어", "하나", "हिन्दी"]),
    ],
)
def test_letters_are_words_where_words_are_not_spaced(text: str, words: list[str]) -> None:
    assert spaced(text).split() == words
