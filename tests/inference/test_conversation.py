"""A conversation keeps what fits its context, and survives messages that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as FastTokenizer

from hornbook.errors import UserError
from hornbook.inference import conversation as module
from hornbook.inference.conversation import Conversation
from hornbook.inference.sampling import Sampling
from hornbook.model.tokenizers import Tokenizer


class Asked:
    """Stands for the model: remembers prompts, answers 'ok'."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.prompts: list[str] = []
        self._tokenizer = tokenizer
        self._raw = FastTokenizer.from_file(str(tokenizer.folder / "tokenizer.json"))

    def __call__(self, model: Any, prompt: list[int], **settings: Any) -> Any:
        self.prompts.append(self._raw.decode(prompt, skip_special_tokens=False))
        return iter(self._tokenizer.encode("ok"))


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


@pytest.fixture
def asked(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> Asked:
    stand_in = Asked(tokenizer)
    monkeypatch.setattr(module, "stream", stand_in)
    return stand_in


@pytest.fixture
def talk(make_model: Callable[..., Any], tokenizer: Tokenizer) -> Callable[..., Conversation]:
    def make(**options: Any) -> Conversation:
        return Conversation(make_model(), tokenizer, Sampling(), **({"limit": 10} | options))

    return make


def test_earlier_turns_are_remembered(talk: Callable[..., Conversation], asked: Asked) -> None:
    one = talk(system="Be brief.")
    assert "".join(one.answer("Hi")) == "ok"
    list(one.answer("And?"))
    assert asked.prompts[1] == (
        "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nok<|end|>\n"
        "<|user|>\nAnd?<|end|>\n<|assistant|>\n"
    )
    assert one.forgotten == 0
    one.reset()
    list(one.answer("Again"))
    assert asked.prompts[2] == "<|system|>\nBe brief.<|end|>\n<|user|>\nAgain<|end|>\n<|assistant|>\n"


def test_the_oldest_turns_are_forgotten_first(
    talk: Callable[..., Conversation], asked: Asked, tokenizer: Tokenizer
) -> None:
    one = talk()
    for number in range(9):
        list(one.answer(f"q{number}"))
        assert len(asked._raw.encode(asked.prompts[-1]).ids) <= 64 - 10
        assert asked.prompts[-1].endswith(f"q{number}<|end|>\n<|assistant|>\n")
    assert one.forgotten > 0
    assert one.forgotten % 2 == 0
    assert "q0" not in asked.prompts[-1]
    assert f"<|user|>\nq{one.forgotten // 2}<|end|>" in asked.prompts[-1]


def test_a_message_that_is_too_long_does_not_end_it(talk: Callable[..., Conversation], asked: Asked) -> None:
    one = talk()
    list(one.answer("Hi"))
    with pytest.raises(UserError, match="context of 64 tokens"):
        list(one.answer("xyz " * 200))
    list(one.answer("Still there?"))
    assert "xyz" not in asked.prompts[-1]
    assert "Hi" in asked.prompts[-1]


def test_what_was_said_before_a_stop_counts(talk: Callable[..., Conversation], asked: Asked) -> None:
    one = talk()
    answer = one.answer("Hi")
    said = next(answer)
    answer.close()
    list(one.answer("Go on"))
    assert f"<|assistant|>\n{said}<|end|>" in asked.prompts[-1]


def test_a_real_model_answers_within_its_limit(talk: Callable[..., Conversation], tokenizer: Tokenizer) -> None:
    one = talk(limit=5)
    assert len(tokenizer.encode("".join(one.answer("Hi")))) <= 5 * 4
    assert "64 tokens" in one.about
