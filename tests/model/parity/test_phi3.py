"""phi-3 to phi-4-mini: the same numbers as transformers' Phi3ForCausalLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

FAMILY: dict[str, Any] = {}
ARCHITECTURE = "Phi3ForCausalLM"

LONG = {
    "original": 16,
    "short": (1.0, 1.05, 1.1, 1.2, 1.4, 1.6, 1.9, 2.2),
    "long": (1.0, 1.3, 1.9, 2.6, 3.0, 3.4, 3.9, 4.0),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "untied": {"tied_embeddings": False},
    "grouped": {"heads": 8, "kv_heads": 2, "tied_embeddings": False},
    "one kv head": {"heads": 4, "kv_heads": 1},
    "window": {"sliding_window": 5},
    "window of one": {"sliding_window": 1},
    "theta": {"rope_theta": 500.0, "norm_epsilon": 1e-3},
    "one layer, odd sizes": {"layers": 1, "width": 72, "heads": 6, "mlp_width": 50, "vocabulary": 401},
    "phi-4-mini's share": {
        "rotary_share": 0.75,
        "kv_heads": 2,
        "longrope": {**LONG, "short": LONG["short"][:6], "long": LONG["long"][:6]},
    },
    "longrope": {"longrope": LONG},
    "longrope with a scale": {"longrope": LONG | {"short_scale": 1.3, "long_scale": 1.3}, "rope_theta": 300.0},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@shapes
def test_logits(shape: dict[str, Any], parity: Any) -> None:
    parity.logits(**shape)


@shapes
def test_gradients(shape: dict[str, Any], parity: Any) -> None:
    parity.gradients(**shape)


@pytest.mark.parametrize("length", [4, 5, 6])
def test_a_small_window_ends_where_it_ends_there(length: int, parity: Any) -> None:
    parity.window(5, length)


@pytest.mark.parametrize("length", [2046, 2047, 2048])
def test_the_published_window_ends_where_it_ends_there(length: int, parity: Any) -> None:
    parity.window(2047, length, context=4096, width=16, heads=1, mlp_width=16)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 2}, {"sliding_window": 6}], ids=str)
def test_padded_batches(side: str, shape: dict[str, Any], parity: Any) -> None:
    parity.padding(side, **shape)


@pytest.mark.parametrize("shape", [{}, {"kv_heads": 2, "sliding_window": 6}], ids=str)
def test_packed_documents(shape: dict[str, Any], parity: Any) -> None:
    parity.packed(**shape)


@pytest.mark.parametrize("length", [1, 15, 16, 17, 40])
def test_longrope_below_and_above_the_original_length(length: int, parity: Any) -> None:
    parity.logits(time=length, longrope=LONG)


@torch.no_grad()
def test_sequences_of_different_regimes_in_one_batch(parity: Any) -> None:
    """Each row has the factors of its own length; transformers, which gives all rows one regime, reads each alone."""
    ours, theirs = parity.pair(2, longrope=LONG)
    lengths = [16, 30, 3, 17]
    attention_mask = torch.arange(30)[None] >= 30 - torch.tensor(lengths)[:, None]
    ids = torch.randint(400, (4, 30), generator=torch.Generator().manual_seed(3))
    made = ours(ids, attention_mask=attention_mask)
    for row in range(4):
        alone = theirs(ids[row, attention_mask[row]][None]).logits[0]
        torch.testing.assert_close(made[row, attention_mask[row]], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 4, "tied_embeddings": False}], ids=str)
def test_greedy_text(shape: dict[str, Any], make_checkpoint: Any) -> None:
    from transformers import AutoModelForCausalLM

    from hornbook.inference.generate import generate
    from hornbook.model.tokenizers import Tokenizer

    model, folder = make_checkpoint(seed=10, **shape)
    tokenizer = Tokenizer(folder)
    prompts = [tokenizer.encode(text) for text in ("def add(a, b):\n", "🙂", "class Shop:\n    price = 1\n")]
    ours = generate(model, prompts, limit=24, stops=tokenizer.stops)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for prompt, answer in zip(prompts, ours, strict=True):
        made = reference.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
        kept = [token for token in made if token not in tokenizer.stops]
        assert kept == answer
        assert tokenizer.decode(kept) == tokenizer.decode(answer)


def their_config(**changes: Any) -> Any:
    from transformers import Phi3Config

    values = {
        "vocab_size": 300,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "max_position_embeddings": 40,
        "sliding_window": 12,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    return Phi3Config(**(values | changes))


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("tied", [True, False])
def test_reads_what_transformers_writes(tied: bool, shards: str | None, parity: Any) -> None:
    parity.reads(their_config(tie_word_embeddings=tied), shards, tied_embeddings=tied, sliding_window=12)


def test_reads_longrope_that_transformers_writes(parity: Any) -> None:
    scaling = {"type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [2.0, 3.0, 4.0]}
    config = their_config(
        rope_scaling=scaling, original_max_position_embeddings=20, partial_rotary_factor=0.75, sliding_window=None
    )
    parity.reads(config, None, rotary_share=0.75)


def test_reads_bf16(parity: Any, tmp_path: Path) -> None:
    """What is stored in bf16 stays so unless asked, and computes what transformers computes in bf16, nearly."""
    from transformers import AutoModelForCausalLM, Phi3ForCausalLM

    from hornbook.model.formats import checkpoint

    torch.manual_seed(1)
    Phi3ForCausalLM(their_config()).bfloat16().save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    kept, wide = checkpoint.load(tmp_path), checkpoint.load(tmp_path, dtype=torch.float32)
    assert {p.dtype for p in kept.parameters()} == {torch.bfloat16} == {kept.compute}
    assert {p.dtype for p in wide.parameters()} == {torch.float32} == {wide.compute}
    ids = torch.arange(30)[None]
    with torch.no_grad():
        exact = theirs(ids).logits
        torch.testing.assert_close(wide(ids), exact, atol=1e-4, rtol=0)
        assert 0 < (kept(ids) - exact).norm() < 0.05 * exact.norm()
