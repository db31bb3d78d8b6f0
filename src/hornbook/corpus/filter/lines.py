"""C4's rules of lines: what they take out of a document instead of dropping it.

As in C4 and in FineWeb, lines lose the whitespace around them, and blank lines, which neither end in a mark nor have
words, go with those rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hornbook.corpus.scripts import ends_as_written, is_plain, spaced

_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")
_ENDS = (".", "!", "?", '"', "'")
_ELLIPSIS = "..."
_PHRASES = {
    "c4.javascript_lines": ("javascript",),
    "c4.policy_lines": (
        "terms of use",
        "privacy policy",
        "cookie policy",
        "uses cookies",
        "use of cookies",
        "use cookies",
    ),
}


def clean_lines(text: str, rules: Mapping[str, float | None]) -> tuple[str, dict[str, int]]:
    """The text without the lines that `rules` (name: limit) take out, and how many each took."""
    taken: dict[str, int] = {}
    kept = []
    if "c4.citations" in rules:
        text, taken["c4.citations"] = _CITATION.subn("", text)
    lower = text.lower()
    phrases = {rule: [phrase for phrase in _PHRASES[rule] if phrase in lower] for rule in _PHRASES if rule in rules}
    phrases = {rule: found for rule, found in phrases.items() if found}
    plain = is_plain(text)
    for line in map(str.strip, text.splitlines()):
        rule = _against(line, plain, rules, phrases)
        if rule is None:
            kept.append(line)
        elif line:
            taken[rule] = taken.get(rule, 0) + 1
    return "\n".join(kept).strip(), {rule: count for rule, count in taken.items() if count}


def _against(
    line: str, plain: bool, rules: Mapping[str, float | None], phrases: Mapping[str, Sequence[str]]
) -> str | None:
    """The first rule that a line breaks. `phrases`: those that each rule of phrases finds anywhere in the text."""
    words = line.split() if plain else spaced(line).split()
    longest = rules.get("c4.long_word_lines")
    if longest is not None and len(line) > longest and max(map(len, words)) > longest:
        return "c4.long_word_lines"
    if "c4.unended_lines" in rules and _unended(line, plain):
        return "c4.unended_lines"
    fewest = rules.get("c4.short_lines")
    if fewest is not None and len(words) < fewest:
        return "c4.short_lines"
    if not phrases:
        return None
    lower = line.lower()
    return next((rule for rule, found in phrases.items() if any(phrase in lower for phrase in found)), None)


def _unended(line: str, plain: bool) -> bool:
    return line.endswith(_ELLIPSIS) or not (line.endswith(_ENDS) or (not plain and ends_as_written(line)))
