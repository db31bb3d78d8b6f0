"""Each measure against a plain count, and each rule just on the two sides of its limit."""

from __future__ import annotations

import pytest

from hornbook.corpus.filter.heuristics import Heuristics
from hornbook.corpus.filter.measures import Measured, sentences
from hornbook.corpus.filter.settings import HeuristicSettings
from hornbook.corpus.filter.tokens import Vocabulary


def measure(name: str, text: str) -> float:
    return Measured(text, Vocabulary())[name]


def kept(rule: str, text: str) -> bool:
    return Heuristics(HeuristicSettings(rules=(rule,))).judge([text])[0].broken is None


def words(count: int, word: str = "abcde") -> str:
    return " ".join([word] * count)


def lines(of: dict[str, int]) -> str:
    """Numbered, so that none is another's repetition."""
    return "\n".join(line.format(number) for line, count in of.items() for number in range(100, 100 + count))


EDGES = {
    # at the limit a document stays, past it it goes
    "gopher.few_words": (words(50), words(49) + " -- ( ) !"),
    "gopher.many_words": (words(100_000) + " , .", words(100_001)),
    "gopher.short_words": (words(9, "abc") + " !!", words(9, "abc") + " ab"),
    "gopher.long_words": (words(9, "a" * 10), words(9, "a" * 10) + " " + "a" * 11),
    "gopher.hashes": (words(9) + " #", words(8) + " #"),
    "gopher.ellipses": (words(9) + " ...", words(8) + " …"),
    "gopher.bullets": ("- x\n" * 8 + "• x\n\n", "- x\n" * 9 + "• x\n"),
    "gopher.ellipsis_lines": ("so... \n" * 3 + "x\n" * 7, "so…\n" * 4 + "x\n" * 6),
    "gopher.few_letters": (words(8) + " 12, 13 !", words(7) + " 12 13"),
    "gopher.few_stop_words": ("of the", "of of The Be"),
    "c4.curly_brackets": ("}", "{"),
    "c4.few_sentences": ("One here. Two. Three! Four?\nAnd five", "One here. Mr. Two. Three! Four of J. Doe"),
    "fineweb.unended_lines": (lines({"End {}.": 13, "no {}": 87}), lines({'End {}"': 12, "no {}": 88})),
    "fineweb.short_lines": (
        lines({"short {}": 66, "this line has more than thirty {}": 34}),
        lines({"a line of thirty characters{}": 67, "this line has more than thirty {}": 33}),
    ),
    "fineweb.duplicate_lines": ("a" * 982 + "\n\n" + "b" * 9 + "\n" + "b" * 9, "a" * 980 + "\n" + "b" * 10 + "\n" + "b" * 10),
    "fineweb.newlines": ("\n".join(["a b ."] * 7) + " a\n" * 3 + "a b c d e f", "a b c.\n d\n e\n"),
    "gopher.duplicate_lines": (lines({"{}": 7}) + "\n100" * 3, lines({"{}": 7}) + "\n100" * 4),
    "gopher.duplicate_paragraphs": (
        "\n\n".join(["a", *"abcdefg", "b", "c"]),
        "\n \n\n".join(["a", *"abcdefg", "b", "c", "d"]),
    ),
    "gopher.duplicate_line_characters": ("a" * 58 + ("\n" + "b" * 20) * 2, "a" * 57 + ("\n" + "b" * 21) * 2),
    "gopher.duplicate_paragraph_characters": ("a" * 56 + ("\n\n" + "b" * 20) * 2, "a" * 54 + ("\n\n" + "b" * 21) * 2),
    "gopher.top_2_grams": ("ab cd " * 2 + "x" * 38, "ab cd " * 2 + "x" * 37),
    "gopher.top_3_grams": ("ab cd e " * 9 + "x" * 278, "ab cd e " * 9 + "x" * 277),
}  # fmt: skip


@pytest.mark.parametrize("rule", EDGES)
def test_limits(rule: str) -> None:
    inside, outside = EDGES[rule]
    assert kept(rule, inside)
    assert not kept(rule, outside)


@pytest.mark.parametrize(("length", "share"), [(5, 15), (6, 14), (7, 13), (8, 12), (9, 11), (10, 10)])
def test_limits_of_duplicate_n_grams(length: int, share: int) -> None:
    run = " ".join("abcdefghij"[:length])  # `length` characters without their spaces
    size = length * 100 // share  # the text that they are at most this share of
    text = f"{run} {run} "
    assert kept(f"gopher.duplicate_{length}_grams", text + "x" * (size + 1 - len(text)))
    assert not kept(f"gopher.duplicate_{length}_grams", text + "x" * (size - 1 - len(text)))


def test_words_are_what_has_a_letter_or_a_digit() -> None:
    text = 'It\'s "fine", he said (twice) -- and left...'
    assert measure("words", text) == 8  # It 's fine he said twice and left
    assert measure("mean word", text) == len("It'sfinehesaidtwiceandleft") / 8
    assert measure("words with letters", "a 1 . b2") == pytest.approx(2 / 3)


def test_shares_of_characters_are_of_all_characters() -> None:
    text = "\n  one line\n\n  one line\n"
    assert measure("duplicate line characters", text) == 10 / len(text)
    assert measure("duplicate characters in lines", text) == 10 / 20
    assert measure("duplicate lines", text) == 0.5
    assert measure("duplicate lines", "  one line\none line") == 0  # what is indented otherwise is another line


def test_blank_lines_are_lines_for_bullets_only() -> None:
    assert measure("bullet lines", "- a\n\n- b\n\n") == 0.5
    assert measure("ended lines", "a.\n\n \nb. ") == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("\n \n", 0), ("No mark", 1), ("One. Two! Three?", 3), ('"One." "Two."', 2), ("a\nb\n\nc.", 3),
     ("Version 3.5 of e.g. this", 1), ("Dr. J. Doe and Mrs. Doe", 1)],
)  # fmt: skip
def test_sentences(text: str, count: int) -> None:
    assert sentences(text) == count


@pytest.mark.parametrize("text", ["", "a\nb", "\n\n\n", "a-b\n\n\n c,d", "a, b", "A. B c\n \nD! Be"])
def test_bounds_are_on_the_breaking_side(text: str) -> None:
    for measured in (Measured(text, Vocabulary()), Measured(text * 3, Vocabulary())):
        newlines, count = measured.bound("newlines per token"), measured.bound("sentences")
        assert newlines is not None
        assert newlines >= measured["newlines per token"]
        assert count is not None
        assert count <= measured["sentences"]
