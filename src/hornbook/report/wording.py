"""Numbers and texts as the pages write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

Marked = list[tuple[str, bool]]

_PIECE = re.compile(r"\s+|\w+|[^\w\s]")


def count(number: float) -> str:
    """1234567 -> 1,234,567."""
    return f"{number:,.0f}"


def versions_told(versions: Mapping[str, str]) -> str:
    """{"torch": "2.13"} -> torch 2.13; the libraries by name."""
    return ", ".join(f"{library} {version}" for library, version in sorted(versions.items()))


def share(value: float | None, digits: int = 0) -> str:
    """0.125 -> 12%; a dash for what was not measured."""
    return "–" if value is None else f"{100 * value:.{digits}f}%"


def signed(value: float) -> str:
    """0.125 -> +12.5%, with its sign."""
    return f"{100 * value:+.1f}%".replace("-", "−")


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with a fixed number of decimals; a dash for what was not measured."""
    return "–" if value is None else f"{value:,.{digits}f}"


def size(number: float) -> str:
    """Bytes in powers of 1,000: 557568 -> 558 kB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            amount = number / scale
            return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.2g} {unit}"
    return f"{number:.0f} bytes"


def duration(seconds: float) -> str:
    """63 -> 1 min 03 s."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def short(digest: str) -> str:
    """The first twelve digits of a hash: enough to compare by eye."""
    return digest[:12]


def clip(text: str, lines: int = 16, characters: int = 900) -> str:
    """The beginning of a text, with a note of how much is left out."""
    kept = text[:characters].split("\n")[:lines]
    shown = "\n".join(kept)
    if len(shown) >= len(text.rstrip("\n")):
        return text.rstrip("\n")
    left = len(text) - len(shown)
    return f"{shown.rstrip()}\n… {left:,} more characters"


def listed(items: Iterable[str]) -> str:
    """a, b and c."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def shortened(runs: Marked, lines: int = 16, characters: int = 700) -> Marked:
    """The beginning of a marked text; an ellipsis stands for the rest."""
    kept: Marked = []
    for text, same in runs:
        part = "\n".join(text[:characters].split("\n")[:lines])
        kept.append((part, same))
        characters -= len(part)
        lines -= part.count("\n")
        if len(part) < len(text):
            return [*kept, ("\n…", True)]
    return kept


def marked(left: str, right: str) -> tuple[Marked, Marked]:
    """Both texts in runs, each with whether the other text has the same run in the same order."""
    a, b = _PIECE.findall(left), _PIECE.findall(right)
    sides: tuple[Marked, Marked] = ([], [])
    for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for side, pieces in zip(sides, (a[a0:a1], b[b0:b1]), strict=True):
            if pieces:
                side.append(("".join(pieces), tag == "equal"))
    return sides
