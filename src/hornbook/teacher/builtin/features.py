"""What the rubric looks at: countable properties of a text, cheap enough for gigabytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(
    r"^[ \t]*(?:def \w+\(|class \w+[(:]|import \w|from [\w.]+ import |return\b|if .+:$|\w+ = )", re.MULTILINE
)
_DEFINITION = re.compile(r"^[ \t]*(?:async def|def|class) \w", re.MULTILINE)
_IMPORT = re.compile(r"^(?:import |from [\w.]+ import |    \"?\w+\"?,$|__all__)", re.MULTILINE)
_TEST_MARKS = ("self.assert", "self.fail", "def test", "    assert ", "unittest", "pytest")
_COMMENT = re.compile(r"(?:^|[ \t])#[ \t]?([^\n]*)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_SENTENCE = re.compile(r"[a-z`'\")\]]{2}[.!?:](?=\s)")
_REASON = re.compile(
    r"\b(?:because|since|therefore|means|note that|so that|in order to|such as|for instance|instead|otherwise|which|"
    r"should|must|used to|allows?|unless|whether|when|if the)\b"
)
_EXAMPLE_MARKS = (">>> ", "or example", "xample:", "xamples:", "e.g.", "Usage:", "::\n\n")
# What code leaves in the text that speaks of it: calls, names with underscores, attributes, operators, indented lines.
# Of 200 documents each, 3 web pages, no textbook page and no story have one in 2,000 characters; of the 79 topics of
# Python's manual 67 have, and all of 200 source files and their READMEs.
_ABOUT_CODE = re.compile(
    r"\w\(\)|[a-z]_[a-z]|``|`\w|>>> |^(?:    |\t)[^\n]*[=(\[{;]|::$|\b\w+\.\w+\(|\.py\b|-> |<[a-z]+ ?/?>|==|!=",
    re.MULTILINE,
)
_ABOUT_CODE_PER_1000 = 0.5
_LITERAL_STARTS = frozenset("'\"0123456789-")
_DATA = b"0123456789,'\"\\{}[]()x:"
NAMES_FROM = 3_000  # characters of which names are looked at


@dataclass(frozen=True)
class Features:
    """Counts and shares of one text: of characters unless said otherwise; prose is docstrings and comments."""

    characters: int
    is_code: bool
    about_code: bool  # code, or a text that speaks of code
    definitions: int
    docstrings: int
    prose_share: float
    comment_share: float
    literal_share: float
    literal_line_share: float  # of lines
    import_share: float  # of lines
    long_line_share: float  # of lines
    short_name_share: float  # of names
    sentences_per_1000: float
    reasons_per_1000: float
    examples: int
    doctests: int
    examples_per_1000: float
    test_marks: int
    lines: int

    @property
    def is_table(self) -> bool:
        """Whether this is mostly literals: an encoding table, a list of numbers."""
        return self.literal_share > 0.38 or (self.lines >= 10 and self.literal_line_share > 0.6)

    @property
    def is_test(self) -> bool:
        """Whether this is test boilerplate."""
        return self.test_marks >= 3 and self.test_marks / max(1, self.lines) > 0.04


def _docstrings(text: str) -> list[str]:
    """The insides of triple-quoted strings, roughly: every second piece between the marks."""
    mark = '"""' if '"""' in text else "'''"
    return text.split(mark)[1::2]


def _is_literal(line: str) -> bool:
    """Whether a line starts with a number or a string, in brackets or not; docstrings do not count."""
    start = line.lstrip("[({ \t")[:3]
    return start[:1] in _LITERAL_STARTS and start not in ('"""', "'''")


def features(text: str) -> Features:
    """Measure one text."""
    characters = max(1, len(text))
    every_line = text.split("\n")
    lines = len(every_line)
    is_code = len(_CODE.findall(text)) / lines > 0.06
    encoded = text.encode("utf-8", "replace")
    documentation = _docstrings(text) if is_code else []
    comments = [comment for comment in _COMMENT.findall(text) if " " in comment] if is_code else []
    prose = "\n".join([*documentation, *comments]) if is_code else text
    names = _NAME.findall(text[:NAMES_FROM])
    doctests = text.count(">>> ")
    examples = sum(text.count(mark) for mark in _EXAMPLE_MARKS)
    return Features(
        characters=characters,
        is_code=is_code,
        about_code=is_code or 1000 * len(_ABOUT_CODE.findall(text)) / characters >= _ABOUT_CODE_PER_1000,
        definitions=len(_DEFINITION.findall(text)) if is_code else 0,
        docstrings=len(documentation),
        prose_share=len(prose) / characters,
        comment_share=sum(map(len, comments)) / characters,
        literal_share=1 - len(encoded.translate(None, _DATA)) / max(1, len(encoded)),
        literal_line_share=sum(map(_is_literal, every_line)) / lines,
        import_share=len(_IMPORT.findall(text)) / lines,
        long_line_share=sum(length > 100 for length in map(len, every_line)) / lines,
        short_name_share=sum(len(name) <= 2 for name in names) / max(1, len(names)),
        sentences_per_1000=1000 * len(_SENTENCE.findall(prose)) / characters,
        reasons_per_1000=1000 * len(_REASON.findall(prose)) / max(1, len(prose)),
        examples=examples,
        doctests=doctests,
        examples_per_1000=1000 * examples / characters,
        test_marks=sum(text.count(mark) for mark in _TEST_MARKS),
        lines=lines,
    )
