from __future__ import annotations

import gzip
import importlib
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.read import html
from hornbook.corpus.read.charset import decode
from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import Extractor, ReadSettings, Source

SOURCE = Source(name="s", path=".")
PAGE = (
    "<html><head><title>t</title><meta charset=utf-8></head><body><nav><a href=/>Home</a><a href=/a>About</a></nav>"
    "<article><h1>Bücher</h1>"
    + "<p>Ein Hornbuch war das erste Lehrbuch der Kinder, eine Seite, groß gedruckt, auf Holz.</p>" * 5
    + "</article><footer>Impressum und Kontakt</footer></body></html>"
)


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
def test_main_text(extractor: Extractor) -> None:
    pytest.importorskip(extractor)
    text, cut = html.main_text(PAGE, extractor)
    assert not cut
    assert "auf Holz." in text
    assert "Home" not in text


def test_a_page_in_a_file(tmp_path: Path) -> None:
    pytest.importorskip("trafilatura")
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "b.htm.gz").write_bytes(gzip.compress(PAGE.encode("cp1252").replace(b"utf-8", b"latin1")))
    for name in ("a.html", "b.htm.gz"):
        (page,) = documents(Found(tmp_path / name, name), SOURCE, ReadSettings())
        assert isinstance(page, Raw)
        assert "groß gedruckt" in "".join(page.blocks)


def test_pages_that_give_nothing(tmp_path: Path) -> None:
    pytest.importorskip("trafilatura")
    contents = {
        "empty.html": (b"", "empty"),
        "blank.html": (b" \n", "only whitespace"),
        "long.html": (b"<p>" + b"x" * 2_000, "too long"),
        "menu.html": (b"<html><body><nav></nav></body></html>", "no main text"),
        "cut.html.gz": (gzip.compress(bytes(range(256)) * 3)[:-20], "corrupt gzip"),
    }
    for name, (content, reason) in contents.items():
        (tmp_path / name).write_bytes(content)
        (bad,) = documents(Found(tmp_path / name, name), SOURCE, ReadSettings(maximum_line=1_000))
        assert isinstance(bad, Bad)
        assert bad.reason == reason


def pages(count: int, start: int = 0) -> str:
    return "".join(
        f"<p>Paragraph {number} is a sentence of some length that tells a reader something of use.</p>"
        for number in range(start, start + count)
    )


def page(middle: str) -> str:
    return f"<html><body><article>{pages(20)}{middle}{pages(20, 20)}</article></body></html>"


def paragraphs(found: Raw | Bad) -> int:
    return "".join(found.blocks).count("Paragraph") if isinstance(found, Raw) else -1


@pytest.mark.parametrize(
    ("tag", "count", "expected", "flaw"),
    [
        ("<font>", 300, 40, ""),
        ("<div>", 1_900, 40, ""),
        ("<blockquote>", 900, 40, ""),
        ("<font>", 3_000, 20, html.NESTED),  # libxml2 goes no deeper than 2,048
        ("<ul><li>", 900, 20, html.NESTED),  # nor Python, which trafilatura calls itself in
    ],
)
def test_what_follows_deep_nesting_is_read_or_told(tag: str, count: int, expected: int, flaw: str) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)  # as Python begins; libraries that other tests load raise it
    try:
        found = html.document(page(tag * count), "a.html", ReadSettings())
    finally:
        sys.setrecursionlimit(before)
    assert isinstance(found, Raw)
    assert (paragraphs(found), found.flaw) == (expected, flaw)


@pytest.mark.parametrize(
    "attributes",
    [" ".join(f'a{n}="1"' for n in range(300_000)), "".join(f"a{n}='>'" for n in range(200_000)), "/x" * 900_000],
    ids=["spaces", "quotes", "slashes"],
)
def test_attributes_without_end_are_told_at_once(attributes: str) -> None:
    begun = time.perf_counter()
    found = html.document(page(f"<div {attributes}>"), "a.html", ReadSettings())
    assert isinstance(found, Bad)
    assert found.reason == "too many attributes"
    assert time.perf_counter() - begun < 10  # libxml2 takes 305 s


@pytest.mark.parametrize("unit", ['<a "', '<a b="', "<a b='\"", "<", "<a ", "<a/", "<a b=c", "<a =", "<a b=''", "<a\n"])
def test_looking_for_tags_takes_time_by_their_length(unit: str) -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        html._crowded(unit * count)
        return time.process_time() - begun

    assert seconds(800_000) < 20 * max(seconds(80_000), 0.01)


def test_few_of_many_attributes_are_no_reason() -> None:
    found = html.document(page('<div class="a" title=">" data-x=1></div>' * 300), "a.html", ReadSettings())
    assert paragraphs(found) == 40


def test_pages_of_too_many_elements_are_left_out() -> None:
    many = page("<p>x y z</p>" * 60_000)
    found = html.document(many, "a.html", ReadSettings())
    assert isinstance(found, Bad)
    assert (found.reason, found.detail) == ("too many elements", "over 50,000")
    assert paragraphs(html.document(page("<b>x</b> " * 900), "a.html", ReadSettings(maximum_elements=1_000))) == 40


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("cp1251", ""), ("koi8_r", ""), ("cp1251", "<meta charset=utf-8>"), ("cp1251", "<meta charset=cp1251>")],
)
def test_a_page_without_a_true_charset(encoding: str, said: str) -> None:
    text = "Букварь был первой книгой, по которой дети учились читать и писать."
    content = f"<html><head>{said}</head><body><article>{f'<p>{text}</p>' * 5}</article></body></html>"
    found = html.document(decode(content.encode(encoding), None), "a.html", ReadSettings())
    assert isinstance(found, Raw)
    assert text in "".join(found.blocks)


def test_whatever_a_parser_raises_costs_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(page: str) -> tuple[str, bool]:
        raise MemoryError

    monkeypatch.setattr(html, "_extractor", lambda name: fail)
    found = html.document(PAGE, "a.html", ReadSettings())
    assert isinstance(found, Bad)
    assert (found.reason, found.detail) == ("no main text", "MemoryError in trafilatura")


def test_without_the_library_pages_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    html._extractor.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    found = html.document(PAGE, "a.html", ReadSettings())
    assert isinstance(found, Bad)
    assert (found.reason, found.detail) == (
        "web pages need trafilatura",
        "pip install trafilatura: No module named 'trafilatura'",
    )
