from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.charset import decode


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        ("naïve ☃", "utf-8", None),
        ("naïve ☃", "utf-8", "iso-8859-1"),  # a lie that bytes give away
        ("naïve €", "cp1252", None),
        ("naïve €", "cp1252", "iso-8859-1"),  # what the web means by it
        ("日本語のページ", "shift_jis", "Shift_JIS"),
        ("日本語のページ", "euc_jp", '"EUC-JP"'),
        ("日本語のページ", "iso2022_jp", "iso-2022-jp"),
        ("简体中文", "gb18030", "gb2312"),
        ("Привет", "cp1251", "windows-1251"),
    ],
)
def test_declared_or_seen(text: str, encoding: str, declared: str | None) -> None:
    assert decode(text.encode(encoding), declared) == text


@pytest.mark.parametrize("said", ['<meta charset="windows-1251">', "<META http-equiv=x content='a; charset=cp1251'>"])
def test_said_in_the_page(said: str) -> None:
    page = f"<html>{said}<p>Привет"
    assert decode(page.encode("cp1251"), None) == page


GERMAN = "<p>Die größten Bücher der Kinder waren aus Holz, und öfter noch aus Horn."


@pytest.mark.parametrize("said", ["", "<meta charset=iso-8859-1>"])
@pytest.mark.parametrize("damage", [b"\xff", b"\xe9", b"\xc3"])
def test_one_bad_byte_makes_no_other_encoding(said: str, damage: bytes) -> None:
    whole = f"<html>{said}{GERMAN}".encode()
    half = whole.index("ö".encode()) + 2
    assert decode(whole[:half] + damage + whole[half:], None) == f"<html>{said}{GERMAN}".replace("ö", "ö\ufffd", 1)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Die größten Bücher der Kinder waren aus Holz, und öfter noch aus Horn.", "cp1252"),
        ("L'été dernier, nous avons mangé des crêpes à la fête; ça a été très agréable.", "cp1252"),
        ("He said \u201chello\u201d \u2014 it\u2019s fine, and nobody was there to answer him.", "cp1252"),
        ("Привет, мир", "cp1251"),
        ("Это обычный русский текст, который написан для проверки.", "koi8_r"),
        ("Zażółć gęślą jaźń, proszę państwa, to jest zwykły tekst po polsku.", "cp1250"),
        ("これは日本語の文章です。文字コードの判定を試しています。", "cp932"),
        ("这是一个中文文本，用来测试编码检测是否正确。", "gb18030"),
        ("이것은 한국어 문장입니다. 인코딩 감지를 시험합니다.", "cp949"),
    ],
)
@pytest.mark.parametrize("said", ["", "<meta charset=utf-8>"])
def test_a_page_that_says_nothing_or_says_utf8(text: str, encoding: str, said: str) -> None:
    page = f"<html><head>{said}</head><body><p>{text}</p></body></html>"
    assert decode(page.encode(encoding), None) == page


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_marks(mark: bytes) -> None:
    encoding = {3: "utf-8"}.get(len(mark), "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be")
    assert decode(mark + "naïve".encode(encoding), "ascii") == "naïve"


@pytest.mark.parametrize("name", ["hex", "base64", "unicode_escape", "idna", "no-such", "utf-16", "", "a\0b", "utf-7"])
def test_names_that_no_page_may_have(name: str) -> None:
    assert decode(b"caf\xe9 \\u0041", name) == "café \\u0041"


@given(st.binary(max_size=100), st.none() | st.text(max_size=12))
def test_any_bytes_and_names(page: bytes, declared: str | None) -> None:
    decode(page, declared).encode("utf-8", "surrogatepass")
