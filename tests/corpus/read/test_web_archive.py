from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source

pytest.importorskip("trafilatura")

SENTENCE = "A hornbook was a child's first textbook: one page, printed large, on a wooden board with a handle. "
PAGE = f"<html><body><nav>Menu Home</nav><article><h1>Hornbooks</h1><p>{SENTENCE * 6}</p></article></body></html>"


def record(kind: str, content_type: str, body: bytes, address: str = "http://a.example/x") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: <{address}>\r\nContent-Type: {content_type}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\r\n\r\n"


def answer(body: bytes, status: int = 200, content_type: str = "text/html; charset=utf-8", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{extra}\r\n"
    return record("response", "application/http; msgtype=response", head.encode() + body)


def read(tmp_path: Path, *members: bytes) -> list[Raw | Bad]:
    file = tmp_path / "a.warc.gz"
    file.write_bytes(b"".join(map(gzip.compress, members)))
    return list(documents(Found(file, "a.warc.gz"), Source(name="s", path="."), ReadSettings()))


def texts(found: list[Raw | Bad]) -> list[str]:
    return ["".join(item.blocks) for item in found if isinstance(item, Raw)]


def test_pages_that_were_answered_are_documents(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        record("warcinfo", "application/warc-fields", b"software: x"),
        record("request", "application/http; msgtype=request", b"GET / HTTP/1.1\r\n\r\n"),
        answer(PAGE.encode()),
        answer(PAGE.encode(), status=404),
        answer(b"\xff\xd8picture", content_type="image/jpeg"),
        answer(b"plain\r\ntext of a file", content_type="text/plain"),
        answer(gzip.compress(PAGE.encode()), extra="Content-Encoding: gzip\r\n"),
        answer(PAGE.encode(), content_type=""),
        record("conversion", "text/plain", "naïve text".encode()),
        record("metadata", "application/warc-fields", b"a: b"),
    )
    assert [item.path for item in found] == [f"a.warc.gz:{n} http://a.example/x" for n in (3, 6, 7, 8, 9)]
    page, plain, packed, unsaid, converted = texts(found)
    assert page == packed == unsaid
    assert SENTENCE.strip() in page
    assert "Menu" not in page
    assert plain == "plain\ntext of a file"
    assert converted == "naïve text"


def test_what_a_crawler_keeps_of_itself_is_no_document(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        record(
            "resource", "text/plain", b"--2024-- http://a.example/ saved", "metadata://gnu.org/software/wget/wget.log"
        ),
        record("resource", "text/plain", b"wget -r a.example", "METADATA://gnu.org/software/wget/arguments.txt"),
        record("metadata", "text/plain", b"fetchTimeMs: 12", "metadata://a.example/"),
        record("resource", "text/plain", b"a text that was kept"),
    )
    assert texts(found) == ["a text that was kept"]
    assert len(found) == 1


def test_however_much_is_damaged_is_one_warning(tmp_path: Path) -> None:
    file = tmp_path / "a.warc.gz"
    members = [gzip.compress(record("conversion", "text/plain", f"text {n}".encode())) for n in range(8)]
    for number in (2, 5):
        members[number] = members[number][:20] + bytes(10) + members[number][30:]
    file.write_bytes(b"".join(members))
    found = list(documents(Found(file, "a.warc.gz"), Source(name="s", path="."), ReadSettings()))
    assert texts(found) == [f"text {n}" for n in range(8) if n not in (2, 5)]
    (bad,) = [item for item in found if isinstance(item, Bad)]
    assert (bad.path, bad.reason) == ("a.warc.gz", "damaged archive")
    assert bad.detail.endswith("2 damaged places in all")


def test_a_page_without_text_and_one_too_long(tmp_path: Path) -> None:
    found = read(tmp_path, answer(b"<html><body></body></html>"), answer(b"x" * 9_000_000))
    assert [(item.path.split()[0], item.reason) for item in found if isinstance(item, Bad)] == [
        ("a.warc.gz:1", "no main text"),
        ("a.warc.gz:2", "too long"),
    ]


def test_an_empty_archive(tmp_path: Path) -> None:
    assert read(tmp_path) == [Bad("a.warc.gz", "empty")]


@pytest.mark.parametrize(("name", "expected"), [("clueweb-quirk.warc.gz", 29), ("warcfile.warc.gz", 16)])
def test_archives_of_the_web(name: str, expected: int, real_data: Callable[[str], Path]) -> None:
    archive = real_data(f"web/warc/{name}")
    found = list(documents(Found(archive, name), Source(name="s", path="."), ReadSettings()))
    assert len(texts(found)) == len(found) == expected
    assert "�" not in "".join(texts(found)[:5])
