"""The text of a web page's bytes.

After the WHATWG's encoding rules, but the bytes are believed before what is said of them: a page that is valid UTF-8
is taken as UTF-8, since other encodings hardly ever are by chance.
"""

from __future__ import annotations

import codecs
import re

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
        return page.decode(named[0] if named else "cp1252", "replace")


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
