from __future__ import annotations

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.evaluate.long.common_words import common_words
from hornbook.evaluate.long.prompt import Prompter
from hornbook.evaluate.long.tasks import Materials


@settings(max_examples=25)
@given(length=st.integers(600, 12_000), seed=st.integers(0, 2**40))
def test_ten_words_come_most_often(materials: Materials, length: int, seed: int) -> None:
    question = common_words(materials.prompter, length, seed)
    begin = question.text.rindex("Here is a numbered list")
    entries = re.findall(r"(\d+)\. ([\w-]+)", question.text[begin:])
    assert [int(number) for number, _ in entries] == list(range(1, len(entries) + 1))
    counts = Counter(word for _, word in entries)
    often, seldom = (30, 3) if length >= 8192 else (10, 1) if length >= 2048 else (3, 1)
    assert {word for word, count in counts.items() if count == often} == set(question.expected)
    assert set(counts.values()) <= {often, seldom}
    assert len(question.expected) == 10
    example = question.text[:begin]
    assert bool(example) == (length >= 2048)
    assert not any(word in example for word in counts)
    slack = length - len(question.prompt) - question.room
    longest = 10  # tokens of an entry such as " 1234. delightful-lantern"
    assert 0 <= slack < longest * seldom


def test_the_example_is_right(materials: Materials) -> None:
    for length in (3000, 9000):
        example = common_words(materials.prompter, length, 1).text.split("\n\nHere is a numbered list")[0]
        listed, answer = example.split("The ten words that come most often are:")
        counts = Counter(re.findall(r"\d+\. ([\w-]+)", listed))
        named = re.findall(r"\d+\. ([\w-]+)", answer)
        assert {word for word, _ in counts.most_common(10)} == set(named)
        assert len(named) == 10


def test_a_greedy_tokenizer_gets_a_shorter_list() -> None:
    class Letters:
        template = None

        def encode(self, text: str) -> list[int]:
            return [ord(letter) for letter in text]

        def chat_with_mask(self, messages: object, *, answer: bool = False) -> tuple[list[int], list[bool]]:
            raise AssertionError

    question = common_words(Prompter(Letters()), 2048, 1)
    entries = re.findall(r"\d+\. ([\w-]+)", question.text)
    assert sorted(Counter(entries).values())[-10:] == [3] * 10
    assert len(question.prompt) + question.room <= 2048
