from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pyarrow as pa
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.http import Response, parse

BROTLI = bytes.fromhex("1b4c0100041c72a4276891072dad3699ad028feed6e5795600")
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
        (b"gzip", gzip.compress(BODY[:100], mtime=0) + gzip.compress(BODY[100:], mtime=0)),
        (b"br", BROTLI),
        (b"zstd", zstd.compress(BODY)),
        (b"br, gzip", gzip.compress(BROTLI)),
        (b"gzip", BODY),
        (b"br", BODY),
        (b"identity", BODY),
    ],
    ids=[
        "gzip",
        "x-gzip",
        "zlib",
        "raw",
        "cut off",
        "twice",
        "members",
        "brotli",
        "zstd",
        "both",
        "stored plain",
        "stored plain br",
        "none",
    ],
)
def test_packed_bodies(encoding: bytes, packed: bytes) -> None:
    assert body_of(message(packed, b"Content-Encoding: " + encoding)) == BODY


@pytest.mark.parametrize("encoding", [b"gzip", b"zstd", b"br"])
def test_what_breaks_off_is_told_and_read_as_far_as_it_goes(encoding: bytes) -> None:
    body = b"".join(b"%d " % number**7 for number in range(20_000))
    pack = {
        b"gzip": gzip.compress,
        b"zstd": zstd.compress,
        b"br": lambda body: pa.Codec("brotli").compress(body).to_pybytes(),
    }
    packed = pack[encoding](body)
    for kept, cut in ((packed, False), (packed[: len(packed) // 2], True)):
        response = parse(message(kept, b"Content-Encoding: " + encoding), 1 << 20)
        assert isinstance(response, Response)
        assert response.cut == cut
        assert body.startswith(response.body)
        assert len(response.body) > len(body) // 4


def test_a_body_that_unpacks_to_too_much_is_told() -> None:
    for times in (1, 3):
        body = bytes(10**7)
        for _ in range(times):
            body = gzip.compress(body)
        response = parse(message(body, b"Content-Encoding: " + b", ".join([b"gzip"] * times)), 10_000)
        assert isinstance(response, Response)
        assert response.too_long
        assert len(response.body) == 10_000


def test_memory_of_bombs_in_bombs() -> None:
    body = bytes(10**8)
    for _ in range(3):
        body = gzip.compress(body, 1)
    raw = message(body, b"Content-Encoding: gzip, gzip, gzip")
    tracemalloc.start()
    response = parse(raw, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert response is not None
    assert response.too_long
    assert peak < 10_000_000


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
def test_chunks(parts: list[bytes]) -> None:
    chunked = b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert body_of(message(chunked, b"Transfer-Encoding: chunked")) == b"".join(parts)


def test_a_body_said_to_be_in_chunks_that_is_not() -> None:
    for body in (BODY, b"", b"12 is no chunk"):
        assert body_of(message(body, b"Transfer-Encoding: chunked")) == body


def test_chunks_that_break_off() -> None:
    response = parse(message(b"5\r\nhello\r\nff\r\nworl", b"Transfer-Encoding: chunked"), 100)
    assert response == Response(200, {"transfer-encoding": "chunked"}, b"helloworl", cut=True)


@given(st.binary(max_size=200))
def test_any_bytes(noise: bytes) -> None:
    parse(noise, 1_000)
    for header in (
        b"Transfer-Encoding: chunked",
        *(b"Content-Encoding: " + name for name in (b"gzip", b"br", b"zstd")),
    ):
        assert parse(message(noise, header), 1_000) is not None


def test_what_is_no_response() -> None:
    assert parse(b"GET / HTTP/1.1\r\n\r\n", 10) is None
    assert parse(b"", 10) is None
    assert parse(b"HTTP/2 200\r\n\r\nx", 10) == Response(200, {}, b"x")
