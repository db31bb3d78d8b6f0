"""Parts that deal with text: tests and changes of characters, and of whole strings."""

from __future__ import annotations

from hornbook.teacher.builtin.exercises.parts import (
    ALL,
    ATOM,
    PRODUCT,
    SAME,
    SUM,
    Change,
    ChangeWords,
    GroupWords,
    Test,
)

LETTERS = tuple("abcdeghilmnoprstu")
# Marks are spelled out in words: (the mark, its name).
MARKS = (
    ("-", "a dash"),
    ("*", "a star"),
    ("_", "an underscore"),
    ("+", "a plus sign"),
    (".", "a dot"),
    ("#", "a hash"),
    ("!", "an exclamation mark"),
    ("/", "a slash"),
)
LENGTHS = (2, 3, 4, 5, 6, 7)
CUTS = (2, 3, 4)
SWAPS = (
    ("a", "e"),
    ("a", "o"),
    ("e", "a"),
    ("e", "i"),
    ("i", "o"),
    ("o", "u"),
    ("s", "z"),
    ("t", "d"),
    ("a", "x"),
    ("e", "x"),
)
VOWELS = "aeiou"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"


def _kind(plural: str, singular: str) -> GroupWords:
    return GroupWords(plural, f"are {plural}", f"is {singular}")


def _after(words: str) -> GroupWords:
    return GroupWords(f"{{noun}} {words}", f"are {words}", f"is {words}")


CHARACTER_TESTS = (
    Test("vowel", "vowel", '{v} in "aeiou"', lambda c, k: VOWELS.find(c) >= 0, (_kind("vowels", "a vowel"),)),
    Test(
        "not_vowel",
        "hard",
        '{v} not in "aeiou"',
        lambda c, k: VOWELS.find(c) < 0,
        (_kind("non-vowels", "a non-vowel"),),
    ),
    Test("digit", "digit", "{v}.isdigit()", lambda c, k: c in DIGITS, (_kind("digits", "a digit"),)),
    Test(
        "upper",
        "capital",
        "{v}.isupper()",
        lambda c, k: c in UPPER,
        (_kind("capital letters", "a capital letter"), _kind("uppercase letters", "an uppercase letter")),
    ),
    Test(
        "lower",
        "little",
        "{v}.islower()",
        lambda c, k: c in LOWER,
        (_kind("small letters", "a small letter"), _kind("lowercase letters", "a lowercase letter")),
    ),
    Test("letter", "letter", "{v}.isalpha()", lambda c, k: c in UPPER + LOWER, (_kind("letters", "a letter"),)),
    Test(
        "space",
        "blank",
        '{v} == " "',
        lambda c, k: ord(c) == 32,
        (_kind("spaces", "a space"), _kind("blanks", "a blank")),
    ),
    Test("equal", "same", '{v} == "{k}"', lambda c, k: ord(c) == ord(k), (_after('equal to "{k}"'),), LETTERS),
    Test(
        "different",
        "other",
        '{v} != "{k}"',
        lambda c, k: ord(c) != ord(k),
        (_after('other than "{k}"'), _after('different from "{k}"')),
        LETTERS,
    ),
    Test(
        "later",
        "late",
        '{v} > "{k}"',
        lambda c, k: ord(c) > ord(k),
        (_after('after "{k}"'), _after('later than "{k}"')),
        LETTERS,
    ),
    Test(
        "earlier",
        "early",
        '{v} < "{k}"',
        lambda c, k: ord(c) < ord(k),
        (_after('before "{k}"'), _after('earlier than "{k}"')),
        LETTERS,
    ),
)
ANY_CHARACTER_TESTS = (ALL, *CHARACTER_TESTS)


def _upper(text: str) -> str:
    return "".join(UPPER[LOWER.index(c)] if c in LOWER else c for c in text)


def _lower(text: str) -> str:
    return "".join(LOWER[UPPER.index(c)] if c in UPPER else c for c in text)


def _swap(text: str) -> str:
    return "".join(_lower(c) if c in UPPER else _upper(c) for c in text)


def _each(then: str) -> ChangeWords:
    return ChangeWords(f"{{x}} {then}", f"{{x}}, each {then}", then)


def _upright(then: str) -> ChangeWords:
    return ChangeWords(f"{{x}} {then}", f"{{x}} {then}", f"put {then}")


UPPERED = Change(
    "upper", "upper", "{v}.upper()", lambda s, k: _upper(s), (_upright("in upper case"), _upright("in capitals"))
)
LOWERED = Change(
    "lower", "lower", "{v}.lower()", lambda s, k: _lower(s), (_upright("in lower case"), _upright("in small letters"))
)
SWAPPED = Change("swapcase", "swap", "{v}.swapcase()", lambda s, k: _swap(s), (_upright("with swapped case"),))
DOUBLED = Change(
    "twice", "twice", "{v} * 2", lambda s, k: s + s, (_each("doubled"), _each("written twice")), (), PRODUCT
)
SUFFIXED = Change(
    "suffix", "end", '{v} + "{k[0]}"', lambda s, k: f"{s}{k[0]}", (_each("followed by {k[1]}"),), MARKS, SUM
)
PREFIXED = Change(
    "prefix", "start", '"{k[0]}" + {v}', lambda s, k: f"{k[0]}{s}", (_each("preceded by {k[1]}"),), MARKS, SUM
)

