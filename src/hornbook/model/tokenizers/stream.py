"""Text from ids as they come, one at a time: every character as soon as its last byte is there, never half of one.

What is said, joined, equals decoding all ids at once, with two exceptions:

- a character whose last bytes never come is left out at the end, where decoding says U+FFFD;
- SentencePiece with byte tokens (phi-3-mini): when a run of byte tokens holds whole characters and then breaks off,
  the whole ones have been said already, while decoding says U+FFFD for every byte of such a run.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Container, Iterable, Iterator
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from hornbook.model.tokenizers.alphabet import unspell

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SENTENCEPIECE = (["Replace", "ByteFallback", "Fuse"], ["Replace", "ByteFallback", "Fuse", "Strip"])
_UNKNOWN = "\ufffd"


class TextStream:
    """Text as ids are told, one after the other; ids that are `hidden` or have no token add nothing."""

    def __init__(self, tokenizer: FastTokenizer, hidden: Container[int]) -> None:
        self._tokenizer, self._hidden = tokenizer, hidden
        steps = _steps(tokenizer)
        kinds = [step["type"] for step in steps]
        self._reader: _ByteLevel | _SentencePiece | _Decoding
        if kinds == ["ByteLevel"]:
            self._reader = _ByteLevel()
        elif kinds in _SENTENCEPIECE and "String" in steps[0]["pattern"]:
            self._reader = _SentencePiece(steps)
        else:
            self._reader = _Decoding(tokenizer)

    def tell(self, token: int) -> str:
        """What a further id adds to the text, which may be nothing yet."""
        if token in self._hidden:
            return ""
        if isinstance(self._reader, _Decoding):
            return self._reader.tell(token)
        piece = self._tokenizer.id_to_token(token)
        return "" if piece is None else self._reader.tell(piece)

    def end(self) -> str:
        """What was held back, where no more ids come."""
        return self._reader.end()


def stream(tokenizer: FastTokenizer, ids: Iterable[int], hidden: Container[int]) -> Iterator[str]:
    """Text as `ids` arrive; ids that are `hidden` or have no token are left out."""
    told = TextStream(tokenizer, hidden)
    for token in ids:
        text = told.tell(token)
        if text:
            yield text
    text = told.end()
    if text:
        yield text


def spellings(tokenizer: FastTokenizer, ids: Iterable[int]) -> dict[int, bytes]:
    """The bytes that each token adds to a text, wherever it stands; ids that have no token are left out."""
    steps = _steps(tokenizer)
    kinds = [step["type"] for step in steps]
    sentencepiece = kinds in _SENTENCEPIECE and "String" in steps[0]["pattern"]

    def spelled(token: int, piece: str) -> bytes:
        if kinds == ["ByteLevel"]:
            return unspell(piece)
        if not sentencepiece:
            return tokenizer.decode([token], skip_special_tokens=False).encode()
        byte = _BYTE.fullmatch(piece)
        return (
            bytes([int(byte[1], 16)])
            if byte
            else piece.replace(steps[0]["pattern"]["String"], steps[0]["content"]).encode()
        )

    pieces = {token: tokenizer.id_to_token(token) for token in ids}
    return {token: spelled(token, piece) for token, piece in pieces.items() if piece is not None}


def _steps(tokenizer: FastTokenizer) -> list[dict[str, Any]]:
    """What the tokenizer's decoder does, as tokenizer.json writes it."""
    if tokenizer.decoder is None:
        return []
    state: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    return state["decoders"] if state["type"] == "Sequence" else [state]


class _ByteLevel:
    """Tokens that spell bytes."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def tell(self, piece: str) -> str:
        return self._decoder.decode(unspell(piece))

    def end(self) -> str:
        return ""


class _SentencePiece:
    """Tokens that spell characters, some of them bytes, which are held until they make one or until their run ends."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self._old, self._new = steps[0]["pattern"]["String"], steps[0]["content"]
        # So many spaces are taken from the text's beginning, if they are there.
        self._space: str
        self._spaces: int
        self._space, self._spaces = (steps[3]["content"], steps[3]["start"]) if len(steps) > 3 else (" ", 0)
        self._held = b""

    def tell(self, piece: str) -> str:
        byte = _BYTE.fullmatch(piece)
        if byte is None:
            broken, self._held = _UNKNOWN * len(self._held), b""
            return self._without_spaces(broken + piece.replace(self._old, self._new))
        self._held += bytes([int(byte[1], 16)])
        try:
            text = self._held.decode()
        except UnicodeDecodeError:
            return ""
        self._held = b""
        return self._without_spaces(text)

    def end(self) -> str:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self._held)  # silent about the beginning of a character
        except UnicodeDecodeError:
            return self._without_spaces(_UNKNOWN * len(self._held))
        return ""

    def _without_spaces(self, text: str) -> str:
        while self._spaces and text:
            begins = text.startswith(self._space)
            text = text[1:] if begins else text
            self._spaces = self._spaces - 1 if begins else 0
        return text


class _Decoding:
    """For other decoders: what a token adds to the text of the tokens before it, once that ends with a character."""

    def __init__(self, tokenizer: FastTokenizer) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []
        self._arrived: list[int] = []
        self._added = ""

    def tell(self, token: int) -> str:
        self._arrived.append(token)
        known = self._tokenizer.decode(self._before, skip_special_tokens=False)
        self._added = self._tokenizer.decode(self._before + self._arrived, skip_special_tokens=False)[len(known) :]
        if not self._added or self._added.endswith(_UNKNOWN):
            return ""
        added, self._before, self._arrived, self._added = self._added, self._arrived, [], ""
        return added

    def end(self) -> str:
        return self._added.rstrip(_UNKNOWN)
