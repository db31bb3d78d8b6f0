from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.machine import choose
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import END, PAD, USER, Tokenizer
from hornbook.progress import ConsoleProgress, Progress
from hornbook.train.data import Given, reading_order
from hornbook.train.dpo import encode_pairs
from hornbook.train.rows import encode_rows, laid_out
from hornbook.train.sft import SftSettings, sft, start_control_tokens
from hornbook.train.shapes import Completion, Reply


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def given(rows: list[list[dict[str, str]]]) -> list[Given]:
    return [Given("rows", rows=rows)]


def test_targets_are_the_assistants_words_even_when_packed(tokenizer: Tokenizer) -> None:
    """Masks stay with their tokens through packing; what does not fit whole is left out, not cut."""
    talks = [talk(f"q{i} " * (i + 1), f"answer {i}\n" * (i % 3 + 1)) for i in range(12)] + [talk("long " * 90, "x")]
    pad, end = tokenizer.control(PAD), tokenizer.control(END)
    encoded = encode_rows(talks, tokenizer, 60)
    ids, mask, documents = laid_out(encoded.fitting, 60, pad)
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


def test_of_a_reply_its_answer_alone_is_learnt(tokenizer: Tokenizer) -> None:
    turns = [*talk("first?", "one."), *talk("second?", "two.")]
    [reply, whole, all_of_it] = (
        encode_rows([row], tokenizer, 99, whole=as_text).fitting[0]
        for row, as_text in ((Reply(turns[:-1], "two."), False), (turns, False), (Reply(turns[:-1], "two."), True))
    )
    assert "one." in tokenizer.decode([at for at, learnt in zip(*whole, strict=True) if learnt])
    learnt = [at for at, mask in zip(*reply, strict=True) if mask]
    assert tokenizer.decode(learnt[:-1]) == "two." and learnt[-1] == tokenizer.control(END)
    assert reply.ids == whole.ids[: len(reply.ids)] and all(all_of_it.mask) and len(all_of_it.ids) >= len(reply.ids)


def test_none_fits(tokenizer: Tokenizer) -> None:
    encoded = encode_rows([talk("a", "b" * 50)], tokenizer, 10)
    rows = laid_out(encoded.fitting, 10, tokenizer.pad)
    assert rows.ids.shape == rows.mask.shape == rows.document_ids.shape == (0, 10)
    assert encoded == ([], 1, {}, 0)


def test_a_model_without_a_template_is_given_what_it_can_learn(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "template", None)
    asked, answer = {"role": "user", "content": "tea"}, {"role": "assistant", "content": "hot"}
    for whole in (False, True):
        rows = [[asked, answer], Reply([asked], "hot"), Completion("tea", " is hot"), "tea is hot"]
        found = encode_rows(rows, tokenizer, 64, whole=whole)
        assert len(found.fitting) == 2
        assert found.refused == {"the model has no chat template; give texts, or prompts with completions": 2}
    pair = {"messages": [asked], "chosen": "hot", "rejected": "cold"}
    refused = encode_pairs([pair], tokenizer, 64).refused
    assert refused == {"the model has no chat template; give prompts that are plain texts": 1}


def test_what_cannot_be_learnt_is_counted_with_its_reason(base: Path, tmp_path: Path) -> None:
    """A role that the tokenizer has no token for, an answer that nobody gives or that is too long: the rest is learnt."""
    tool = [{"role": "tool", "content": "22 degrees"}, {"role": "assistant", "content": "Warm."}]
    conversations = [talk("a", "b" * 30)] * 3 + [tool, tool, talk("a", "b")[:1], talk("a", "b" * 900)]
    conversations.append([*talk("a", "b"), *talk("a", "b" * 900)])
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    figures = sft(base, given(conversations), SftSettings(batch=2, compile=False), seed=1, into=tmp_path, progress=told)
    assert figures["conversations"] == 4
    assert f"  computing on {figures['computing']}" in told.console.file.getvalue().splitlines()
    assert figures["computing"] == choose("auto", False).why
    assert sorted(figures["refused"].values()) == [1, 2]
    lines = [line.strip() for line in told.console.file.getvalue().splitlines()]
    assert "left out 1 conversation: longer than 64 tokens" in lines
    assert "cut behind the last answer that fits: 1 conversation" in lines
    assert "left out 2 conversations: " in told.console.file.getvalue()
    assert "has no token for the role 'tool'; use one of system, user, assistant" in told.console.file.getvalue()
    with pytest.raises(UserError, match=r"none of the conversations can be learnt from; of 2 of them: .*'tool'"):
        sft(base, given([tool, tool]), SftSettings(), seed=1, into=tmp_path / "b", progress=Progress())


