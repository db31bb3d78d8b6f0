from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.model.tokenizers import END, PAD, Tokenizer
from hornbook.train.sft import pack_conversations


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def test_targets_are_the_assistants_words_even_when_packed(tokenizer: Tokenizer) -> None:
    """Masks stay with their tokens through packing; what does not fit whole is left out, not cut."""
    talks = [talk(f"q{i} " * (i + 1), f"answer {i}\n" * (i % 3 + 1)) for i in range(12)] + [talk("long " * 90, "x")]
    pad, end = tokenizer.control(PAD), tokenizer.control(END)
    ids, mask, left_out = pack_conversations(talks, tokenizer, 60, pad)
    fitting = [messages for messages in talks if len(tokenizer.chat(messages, answer=False)) <= 60]
    assert left_out == len(talks) - len(fitting) >= 1
    assert ids.shape == mask.shape
    assert not mask[ids == pad].any()
    assert (mask & (ids == end)).sum() == len(fitting)
    spoken = []
    for row, marks in zip(ids.tolist(), mask.tolist(), strict=True):
        words: list[int] = []
        for token, mark in zip(row, marks, strict=True):
            if mark and token != end:
                words.append(token)
            elif mark:
                spoken.append(tokenizer.decode(words))
                words = []
        assert not words
    assert sorted(spoken) == sorted(messages[1]["content"] for messages in fitting)


def test_none_fits(tokenizer: Tokenizer) -> None:
    ids, mask, left_out = pack_conversations([talk("a", "b" * 50)], tokenizer, 10, 5)
    assert ids.shape == mask.shape == (0, 10)
    assert left_out == 1
