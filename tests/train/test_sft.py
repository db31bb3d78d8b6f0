from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import END, PAD, USER, Tokenizer
from hornbook.progress import ConsoleProgress, Progress
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
    encoded, (ids, mask, documents) = pack_conversations(talks, tokenizer, 60)
    fitting = [messages for messages in talks if len(tokenizer.chat(messages, answer=False)) <= 60]
    assert encoded.too_long == len(talks) - len(fitting) >= 1
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
    encoded, rows = pack_conversations([talk("a", "b" * 50)], tokenizer, 10)
    assert rows.ids.shape == rows.mask.shape == rows.document_ids.shape == (0, 10)
    assert encoded == ([], 1, {})


def test_what_cannot_be_learnt_is_counted_with_its_reason(base: Path, tmp_path: Path) -> None:
    """A role that the tokenizer has no token for, and an answer that nobody gives: the rest is learnt."""
    tool = [{"role": "tool", "content": "22 degrees"}, {"role": "assistant", "content": "Warm."}]
    conversations = [talk("a", "b" * 30)] * 3 + [tool, tool, talk("a", "b")[:1]]
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    figures = sft(base, conversations, SftSettings(batch=2, compile=False), seed=1, into=tmp_path, progress=told)
    assert figures["conversations"] == 3
    assert sorted(figures["refused"].values()) == [1, 2]
    assert "left out 2 conversations: " in told.console.file.getvalue()
    assert "has no token for the role 'tool'; use one of system, user, assistant" in told.console.file.getvalue()
    with pytest.raises(UserError, match=r"none of the conversations can be learnt from; of 2 of them: .*'tool'"):
        sft(base, [tool, tool], SftSettings(), seed=1, into=tmp_path / "b", progress=Progress())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"max_length": 10}, "all 3 conversations are longer than 10 tokens; raise sft.max_length"),
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