CHARACTER_CHANGES = (
    UPPERED,
    LOWERED,
    SWAPPED,
    DOUBLED,
    SUFFIXED,
    PREFIXED,
    Change(
        "replaced",
        "mark",
        '"{k[0]}"',
        lambda s, k: str(k[0]),
        (_each("replaced by {k[1]}"), _each("turned into {k[1]}")),
        MARKS,
        ATOM,
    ),
)
ANY_CHARACTER_CHANGES = (SAME, *CHARACTER_CHANGES)


def _verb(ing: str, plural: str, singular: str) -> GroupWords:
    return GroupWords(f"{{noun}} {ing}", plural, singular)


STRING_TESTS = (
    Test(
        "starts",
        "start",
        '{v}.startswith("{k}")',
        lambda s, k: s[:1] == k,
        (
            _verb('starting with "{k}"', 'start with "{k}"', 'starts with "{k}"'),
            _verb('beginning with "{k}"', 'begin with "{k}"', 'begins with "{k}"'),
        ),
        LETTERS,
    ),
    Test(
        "ends",
        "end",
        '{v}.endswith("{k}")',
        lambda s, k: s[-1:] == k,
        (
            _verb('ending with "{k}"', 'end with "{k}"', 'ends with "{k}"'),
            _verb('ending in "{k}"', 'end in "{k}"', 'ends in "{k}"'),
        ),
        LETTERS,
    ),
    Test(
        "contains",
        "with",
        '"{k}" in {v}',
        lambda s, k: s.count(k) > 0,
        (
            _verb('containing "{k}"', 'contain "{k}"', 'contains "{k}"'),
            _verb('with "{k}" inside', 'have "{k}" inside', 'has "{k}" inside'),
        ),
        LETTERS,
    ),
    Test(
        "lacks",
        "without",
        '"{k}" not in {v}',
        lambda s, k: s.count(k) == 0,
        (_verb('without "{k}"', 'lack "{k}"', 'lacks "{k}"'),),
        LETTERS,
    ),
    Test("longer", "long", "len({v}) > {k}", lambda s, k: s[k:] != "", (_after("longer than {k}"),), LENGTHS),
    Test("shorter", "short", "len({v}) < {k}", lambda s, k: s[k - 1 :] == "", (_after("shorter than {k}"),), LENGTHS),
    Test(
        "length",
        "size",
        "len({v}) == {k}",
        lambda s, k: s[k - 1 :] != "" and s[k:] == "",
        (_after("of length {k}"), _after("exactly {k} long")),
        LENGTHS,
    ),
    Test(
        "palindrome",
        "mirror",
        "{v} == {v}[::-1]",
        lambda s, k: all(a == b for a, b in zip(s, reversed(s), strict=True)),
        (GroupWords("palindromic {noun}", "are palindromes", "is a palindrome"),),
    ),
    Test(
        "numeric",
        "digit",
        "{v}.isdigit()",
        lambda s, k: s != "" and all(c in DIGITS for c in s),
        (_after("made of digits"), _after("numeric")),
    ),
    Test(
        "alphabetic",
        "letter",
        "{v}.isalpha()",
        lambda s, k: s != "" and all(c in UPPER + LOWER for c in s),
        (_after("made of letters"), _after("alphabetic")),
    ),
    Test(
        "shouted",
        "capital",
        "{v}.isupper()",
        lambda s, k: s == _upper(s) and s != _lower(s),
        (_after("all in capitals"),),
    ),
)
ANY_STRING_TESTS = (ALL, *STRING_TESTS)

STRING_CHANGES = (
    UPPERED,
    LOWERED,
    SWAPPED,
    Change(
        "title",
        "title",
        "{v}.capitalize()",
        lambda s, k: _upper(s[:1]) + _lower(s[1:]),
        (_each("capitalized"), _upright("with a capital first letter")),
    ),
    Change(
        "reverse",
        "reverse",
        "{v}[::-1]",
        lambda s, k: "".join(reversed(s)),
        (_each("reversed"), _each("spelled backwards")),
    ),
    Change(
        "head",
        "first",
        "{v}[:{k}]",
        lambda s, k: "".join(c for i, c in enumerate(s) if i < k),
        (ChangeWords("the first {k} letters of {x}", "the first {k} letters of {x}", "cut to the first {k} letters"),),
        CUTS,
    ),
    Change(
        "tail",
        "last",
        "{v}[-{k}:]",
        lambda s, k: "".join(c for i, c in enumerate(s) if i >= len(s) - k),
        (ChangeWords("the last {k} letters of {x}", "the last {k} letters of {x}", "cut to the last {k} letters"),),
        CUTS,
    ),
    Change(
        "rest",
        "rest",
        "{v}[1:]",
        lambda s, k: "".join(c for i, c in enumerate(s) if i),
        (
            ChangeWords(
                "{x} without its first letter", "{x} without their first letter", "stripped of its first letter"
            ),
        ),
    ),
    Change(
        "chop",
        "chop",
        "{v}[:-1]",
        lambda s, k: "".join(c for i, c in enumerate(s, 1) if i < len(s)),
        (ChangeWords("{x} without its last letter", "{x} without their last letter", "stripped of its last letter"),),
    ),
    DOUBLED,
    SUFFIXED,
    PREFIXED,
    Change(
        "replace",
        "swap",
        '{v}.replace("{k[0]}", "{k[1]}")',
        lambda s, k: k[1].join(s.split(k[0])),
        (
            ChangeWords(
                '{x} with "{k[0]}" replaced by "{k[1]}"',
                '{x} with "{k[0]}" replaced by "{k[1]}"',
                'changed from "{k[0]}" to "{k[1]}"',
            ),
        ),
        SWAPS,
    ),
)
ANY_STRING_CHANGES = (SAME, *STRING_CHANGES)
