from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.http import Response, parse

BODY = b"<p>" + b"hello page " * 30


def message(body: bytes, *headers: bytes, line: bytes = b"\r\n") -> bytes:
    return line.join([b"HTTP/1.1 200 OK", *headers]) + 2 * line + body


def body_of(raw: bytes) -> bytes:
    response = parse(raw, 10_000)
    assert isinstance(response, Response)
    return response.body


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_status_headers_and_body(line: bytes) -> None:
    response = parse(message(BODY, b"Content-Type: text/html; charset=x", b"Broken header", line=line), 10_000)
    assert response == Response(200, {"content-type": "text/html; charset=x"}, BODY)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"gzip", gzip.compress(BODY, mtime=0)),
        (b"x-gzip", gzip.compress(BODY, mtime=0)),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", raw_deflate(BODY)),
        (b"gzip", gzip.compress(BODY, mtime=0)[:-6]),
        (b"gzip, deflate", zlib.compress(gzip.compress(BODY, mtime=0))),
        (b"gzip", BODY),
        (b"br", BODY),
        (b"identity", BODY),
    ],
    ids=["gzip", "x-gzip", "zlib", "raw", "cut off", "twice", "stored plain", "stored plain br", "none"],
)
def test_packed_bodies(encoding: bytes, packed: bytes) -> None:
    assert body_of(message(packed, b"Content-Encoding: " + encoding)) == BODY


def test_a_body_that_unpacks_to_too_much_is_cut() -> None:
    assert len(body_of(message(gzip.compress(bytes(10**7)), b"Content-Encoding: gzip"))) == 10_000


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
def test_chunks(parts: list[bytes]) -> None:
    chunked = b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert body_of(message(chunked, b"Transfer-Encoding: chunked")) == b"".join(parts)


def test_a_body_said_to_be_in_chunks_that_is_not() -> None:
    for body in (BODY, b"", b"12 is no chunk"):
        assert body_of(message(body, b"Transfer-Encoding: chunked")) == body


def test_chunks_that_break_off() -> None:
    assert body_of(message(b"5\r\nhello\r\nff\r\nworl", b"Transfer-Encoding: chunked")) == b"helloworl"


@given(st.binary(max_size=200))
def test_any_bytes(noise: bytes) -> None:
    parse(noise, 1_000)
    for header in (b"Transfer-Encoding: chunked", b"Content-Encoding: gzip"):
        assert parse(message(noise, header), 1_000) is not None


def test_what_is_no_response() -> None:
    assert parse(b"GET / HTTP/1.1\r\n\r\n", 10) is None
    assert parse(b"", 10) is None
    assert parse(b"HTTP/2 200\r\n\r\nx", 10) == Response(200, {}, b"x")
