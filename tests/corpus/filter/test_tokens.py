from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.filter.tokens import MARK, NUMBER, WORD, Vocabulary, split


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The end, he said.", "The end , he said ."),
        ('("Why?")', '( " Why ? " )'),
        ("Mary's dog doesn't bark", "Mary 's dog doesn't bark"),
        ("well-known on/off", "well - known on / off"),
        ("10:30 3.5 1,000 covid-19", "10:30 3.5 1,000 covid-19"),
        ("End.Next so...on", "End . Next so ... on"),
        ("e.g. in the U.S. Mr. J. Smith", "e.g. in the U.S. Mr. J. Smith"),
        ("see https://example.org/a-b/c.", "see https://example.org/a-b/c ."),
        ("__init__ f(x) foo_bar", "_ _ init _ _ f(x ) foo_bar"),
        ("a -- b @staticmethod", "a -- b @staticmethod"),
        ("", ""),
    ],
)
def test_words_and_marks(text: str, tokens: str) -> None:
    assert [token for piece in text.split() for token in split(piece)] == tokens.split()
    assert list(split(text)) == tokens.split()


@given(st.text(max_size=80))
def test_a_vocabulary_reads_what_is_split_and_loses_no_character(text: str) -> None:
    vocabulary = Vocabulary()
    vocabulary.read("Other words, before.")
    numbers = vocabulary.read(text)
    tokens = [token for piece in text.split() for token in split(piece)]
    assert "".join(tokens) == "".join(text.split())
    assert [vocabulary.number(token) for token in tokens] == numbers.tolist()
    assert vocabulary.sizes(numbers).tolist() == [len(token) for token in tokens]
    assert vocabulary.read(text).tolist() == numbers.tolist()


def test_kinds() -> None:
    vocabulary = Vocabulary()
    numbers = vocabulary.read("Room 12b, floor 3.5 ... é")
    assert vocabulary.kinds(numbers).tolist() == [WORD, WORD, MARK, WORD, NUMBER, MARK, WORD]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("हिन्दी,", ["हिन्दी", ","]),
        ("বাংলা।", ["বাংলা", "।"]),
        ("日本語を勉強します。ABC", ["日本語", "を", "勉強", "し", "ます", "。", "ABC"]),
        ("ภาษาไทยเป็นภาษา", ["ภาษา", "ไทย", "เป็น", "ภาษา"]),
        ("naïve–Straße’s", ["naïve", "–", "Straße", "’s"]),
    ],
)
def test_words_of_other_scripts(text: str, tokens: list[str]) -> None:
    assert list(split(text)) == tokens
