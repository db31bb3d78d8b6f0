"""JSON files: an array of objects, one object, or several one after another, each a document.

One object is held at a time, so that an array may be larger than memory.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from hornbook.corpus.reading.items import EXCERPT, Bad, Raw, of_object
from hornbook.corpus.reading.packed import PackedError, opened
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.sources import Found

_BLOCK = 1 << 20
_LONGEST_TOKEN = 64  # characters; but for strings, and numbers that nobody writes
_SPACE = " \t\r\n"


class _BrokenError(Exception):
    """Where reading can't go on: a reason to be counted, a detail for a person, and what stands there."""

    def __init__(self, reason: str, detail: str, text: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail, self.text = reason, detail, text[:EXCERPT].replace("\0", "\\x00")


def objects(found: Found, source: Source, settings: ReadSettings) -> Iterator[Raw | Bad]:
    """The documents of a file, numbered from 1. Nothing can be read after a place that is no JSON."""
    number = 0
    with io.TextIOWrapper(opened(found), encoding="utf-8-sig") as stream:
        try:
            for value, text in _values(_Text(stream, settings.maximum_line)):
                number += 1
                yield of_object(value, f"{found.path}:{number}", source.column, text.replace("\0", "\\x00"))
        except _BrokenError as error:
            yield Bad(found.path, error.reason, f"after record {number}: {error.detail}", error.text)
            return
        except UnicodeDecodeError as error:
            yield Bad(found.path, "invalid UTF-8", f"after record {number}: {error.reason}")
            return
        except PackedError as error:
            yield Bad(found.path, error.reason, f"after record {number}: {error.detail}")
            return
    if number == 0:
        yield Bad(found.path, "empty")


class _Text:
    """A window on a text: values are taken off its beginning, and it is filled at its end."""

    def __init__(self, stream: io.TextIOWrapper, maximum: int) -> None:
        self._stream, self._maximum = stream, maximum
        self._held, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        block = self._stream.read(_BLOCK)
        self._held, self._at, self._ended = self._held[self._at :] + block, 0, not block
        return not self._ended

    def skip(self, character: str = "") -> bool:
        """Pass over space, then over `character` if it stands there; whether it did (without one: whether any does)."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._held):
                break
            if not self._more():
                return False
        if not self._held.startswith(character, self._at):
            return False
        self._at += len(character)
        return True

    def value(self) -> tuple[object, str]:
        """The value that begins here, and the beginning of its text. Raises _BrokenError where there is none."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
                why = ""
            except (ValueError, RecursionError) as error:
                value, end, why = None, len(self._held), str(error)
                if _is_final(error, end):
                    raise _BrokenError("broken JSON", why, self.rest()) from None
            if (why or end == len(self._held)) and end - self._at <= self._maximum and self._more():
                continue
            text = self.rest()
            if end - self._at > self._maximum:
                raise _BrokenError("too long", f"more than {self._maximum:,} characters without an end", text)
            if why:
                raise _BrokenError("broken JSON", why, text)
            self._at = end
            return value, text

    def rest(self) -> str:
        """The beginning of what follows."""
        return self._held[self._at : self._at + EXCERPT]


def _is_final(error: ValueError | RecursionError, end: int) -> bool:
    """Whether more text would not mend an error: it is not where the text that is there ends."""
    if not isinstance(error, json.JSONDecodeError):
        return True
    return error.pos < end - _LONGEST_TOKEN and not error.msg.startswith("Unterminated string")


def _values(text: _Text) -> Iterator[tuple[object, str]]:
    if not text.skip("["):
        while text.skip():
            yield text.value()
        return
    if text.skip("]"):
        return
    yield text.value()
    while text.skip(","):
        text.skip()
        yield text.value()
    if not text.skip("]"):
        raise _BrokenError("broken JSON", "neither a comma nor the end of the array", text.rest())
    if text.skip():
        raise _BrokenError("broken JSON", "something follows the array", text.rest())
