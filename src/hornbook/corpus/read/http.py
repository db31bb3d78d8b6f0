"""HTTP messages as archives keep them: status, headers, and the body as the page's author wrote it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})[^\n]*\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_PACKINGS = 4  # so many content encodings, one upon another, are undone
_PIECE = 4_096  # bytes
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")


@dataclass(frozen=True)
class Response:
    """An answer: its status, its headers by lower-case name, its body unpacked; whether it unpacks to too much, and
    whether it breaks off.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    too_long: bool = False
    cut: bool = False


def parse(message: bytes, maximum: int) -> Response | None:
    """An HTTP response, or None where it is none. A body that unpacks to more than `maximum` bytes is `too_long`.

    Archives often say that a body is packed or in chunks when it was stored plain; then it is taken as it is.
    """
    status = _STATUS.match(message)
    if status is None:
        return None
    end = _END_OF_HEAD.search(message, status.end() - 1)
    head, body = (message[: end.start()], message[end.end() :]) if end else (message, b"")
    lines = head.decode("latin-1").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
    short = False
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, short = _joined(body)
    body, cut = _unpacked(body, headers.get("content-encoding", ""), maximum)
    return Response(int(status.group(1)), headers, body[:maximum], len(body) > maximum, cut or short)


def _joined(body: bytes) -> tuple[bytes, bool]:
    """The chunks of a body put together; what was stored without chunks as it is, what breaks off as far as it goes.
    And whether it breaks off.
    """
    parts: list[bytes] = []
    at = 0
    while (size := _CHUNK.match(body, at)) is not None:
        length = int(size.group(1), 16)
        if length == 0:
            return b"".join(parts), False
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body[at : at + 2] == b"\r\n" else int(body[at : at + 1] == b"\n")
    return (b"".join(parts), True) if parts and at >= len(body) else (body, False)


def _unpacked(body: bytes, packings: str, maximum: int) -> tuple[bytes, bool]:
    """A body without its content encodings, the last one said undone first, at most `maximum` + 1 bytes of it; as it is
    where that fails. And whether it breaks off.
    """
    cut = False
    for packing in reversed([name.strip().lower() for name in packings.split(",") if name.strip()][-_PACKINGS:]):
        unpack = _UNPACK.get(packing)
        if unpack is not None:
            body, broken = unpack(body, maximum + 1)
            cut = cut or broken
    return body, cut


def _inflated(body: bytes, most: int) -> tuple[bytes, bool]:
    """Unpack gzip, zlib or bare deflate. Of gzip several members may stand one after another."""
    for bits in (47, -15):
        found = _members(body, most, lambda bits=bits: zlib.decompressobj(wbits=bits))  # type: ignore[misc]
        if found is not None:
            return found
    return body, False


def _zstd(body: bytes, most: int) -> tuple[bytes, bool]:
    from backports import zstd

    return _members(body, most, zstd.ZstdDecompressor) or (body, False)


def _members(body: bytes, most: int, new: Callable[[], Any]) -> tuple[bytes, bool] | None:
    """Unpack one member after another, as far as it goes; None where not even the first begins as one."""
    found = bytearray()
    rest = body
    while rest and len(found) < most:
        decoder = new()
        before = len(found)
        try:
            for start in range(0, len(rest), _PIECE):  # in pieces: of one that is damaged nothing comes
                found += decoder.decompress(rest[start : start + _PIECE], most - len(found))
                if decoder.eof or len(found) >= most:
                    break
        except Exception:  # each library's own; what follows a member may be anything
            if rest is body and len(found) == before:
                return None
            return bytes(found), len(found) > before or rest is body
        if not decoder.eof:
            return bytes(found), len(found) < most
        rest = decoder.unused_data + rest[start + _PIECE :]
    return bytes(found), False


def _brotli(body: bytes, most: int) -> tuple[bytes, bool]:
    """Unpack brotli, which says nothing of itself: what can't be unpacked is taken for plain."""
    import pyarrow as pa

    found = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "brotli") as stream:
            while len(found) < most and (piece := stream.read(min(_PIECE, most - len(found)))):
                found += piece
    except OSError:
        return (bytes(found), True) if found else (body, False)
    return bytes(found), False


_UNPACK: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    **dict.fromkeys(("gzip", "x-gzip", "deflate"), _inflated),
    "br": _brotli,
    "zstd": _zstd,
}
