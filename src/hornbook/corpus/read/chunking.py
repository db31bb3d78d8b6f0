"""Cut a long document at sensible places. The chunks, put together again, are the document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

Kind = Literal["python", "code", "prose"]

# Where a document may be cut, best places first. A pattern ends where the next chunk begins.
_PLACES: dict[Kind, tuple[re.Pattern[str], ...]] = {
    "python": (
        re.compile(r"\n[ \t]*\n(?=[^\s)\]}])"),  # a blank line, then a line without indentation: top level
        re.compile(r"\n[ \t]*\n(?=    (?:@|def |async def |class ))"),  # the next method of a long class
        re.compile(r"\n[ \t]*\n"),
        re.compile(r"\n"),
    ),
    "code": (
        re.compile(r"\n[ \t]*\n(?=[^\s)\]}])"),
        re.compile(r"\n(?=[^\s)\]}])"),  # any line without indentation
        re.compile(r"\n[ \t]*\n"),
        re.compile(r"\n"),
    ),
    "prose": (
        re.compile(r"\n[ \t]*\n\s*"),  # paragraphs
        re.compile(r"\n"),
        re.compile(r"[.!?]\s+"),  # sentences
        re.compile(r"\s+"),
    ),
}
# A cut before this share of the allowed length would leave a scrap and gain nothing.
_SCRAP = 0.25


def chunks(blocks: Iterable[str], maximum: int, kind: Kind) -> Iterator[str]:
    """Cut the text that `blocks` make together into chunks of at most `maximum` characters.

    Each cut is at the last good place that fits, of the best kind there is. Where the blocks end doesn't matter,
    and no more than a chunk and a block is held at once.
    """
    held = ""
    for block in blocks:
        held += block
        start = 0
        while len(held) - start > maximum:
            end = start + _place(held[start : start + maximum + 1], maximum, kind)
            yield held[start:end]
            start = end
        held = held[start:]
    if held:
        yield held


def _place(text: str, maximum: int, kind: Kind) -> int:
    """Where to cut `text`, which is one character longer than allowed so that a cut at its very end is seen."""
    for pattern in _PLACES[kind]:
        ends = [match.end() for match in pattern.finditer(text, int(maximum * _SCRAP))]
        fitting = [end for end in ends if end <= maximum]
        if fitting:
            return fitting[-1]
    return maximum
