"""HTTP messages as archives keep them: status, headers, and the body as the page's author wrote it."""

from __future__ import annotations

import importlib
import re
import zlib
from dataclasses import dataclass

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})[^\n]*\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")


@dataclass(frozen=True)
class Response:
    """An answer: its status, its headers by lower-case name, its body unpacked."""

    status: int
    headers: dict[str, str]
    body: bytes


def parse(message: bytes, maximum: int) -> Response | None:
    """An HTTP response, or None where it is none. A body that unpacks to more than `maximum` bytes is cut there.

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
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _joined(body)
    return Response(int(status.group(1)), headers, _unpacked(body, headers.get("content-encoding", ""), maximum))


def _joined(body: bytes) -> bytes:
    """The chunks of a body put together; what was stored without chunks as it is, what breaks off as far as it goes."""
    parts: list[bytes] = []
    at = 0
    while (size := _CHUNK.match(body, at)) is not None:
        length = int(size.group(1), 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body[at : at + 2] == b"\r\n" else int(body[at : at + 1] == b"\n")
    return b"".join(parts) if parts and at >= len(body) else body


def _unpacked(body: bytes, packings: str, maximum: int) -> bytes:
    """A body without its content encodings, the last one said undone first; as it is where that fails."""
    for packing in reversed([name.strip().lower() for name in packings.split(",") if name.strip()]):
        if packing in ("gzip", "x-gzip", "deflate"):
            body = _inflated(body, maximum)
        elif packing == "br":
            body = _brotli(body, maximum)
    return body


def _inflated(body: bytes, maximum: int) -> bytes:
    """Unpack gzip, zlib or bare deflate."""
    for bits in (47, -15):
        try:
            return zlib.decompressobj(wbits=bits).decompress(body, maximum)
        except zlib.error:
            continue
    return body


def _brotli(body: bytes, maximum: int) -> bytes:
    """Unpack brotli where the library for it is installed."""
    try:
        brotli = importlib.import_module("brotli")
    except ImportError:
        return body
    try:
        return bytes(brotli.decompress(body))[:maximum]
    except brotli.error:
        return body
