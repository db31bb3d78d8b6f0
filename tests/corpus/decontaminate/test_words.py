from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.decontaminate.words import (
    _LETTERS_OF_ANY_SCRIPT,
    _WORD_OF_ANY_SCRIPT,
    letters,
    without_template,
    words,
)
from hornbook.corpus.normal_form import normal_form


def test_words() -> None:
    assert words("For i in range(10): total_2 += x7") == ["for", "in", "range", "total_2", "x7"]
    assert letters("Ada buys 12 apples, x3.") == ["ada", "buys", "apples"]
    assert words("漢字 and かな") == ["漢", "字", "and", "か", "な"]


def test_templates_go_and_questions_stay() -> None:
    texts = [f"answer with true or false please subject{n} matter{n}" for n in range(10)]
    assert without_template(texts) == [f"subject{n} matter{n}" for n in range(10)]
    assert without_template(texts[:4]) == [" ".join(words(text)) for text in texts[:4]]


@given(st.lists(st.text(max_size=60), max_size=8))
def test_nothing_is_added(texts: list[str]) -> None:
    for text, left in zip(texts, without_template(texts), strict=True):
        assert set(left.split()) <= set(words(text))


@given(st.text())
def test_words_found_fast_are_those_found_by_unicode(text: str) -> None:
    found = [word for word in _WORD_OF_ANY_SCRIPT.findall(normal_form(text)) if not word.isdecimal()]
    assert words(text) == found
    assert letters(text) == _LETTERS_OF_ANY_SCRIPT.findall(normal_form(text))


def test_marks_belong_to_their_letters() -> None:
    assert words("আমার भारत में, e\u0301te\u0301 ไม้") == ["আমার", "भारत", "में", "été", "ไ", "ม้"]
