"""The text of a web page's bytes, and how texts are encoded that are no UTF-8.

After the WHATWG's encoding rules, but the bytes are believed before what is said of them: a page that is valid UTF-8
is taken as UTF-8, since other encodings hardly ever are by chance, and so is one that is mostly so. What says nothing
of itself, or what can't be true, is left to charset-normalizer, as the library that finds the main text does.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from hornbook.corpus.read.compression import opened
from hornbook.corpus.read.kinds import Found

_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_WITHIN = 4_096  # bytes of the page in which it may say its encoding

# Names that stand for a larger encoding on the web than they do in Python.
_WEB_NAMES = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "x-euc-jp": "euc_jp",
}
# Python's codecs that no page is written in, or that a page must not choose.
_NOT_FOR_PAGES = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7", "mbcs", "oem"}
_SAMPLE = 16_384  # bytes that a guess is made from
_NEAR = 0.1  # coherences that differ by less are taken for equal
# Encodings of pages and texts of the last thirty years, the frequent ones first.
_CANDIDATES = (
    *("cp1252", "cp1251", "cp932", "gb18030", "cp949", "euc_jp", "big5", "cp1250", "iso8859_2", "cp1254", "cp1253"),
    *("cp1256", "cp1255", "cp874", "koi8_r", "koi8_u", "cp1257", "cp1258", "cp866", "mac_cyrillic"),
)
_MARKS_OF_TEXT = "\xa0¡¢£¥§«»¿©®°±²³´·ºª¹¼½¾×÷–—―‘’‚“”„†‡•…‰‹›€№。、「」『』，！？：；（）【】《》・ー～"
_BLOCK = 1 << 17
_BEYOND_ASCII = re.compile("[^\0-\x7f]+")
_TAG = re.compile(rb"<[^<>]*>")
_NOT_ASCII = re.compile(rb"[^\0-\x7f]")
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK = 4
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def decode(page: bytes, declared: str | None) -> str:
    """A page's text. `declared` is the encoding that the server named; bytes that mean nothing become U+FFFD."""
    for mark, encoding in _MARKS:
        if page.startswith(mark):
            return page[len(mark) :].decode(encoding, "replace")
    named = [name for name in (_known(declared), _known(_said(page))) if name]
    if named and named[0].startswith("iso2022"):  # written in bytes that are valid UTF-8 too
        return page.decode(named[0], "replace")
    try:
        return page.decode("utf-8")
    except UnicodeDecodeError:
        if mostly_utf8(page):
            return page.decode("utf-8", "replace")
    for name in named:
        if name != "utf-8":
            with suppress(UnicodeDecodeError):
                return page.decode(name)
    others = [name for name in named if name != "utf-8"]
    return page.decode(guess(_TAG.sub(b" ", page)) or (others[0] if others else "cp1252"), "replace")


def mostly_utf8(data: bytes) -> bool:
    """Whether more of what is not ASCII is a character of UTF-8 than is none."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    beyond = sum(len(run) for run in _BEYOND_ASCII.findall(text)) - wrong
    return beyond > wrong


def guess(data: bytes) -> str | None:
    """The encoding that bytes which are no UTF-8 seem to be written in, or None where nothing fits.

    Where several fit about as well, it is the one that is met most often.
    """
    from charset_normalizer import from_bytes

    beyond = _NOT_ASCII.search(data)
    start = max(0, (beyond.start() if beyond else 0) - _SAMPLE // 4)
    matches = list(from_bytes(data[start : start + _SAMPLE], cp_isolation=list(_CANDIDATES)))
    if not matches:
        return None
    best = matches[0]
    fit = [one for one in matches if one.chaos <= best.chaos and one.coherence >= best.coherence - _NEAR]
    names = {name for one in fit for name in (one.encoding, *one.could_be_from_charset)}
    return next((name for name in _CANDIDATES if name in names), best.encoding)


def text_encoding(sample: bytes) -> str | None:
    """The encoding of a text that is no UTF-8, by a part of it around its first byte that can't be; None where it is
    rather a damaged text: what would be a letter does not stand by letters, or would be no letter.
    """
    if mostly_utf8(sample):
        return None
    name = guess(sample)
    text = sample.decode(name, "ignore") if name else ""
    beyond = [at for at, one in enumerate(text) if one > "\x7f"]
    if not beyond or any(not (text[at].isalpha() or text[at] in _MARKS_OF_TEXT) or text[at] in "ÿþ" for at in beyond):
        return None
    letters = [at for at in beyond if text[at].isalpha()]
    joined = [at for at in letters if text[max(0, at - 1) : at].isalpha() or text[at + 1 : at + 2].isalpha()]
    return name if 2 * len(joined) >= len(letters) else None


class Transcoded(io.RawIOBase):
    """A stream of text in another encoding, as UTF-8; what means nothing in it becomes U+FFFD."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._held = b""

    def readable(self) -> bool:
        """True; see `io.RawIOBase`."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase`."""
        while not self._held:
            block = self._stream.read(_BLOCK)
            self._held = self._decoder.decode(block, final=not block).encode("utf-8", "replace")
            if not block:
                break
        piece, self._held = self._held[: len(buffer)], self._held[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def opened_text(found: Found, encoding: str | None = None) -> Iterator[BinaryIO]:
    """A text's bytes, unpacked, as UTF-8: it is read in `encoding`, or else in what a mark at its beginning says. See
    `compression.opened`.
    """
    with opened(found) as stream:
        if encoding is None:
            begins = _peek(stream)
            encoding = next((name for mark, name in _WIDE if begins.startswith(mark)), None)
        yield io.BufferedReader(Transcoded(stream, encoding), _BLOCK) if encoding else stream


def _peek(stream: BinaryIO) -> bytes:
    if isinstance(stream, io.BufferedReader):
        return stream.peek(_LONGEST_MARK)
    begins = stream.read(_LONGEST_MARK)
    stream.seek(0)
    return begins


def _said(page: bytes) -> str | None:
    """The encoding that a page names in its own head."""
    found = _META.search(page, 0, _META_WITHIN)
    return found.group(1).decode("ascii", "replace") if found else None


def _known(name: str | None) -> str | None:
    """Python's name for an encoding, or None where there is none that a page may have."""
    if not name:
        return None
    plain = name.strip().strip("\"'").lower()
    try:
        codec = codecs.lookup(_WEB_NAMES.get(plain, plain))
        b"a".decode(codec.name, "replace")  # refuses codecs between bytes and bytes
    except (LookupError, ValueError):  # a name with a NUL, say, is a ValueError
        return None
    unfit = codec.name.replace("-", "_") in _NOT_FOR_PAGES or codec.name.startswith(("utf-16", "utf-32"))
    return None if unfit else codec.name
