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