def test_rows_that_do_not_do(base: Path, tmp_path: Path) -> None:
    settings = SftSettings(max_length=10)
    with pytest.raises(UserError, match=r"sft: the only conversation is longer than 10 tokens; raise sft.max_length"):
        sft(base, given([talk("a", "b" * 30)]), settings, seed=1, into=tmp_path, progress=Progress())
    with pytest.raises(UserError, match=r"all 3 conversations are longer than 10 tokens; raise sft.max_length"):
        sft(
            base,
            given([talk("a", "b" * 30)] * 3),
            SftSettings(max_length=10),
            seed=1,
            into=tmp_path,
            progress=Progress(),
        )


def test_few_rows_are_a_step_an_epoch(base: Path, tmp_path: Path) -> None:
    """A batch that the rows do not fill is as large as they are: each epoch moves the weights."""
    settings = SftSettings(compile=False, epochs=2, packing=False)
    figures = sft(base, given([talk("a", "b" * 30)] * 3), settings, seed=1, into=tmp_path, progress=Progress())
    assert (figures["batch"], figures["steps"], figures["rows"]) == (3, 2, 3)


def test_what_no_step_reads_is_told(base: Path, tmp_path: Path) -> None:
    """Nor is padding counted: what is learnt is a share of what is read, however many share a row."""
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    settings = {"compile": False, "batch": 2, "validation": 0}
    rows = given([talk("a", "b" * n) for n in (1, 30, 12, 5, 20)])
    alone = SftSettings(packing=False, **settings)
    figures = sft(base, rows, alone, seed=1, into=tmp_path / "alone", progress=told)
    assert figures["steps"] == 2
    assert "never read, since the last ones fill no step of 2: 1 of 5 rows" in told.console.file.getvalue()
    assert "only 2 steps in all; more epochs or a smaller batch make more of them" in told.console.file.getvalue()
    encoded = encode_rows(rows[0].rows, Tokenizer(base), 100).fitting
    share = sum(sum(one.mask) for one in encoded) / sum(len(one.ids) for one in encoded)
    packed = sft(base, rows, SftSettings(**settings), seed=1, into=tmp_path / "packed", progress=Progress())
    assert packed["rows"] < figures["rows"]
    assert figures["answer_share"] == packed["answer_share"] == round(share, 4)


def test_a_model_that_computes_no_numbers(base: Path, tmp_path: Path) -> None:
    """The first step moves nothing before its loss is known: no rate is to blame."""
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][:] = 3e38
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        UserError, match=r"the loss of step 1 is (nan|inf): nothing was learnt before it, so that is the model"
    ):
        sft(base, given([talk("a", "b")]), SftSettings(compile=False), seed=1, into=tmp_path, progress=Progress())


def test_a_mixture_has_its_shares(base: Path, tmp_path: Path) -> None:
    few, many = Given("few", 0.5, [talk("a", "b" * 30)] * 2), Given("many", 0.5, [talk("c", "d" * 20)] * 18)
    settings = SftSettings(batch=4, compile=False, packing=False)
    sft(base, [few, many], settings, seed=1, into=tmp_path, progress=Progress())
    order = reading_order([2, 18], [few, many], 1.0, 7)
    assert len(order) == 20
    assert (order < 2).sum() == 10
    assert sorted(reading_order([2, 3], [Given("a"), Given("b")], 2.0, 7)) == sorted([*range(5)] * 2)


def test_a_long_conversation_is_cut_behind_an_answer_that_fits(tokenizer: Tokenizer) -> None:
    turns = [message for number in range(8) for message in talk(f"question {number}?", f"answer {number}.")]
    for row in range(20, 140, 7):
        found = encode_rows([turns], tokenizer, row)
        if found.too_long:
            assert len(tokenizer.chat(turns[:2], answer=False)) > row
            continue
        [example] = found.fitting
        assert len(example.ids) <= row
        kept = next(count for count in range(2, 18, 2) if tokenizer.chat(turns[:count], answer=False) == example.ids)
        assert kept == 16 or len(tokenizer.chat(turns[: kept + 2], answer=False)) > row
        assert found.cut == (kept < 16)
        assert any(example.mask[1:])


def test_a_text_is_learnt_whole_in_pieces_that_fit(tokenizer: Tokenizer) -> None:
    text = "one two three four five six seven " * 9
    pieces = encode_rows([text, ""], tokenizer, 24).fitting
    whole = [*tokenizer.begins, *tokenizer.encode(text), tokenizer.end_of_text]
    assert [token for piece in pieces for token in piece.ids] == whole[: len(whole) - (len(whole) % 24 == 1)]
    assert all(all(piece.mask) and 1 < len(piece.ids) <= 24 for piece in pieces)


def test_without_packing_each_conversation_has_a_row(tokenizer: Tokenizer) -> None:
    examples = encode_rows([talk("a", "b"), talk("c", "d e f")], tokenizer, 40).fitting
    rows = laid_out(examples, 40, tokenizer.pad, packing=False)
    assert rows.ids.shape == (2, 40)
    assert rows.document_ids.max() == 1
    assert [row[: len(example.ids)].tolist() for row, example in zip(rows.ids, examples, strict=True)] == [
        example.ids for example in examples
    ]


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
