from __future__ import annotations

import html
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.normal_form import _MORE, _SHOWS_NOTHING, normal_form, own_letters, readable


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Two&nbsp;caf&eacute;s &amp;amp; more", "two cafés & more"),
        ("ex\u00adam\u200bple\ufeff, \u2060word\ufe0f", "example, word"),
        ("ＡＢＣ　１２, ﬁne, x²", "abc 12, fine, x2"),
        ("e\u0301te\u0301 STRASSE Straße", "été strasse strasse"),
        ("p\u0430g\u0435 \u0412\u0410SE", "page base"),  # Cyrillic a and ie; Ve and A
        ("\u043fap\u043ew\u043ez", "\u043fap\u043ew\u043ez"),  # neither script has lookalikes for all
        ("мoлoкo", "молоко"),  # Latin o in a Russian word
        ("сор и рост", "сор и рост"),  # looks Latin, but is one script's
        ("ПО Windows, API для", "по windows, api для"),
    ],
)
def test_what_reads_alike_is_alike(text: str, normal: str) -> None:
    assert normal_form(text) == normal


@given(st.text(alphabet=st.characters(max_codepoint=127, exclude_characters="&")))
def test_ascii_is_in_lower_case_and_nothing_else(text: str) -> None:
    assert readable(text) == text
    assert normal_form(text) == text.lower()


@given(st.text(alphabet=st.characters(exclude_characters="&")))
def test_disguises_change_nothing(text: str) -> None:
    plain = normal_form(text)
    assert normal_form("\u200b".join(text)) == normal_form("\u00ad".join(text)) == normal_form("".join(text))
    assert normal_form(html.escape(html.escape(text))) == plain
    assert normal_form(unicodedata.normalize("NFC", text)) == normal_form(unicodedata.normalize("NFD", text))


@given(st.text(alphabet="abcopxyжщя"))
def test_a_word_keeps_its_length(text: str) -> None:
    assert len(own_letters(text)) == len(text)


def test_what_shows_nothing_is_what_unicode_says() -> None:
    ignorable = regex.compile(r"\p{Default_Ignorable_Code_Point}")
    letters = list(map(chr, range(0x110000)))
    assert list(filter(_SHOWS_NOTHING.match, letters)) == list(filter(ignorable.match, letters))


def test_letters_for_which_case_is_all_are_those() -> None:
    for letter in map(chr, range(0x3000)):
        if _MORE.search(letter) is None:
            assert normal_form(letter) == unicodedata.normalize("NFKC", own_letters(letter).casefold())
