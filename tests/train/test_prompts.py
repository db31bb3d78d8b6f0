"""Which prompts a training keeps of its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.files import read_json
from hornbook.model.tokenizers import Tokenizer
from hornbook.train.data import Given
from hornbook.train.prompts import MOST, PROMPTS, keep_prompts, prompt_of
from hornbook.train.shapes import Completion

ASKED = [{"role": "user", "content": "the sum?"}]
TALK = [*ASKED, {"role": "assistant", "content": "2"}, *ASKED, {"role": "assistant", "content": "3"}]


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        (TALK, {"messages": ASKED, "answer": "2"}),
        (ASKED, None),
        ([{"role": "assistant", "content": "Hello."}, *TALK], None),
        (Completion("def f():", " pass"), {"text": "def f():", "answer": " pass"}),
        ("The tea is cold, the shop is open.", {"text": "The tea is cold,", "answer": " the shop is open."}),
        ("tea", {"text": "t", "answer": "ea"}),
        ("t", None),
        ({"messages": ASKED, "prompt": None, "chosen": "a", "rejected": "b"}, {"messages": ASKED, "answer": "a"}),
        ({"prompt": "tea is", "chosen": " hot", "rejected": " cold"}, {"text": "tea is", "answer": " hot"}),
    ],
)
def test_a_row_asks_for_something(row: Any, prompt: dict[str, Any] | None) -> None:
    assert prompt_of(row) == prompt


@given(st.text(max_size=500))
def test_an_opening_and_its_rest_are_the_text(text: str) -> None:
    found = prompt_of(text)
    if found is not None:
        assert found["text"] + found["answer"] == text
        assert len(found["text"]) <= len(text) / 2


def test_half_a_surrogate_pair_in_a_prompt_is_kept(tokenizer_folder: Path, tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "hi \ud83d"}, {"role": "assistant", "content": "b"}]
    keep_prompts([Given("one", rows=[talk])], Tokenizer(tokenizer_folder), 64, tmp_path, held_out=False)
    assert read_json(tmp_path / PROMPTS)[0]["messages"][0]["content"] == "hi \ud83d"


def test_short_prompts_of_each_source_are_kept(tokenizer_folder: Path, tmp_path: Path) -> None:
    """What the template refuses, and what would leave no room to answer, is passed over."""
    tool = [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "y"}]
    one = Given("one", rows=[tool, Completion("long " * 99, "x"), *(Completion(f"a{n}", "x") for n in range(9))])
    two = Given("two", rows=[*(Completion(f"b{n // 2}", "x") for n in range(3)), "tea " * 1_000])
    keep_prompts([one, two], Tokenizer(tokenizer_folder), 64, tmp_path, held_out=True)
    kept = read_json(tmp_path / PROMPTS)
    opening = kept.pop(4)
    assert 24 < len(opening["text"]) < 200, "so much of a text as is short"
    assert len(opening["answer"]) == 2_000
    assert [prompt["text"] for prompt in kept] == ["b0", "a0", "b1", "a1", "a2", "a3", "a4"]
    assert len(kept) == MOST - 1
    assert all(prompt["held_out"] for prompt in kept)
