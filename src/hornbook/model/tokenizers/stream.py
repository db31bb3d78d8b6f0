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


def stream(tokenizer: FastTokenizer, ids: Iterable[int], hidden: Container[int]) -> Iterator[str]:
    """Text as `ids` arrive; ids that are `hidden` or have no token are left out."""
    ids = (token for token in ids if token not in hidden)
    steps = _steps(tokenizer)
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"]:
        return _byte_level(_pieces(tokenizer, ids))
    if kinds in _SENTENCEPIECE and "String" in steps[0]["pattern"]:
        return _sentencepiece(_pieces(tokenizer, ids), steps)
    return _by_decoding(tokenizer, ids)


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


def _pieces(tokenizer: FastTokenizer, ids: Iterable[int]) -> Iterator[str]:
    """The spelling of each token that is text."""
    for token in ids:
        piece = tokenizer.id_to_token(token)
        if piece is not None:
            yield piece


def _byte_level(pieces: Iterator[str]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        text = decoder.decode(unspell(piece))
        if text:
            yield text


def _sentencepiece(pieces: Iterator[str], steps: list[dict[str, Any]]) -> Iterator[str]:
    old, new = steps[0]["pattern"]["String"], steps[0]["content"]
    # So many spaces are taken from the text's beginning, if they are there.
    space, spaces = (steps[3]["content"], steps[3]["start"]) if len(steps) > 3 else (" ", 0)
    for said in _characters(pieces, old, new):
        text = said
        while spaces and text:
            begins = text.startswith(space)
            text = text[1:] if begins else text
            spaces = spaces - 1 if begins else 0
        if text:
            yield text


def _characters(pieces: Iterator[str], old: str, new: str) -> Iterator[str]:
    """The text of each piece; bytes are held until they make a character, or until their run ends."""
    held = b""
    for piece in pieces:
        byte = _BYTE.fullmatch(piece)
        if byte is None:
            if held:
                yield _UNKNOWN * len(held)
                held = b""
            yield piece.replace(old, new)
            continue
        held += bytes([int(byte[1], 16)])
        try:
            yield held.decode()
        except UnicodeDecodeError:
            continue
        held = b""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(held)  # silent about the beginning of a character
    except UnicodeDecodeError:
        yield _UNKNOWN * len(held)


def _by_decoding(tokenizer: FastTokenizer, ids: Iterable[int]) -> Iterator[str]:
    """For other decoders: what a token adds to the text of the tokens before it, once that ends with a character."""
    before: list[int] = []
    arrived: list[int] = []
    added = ""
    for token in ids:
        arrived.append(token)
        known = tokenizer.decode(before, skip_special_tokens=False)
        added = tokenizer.decode(before + arrived, skip_special_tokens=False)[len(known) :]
        if added and not added.endswith(_UNKNOWN):
            yield added
            before, arrived, added = arrived, [], ""
    if added.rstrip(_UNKNOWN):
        yield added.rstrip(_UNKNOWN)
