"""The rules of Gopher, C4 and FineWeb by name, with their published limits.

- Gopher: Rae et al. 2021 (arXiv:2112.11446), appendix A.1.1 and table A1.
- C4: Raffel et al. 2020 (JMLR 21, 140), section 2.2, and what its released code does beside.
- FineWeb: Penedo et al. 2024 (arXiv:2406.17557), section 3.6, and what its documents show: their duplicate lines stay
  below 0.01, as in its code, where the paper has 0.1. The limit of the newlines is only in the code.

docs/filter.md tells where others read these differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["below", "above", "at most", "at least"]


@dataclass(frozen=True)
class Rule:
    """A document is dropped when `measure` is on this `side` of `limit`.

    Rules of lines change a document instead: they take out lines, and have no `side`. `limit` is None where there is
    nothing to count. `english`: means nothing for other languages; `spaced`: nor for writing
    that puts no spaces between words.
    """

    measure: str
    side: Side | None = None
    limit: float | None = None
    english: bool = False
    spaced: bool = False


RULES: dict[str, Rule] = {
    # lines that go; what is left is what the other rules see
    "c4.long_word_lines": Rule("longest word", None, 1_000),
    "c4.citations": Rule("citation marks"),
    "c4.unended_lines": Rule("last character"),
    "c4.short_lines": Rule("words in a line", None, 3),
    "c4.javascript_lines": Rule("javascript"),
    "c4.policy_lines": Rule("policies"),
    # documents that go; what is told fastest comes first
    "gopher.bullets": Rule("bullet lines", "above", 0.9),
    "gopher.ellipsis_lines": Rule("ellipsis lines", "above", 0.3),
    "c4.lorem_ipsum": Rule("lorem ipsum", "above", 0),
    "c4.curly_brackets": Rule("curly brackets", "above", 0),
    "c4.bad_words": Rule("bad words", "above", 0),
    "c4.few_sentences": Rule("sentences", "below", 5),
    "fineweb.unended_lines": Rule("ended lines", "at most", 0.12),
    "fineweb.short_lines": Rule("short lines", "at least", 0.67, spaced=True),
    "fineweb.duplicate_lines": Rule("duplicate characters in lines", "at least", 0.01),
    "gopher.duplicate_lines": Rule("duplicate lines", "above", 0.30),
    "gopher.duplicate_paragraphs": Rule("duplicate paragraphs", "above", 0.30),
    "gopher.duplicate_line_characters": Rule("duplicate line characters", "above", 0.20),
    "gopher.duplicate_paragraph_characters": Rule("duplicate paragraph characters", "above", 0.20),
    # documents that go for their words
    "gopher.few_words": Rule("words", "below", 50),
    "gopher.many_words": Rule("words", "above", 100_000),
    "gopher.short_words": Rule("mean word", "below", 3, spaced=True),
    "gopher.long_words": Rule("mean word", "above", 10, spaced=True),
    "gopher.hashes": Rule("hashes per token", "above", 0.1),
    "gopher.ellipses": Rule("ellipses per token", "above", 0.1),
    "gopher.few_letters": Rule("words with letters", "below", 0.8),
    "gopher.few_stop_words": Rule("stop words", "below", 2, english=True),
    "fineweb.newlines": Rule("newlines per token", "above", 0.3),
    # documents that go for what repeats
    "gopher.top_2_grams": Rule("top 2-gram", "above", 0.20),
    "gopher.top_3_grams": Rule("top 3-gram", "above", 0.18),
    "gopher.top_4_grams": Rule("top 4-gram", "above", 0.16),
    "gopher.duplicate_5_grams": Rule("duplicate 5-grams", "above", 0.15),
    "gopher.duplicate_6_grams": Rule("duplicate 6-grams", "above", 0.14),
    "gopher.duplicate_7_grams": Rule("duplicate 7-grams", "above", 0.13),
    "gopher.duplicate_8_grams": Rule("duplicate 8-grams", "above", 0.12),
    "gopher.duplicate_9_grams": Rule("duplicate 9-grams", "above", 0.11),
    "gopher.duplicate_10_grams": Rule("duplicate 10-grams", "above", 0.10),
}

SETS = tuple(dict.fromkeys(name.partition(".")[0] for name in RULES))


def chosen(rules: tuple[str, ...], without: tuple[str, ...]) -> list[str]:
    """The names of the rules that these names and sets mean, in the order of RULES."""

    def meant(name: str, names: tuple[str, ...]) -> bool:
        return name in names or name.partition(".")[0] in names

    return [name for name in RULES if meant(name, rules) and not meant(name, without)]
