"""A model that knows a document can go on from any part of it, whatever its tokenizer joins at the place of the cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, decoders, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import BPE

from hornbook.inference.generate import generate
from hornbook.inference.healing import heal
from hornbook.model.tokenizers import Tokenizer

PROMPT = 'def add(a, b):\n    """Return the sum of a and b."""\n'
BODY = "    total = a + b\n    return total\n"
CL100K = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _byte_level(pattern: str | None) -> FastTokenizer:
    """GPT-2's splits, or those of a pattern, over bytes."""
    fast = FastTokenizer(BPE())
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
        if pattern
        else [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    fast.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    fast.train_from_iterator([PROMPT + BODY] * 50, trainer)
    return fast


def _sentencepiece() -> FastTokenizer:
    """Made like Llama-2's: a space in front, and bytes for what no piece holds, newlines among them."""
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trained = FastTokenizer(BPE())
    trained.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=120, show_progress=False)
    trained.train_from_iterator((PROMPT + BODY).splitlines() * 50, trainer)
    learned = json.loads(trained.to_str())["model"]
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *learned["vocab"]]
    merges = [tuple(pair) for pair in learned["merges"]]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    fast = FastTokenizer(BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    fast.normalizer = normalizer
    fast.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return fast


KINDS: dict[str, Callable[[], FastTokenizer]] = {
    "gpt-2": lambda: _byte_level(None),
    "cl100k": lambda: _byte_level(CL100K),
    "smollm": lambda: _byte_level(r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    "sentencepiece": _sentencepiece,
}


@pytest.fixture(params=[*KINDS, "hornbook"])
def tokenizer(request: pytest.FixtureRequest, tmp_path: Path, tokenizer_folder: Path) -> Tokenizer:
    if request.param == "hornbook":
        return Tokenizer(tokenizer_folder)
    fast = KINDS[request.param]()
    fast.add_special_tokens(["<|endoftext|>"])
    fast.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    return Tokenizer(tmp_path)


def test_the_whole_documents_tokens_can_follow(tokenizer: Tokenizer) -> None:
    whole = tokenizer.encode(PROMPT + BODY)
    healed = heal(tokenizer, PROMPT)
    at = len(healed.ids)
    assert whole[:at] == healed.ids
    assert whole[at] in healed.first
    assert healed.text + healed.completed(tokenizer, whole[at:]) == PROMPT + BODY


def test_some_tokenizers_join_across_the_cut(tokenizer: Tokenizer, request: pytest.FixtureRequest) -> None:
    """Without healing the prompt's ids are not the document's first ones: the fault that it mends."""
    asked, whole = tokenizer.encode(PROMPT), tokenizer.encode(PROMPT + BODY)
    joins = whole[: len(asked)] != asked
    kind = request.node.callspec.params["tokenizer"]
    assert joins == (kind in ("gpt-2", "smollm")) or kind == "hornbook"


def test_only_what_is_allowed_comes_first(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=2)
    prompts, allowed = [[9, 8, 7], [1, 2], [5]], [[3, 4], [], [7]]
    free = generate(model, prompts, limit=3, stops=())
    held = generate(model, prompts, limit=3, stops=(), first=allowed)
    assert held[1] == free[1]
    with torch.no_grad():
        logits = model(torch.tensor([prompts[0]]))[0, -1]
    assert held[0][0] == max(allowed[0], key=lambda token: logits[token].item())
    assert held[2][0] == 7
    assert held[0][1:] == generate(model, [[*prompts[0], held[0][0]]], limit=2, stops=())[0]


def test_texts_that_cannot_be_healed(tokenizer: Tokenizer) -> None:
    """Nothing at all, and a single token."""
    nothing, single = heal(tokenizer, ""), tokenizer.encode(PROMPT)[:1]
    assert (nothing.ids, nothing.text, nothing.first) == ([tokenizer.end_of_text], "", ())
    assert heal(tokenizer, tokenizer.decode(single)).ids == single
