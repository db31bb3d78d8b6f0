from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import END, PAD, USER, Tokenizer
from hornbook.progress import Progress
from hornbook.train.sft import SftSettings, pack_conversations, sft, start_control_tokens


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def test_targets_are_the_assistants_words_even_when_packed(tokenizer: Tokenizer) -> None:
    """Masks stay with their tokens through packing; what does not fit whole is left out, not cut."""
    talks = [talk(f"q{i} " * (i + 1), f"answer {i}\n" * (i % 3 + 1)) for i in range(12)] + [talk("long " * 90, "x")]
    pad, end = tokenizer.control(PAD), tokenizer.control(END)
    (ids, mask, documents), left_out = pack_conversations(talks, tokenizer, 60, pad)
    fitting = [messages for messages in talks if len(tokenizer.chat(messages, answer=False)) <= 60]
    assert left_out == len(talks) - len(fitting) >= 1
    assert ids.shape == mask.shape
    assert not mask[ids == pad].any()
    assert ((documents == 0) == (ids == pad)).all()
    assert sum(row.max() for row in documents) == len(fitting)
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
    rows, left_out = pack_conversations([talk("a", "b" * 50)], tokenizer, 10, 5)
    assert rows.ids.shape == rows.mask.shape == rows.document_ids.shape == (0, 10)
    assert left_out == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_length": 10}, "each of the 3 conversations is longer than 10 tokens; raise sft.max_length"),
        (
            {},
            r"3 conversations fill 3 rows of 64 tokens; 1 epochs of them do not fill one batch of 32; lower sft.batch",
        ),
    ],
)
def test_rows_that_do_not_do(settings: dict[str, int], told: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        sft(base, [talk("a", "b" * 30)] * 3, SftSettings(**settings), seed=1, into=tmp_path, progress=Progress())


def test_only_control_tokens_that_were_never_shown_are_given_a_start(base: Path) -> None:
    """What is fine-tuned a second time, or was downloaded, keeps what it knows of its control tokens."""
    tokenizer, model = Tokenizer(base), checkpoint.load(base, dtype=torch.float32)
    before = model.embed.weight.clone()
    start_control_tokens(model, tokenizer)
    assert torch.equal(model.embed.weight, before)
    write_json(base / "training" / "untrained_tokens.json", [END, USER, PAD])
    start_control_tokens(model, tokenizer)
    changed = (model.embed.weight != before).any(1).nonzero()[:, 0].tolist()
    assert changed == sorted([tokenizer.control(END), tokenizer.control(USER)])
    assert torch.equal(model.embed.weight[tokenizer.control(END)], before[tokenizer.end_of_text])
