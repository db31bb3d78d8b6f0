from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.long.haystack import Haystack
from hornbook.evaluate.long.passkey import CODE, PasskeyForm, passkey, passkey_prompt
from hornbook.evaluate.long.prompt import Prompter, TooShortError
from hornbook.evaluate.long.synthetic import prose
from hornbook.model.tokenizers import Tokenizer


@given(length=st.integers(100, 3000), depth=st.floats(0, 100), seed=st.integers(0, 2**40))
def test_the_key_is_there_once_at_its_depth(pieces: Any, length: int, depth: float, seed: int) -> None:
    question = passkey(pieces, length, depth, seed)
    (key,) = question.expected
    assert question.text.count(key) == 1
    assert question.text.count(f"The pass key is {key}. Remember it.") == 1
    assert length - 6 <= len(question.prompt) + question.room <= length
    assert pieces.decode(question.prompt) == question.text
    assert question.depth is not None
    hay = question.text.split("\n\n")[1]
    words = max(len(hay.split()) - 8, 1)
    assert abs(question.depth - depth) <= 100 * 7 / words + 1  # the longest of the five sentences has seven words
    assert question.text.endswith("What is the pass key?\nThe pass key is")


def test_seed_length_and_depth_make_the_prompt(pieces: Any) -> None:
    assert passkey(pieces, 300, 50, 7) == passkey(pieces, 300, 50.0, 7)
    answers = {
        passkey(pieces, length, depth, seed).expected for length in (300, 301) for depth in (0, 50) for seed in (1, 2)
    }
    assert len(answers) == 8


def test_code_with_a_name(pieces: Any) -> None:
    haystack = Haystack("\n\n".join(f"def f{index}(x):\n    return x + {index}" for index in range(900)), "code")
    for seed in range(20):
        ids, key = passkey_prompt(pieces, 400, 30, seed, form=CODE, haystack=haystack)
        text = pieces.decode(ids)
        assert text.count(key) == 1
        name = next(name for name in CODE.names if name in text)
        assert text.count(f"{name} = {key}\n") == 1
        assert text.endswith(f"\nassert {name} ==")


def test_keys_that_the_text_holds_are_not_used(pieces: Any) -> None:
    haystack = Haystack(" ".join(str(number) for number in range(10, 100) if number != 42), "all but one")
    form = PasskeyForm(digits=2)
    for seed in range(10):
        question = passkey(pieces, 500, 50, seed, form=form, haystack=haystack)
        assert question.expected == ("42",)


def test_a_length_without_room_for_the_question(pieces: Any) -> None:
    with pytest.raises(TooShortError, match="tokens at least"):
        passkey(pieces, 40, 50, 1)


def test_chat(pieces: Any) -> None:
    question = passkey(Prompter(pieces, chat=True), 300, 50, 1)
    said = pieces.decode(question.prompt)
    assert said.startswith("<user>A pass key is hidden")
    assert said.endswith("What is the pass key?$<assistant>The pass key is")
    assert len(question.prompt) + question.room <= 300


def test_128k_tokens_of_phi_3_mini_take_seconds(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    found = real_data("tokenizers/phi-3-mini.tokenizer.json.gz")
    (tmp_path / "tokenizer.json").write_bytes(gzip.decompress(found.read_bytes()))
    tokenizer = Tokenizer(tmp_path)
    haystack = prose(1, 1_000_000)
    began = time.monotonic()
    question = passkey(tokenizer, 131_072, 50, 1, haystack=haystack)
    assert time.monotonic() - began < 60  # about two seconds on an idle core
    assert 131_072 - 16 <= len(question.prompt) + question.room <= 131_072
    assert question.depth is not None
    assert abs(question.depth - 50) < 0.1
