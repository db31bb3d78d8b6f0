"""Decoding with the cache equals reading everything again, however the tokens arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hornbook.model.cache import SLACK, KVCache
from hornbook.model.config import BlockSparse, Experts, LongRope
from hornbook.model.masks import slots_seen

PHI = {
    "norm": "layer",
    "block": "parallel",
    "activation": "gelu",
    "rotary_share": 0.5,
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "lm_head_bias": True,
    "tied_embeddings": False,
}
SMALL = {
    "norm": "layer",
    "activation": "gegelu",
    "qkv_bias": True,
    "heads": 8,
    "kv_heads": 2,
    "layers": 3,
    "attention": ("sparse", "sparse", "full"),
    "blocksparse": BlockSparse(block=2, local_blocks=2, stride=3),
    "embedding_scale": 3.0,
    "attention_scale": 1 / 8,
    "logit_scale": 0.5,
    "dummy_tokens": (3, 399),
}
ROPE = LongRope(original=11, short=(1.0, 1.1, 1.5, 2.0, 2.5, 3, 3, 4), long=(1.0, 2.0, 3.0, 4.0, 5, 6, 7, 8))
SHAPES = {
    "phi-3": {},
    "grouped": {"heads": 8, "kv_heads": 2},
    "window": {"sliding_window": 7},
    "window of one": {"sliding_window": 1},
    "phi-1": PHI,
    "TinyStories": {
        "norm": "layer",
        "activation": "gelu",
        "positions": "learned",
        "attention": ("full", "window"),
        "sliding_window": 5,
        "attention_scale": 1.0,
        "out_bias": True,
        "mlp_bias": True,
    },
    "phi-3-small": SMALL,
    "phi-3.5-moe": {"norm": "layer", "experts": Experts(count=4), "kv_heads": 2, "lm_head_bias": True},
    "LongRoPE": {"longrope": ROPE},
    "LongRoPE, window": {"longrope": ROPE, "sliding_window": 6, "layers": 3},
    "LongRoPE, first tokens kept": {"longrope": ROPE.model_copy(update={"start_tokens": 4})},
    "Llama 3": {"rope_scaling": {"kind": "llama3", "factor": 8.0, "original": 32}, "head_dim": 20, "kv_heads": 2},
    "phi-3-small, LongRoPE": SMALL
    | {"longrope": ROPE.model_copy(update={"short": ROPE.short[:4], "long": ROPE.long[:4]})},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
CPU = torch.device("cpu")


def ids_of(batch: int, time: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(400, (batch, time), generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=0)


@shapes
@pytest.mark.parametrize("chunks", [[1] * 20, [20], [7, 1, 1, 11], [1, 18, 1], [10, 10], [11, 1, 8]], ids=str)
def test_chunks_equal_one_reading(shape: dict[str, Any], chunks: list[int], make_model: Callable[..., Any]) -> None:
    """After each chunk, the last token's logits are those of reading all tokens so far at once."""
    model = make_model(seed=2, initial_std=0.08, **shape)
    ids = ids_of(3, 20)
    kv_cache = KVCache(model.config, 3, 20, CPU, torch.float32)
    with torch.inference_mode():
        for part in ids.split(chunks, dim=1):
            last = model(part, kv_cache)[:, -1]
            close(last, model(ids[:, : kv_cache.filled])[:, -1])
    assert kv_cache.filled == 20
    assert kv_cache.positions.tolist() == [20] * 3


@shapes
@pytest.mark.parametrize("prefill", [12, 5, 1], ids="chunks of {}".format)
def test_left_padded_rows_equal_themselves_alone(
    shape: dict[str, Any], prefill: int, make_model: Callable[..., Any]
) -> None:
    """Unequal lengths in one batch, each in its own regime, rows dropped on the way: the logits each row has alone."""
    model = make_model(seed=3, initial_std=0.08, **shape)
    lengths, steps, leave = [12, 1, 7, 10], 8, {2: [0, 2, 3], 5: [0, 3]}
    ids = ids_of(4, 12 + steps, seed=4)
    rows = [torch.cat((ids[row, :length], ids[row, 12:])) for row, length in enumerate(lengths)]
    attention_mask = torch.tensor([[False] * (12 - length) + [True] * length for length in lengths])
    prompts = torch.zeros(4, 12, dtype=torch.long)
    for row, length in enumerate(lengths):
        prompts[row, 12 - length :] = rows[row][:length]
    kv_cache = KVCache(model.config, 4, 12 + steps, CPU, torch.float32)
    alive = [0, 1, 2, 3]
    with torch.inference_mode():
        for part, mask in zip(prompts.split(prefill, 1), attention_mask.split(prefill, 1), strict=True):
            first = model(part, kv_cache, mask)
            assert first.isfinite().all()
        for row, length in enumerate(lengths):
            close(first[row, -1], model(rows[row][None, :length])[0, -1])
        for step in range(steps):
            if step in leave:
                kv_cache.keep(torch.tensor([alive.index(row) for row in leave[step]]))
                alive = leave[step]
            logits = model(torch.stack([rows[row][lengths[row] + step] for row in alive])[:, None], kv_cache)
            for index, row in enumerate(alive):
                close(logits[index, 0], model(rows[row][None, : lengths[row] + step + 1])[0, -1])
    assert kv_cache.positions.tolist() == [20, 18]


@shapes
def test_rows_that_are_read_at_once_equal_themselves_alone(
    shape: dict[str, Any], make_model: Callable[..., Any]
) -> None:
    model = make_model(seed=6, initial_std=0.08, **shape)
    lengths, ids = [14, 3, 11, 12], ids_of(4, 14, seed=7)
    with torch.inference_mode():
        wanted = [model(ids[row, :length][None])[0] for row, length in enumerate(lengths)]
        for side in ("left", "right"):
            attention_mask, padded = torch.zeros(4, 14, dtype=torch.bool), torch.zeros(4, 14, dtype=torch.long)
            for row, length in enumerate(lengths):
                place = slice(14 - length, 14) if side == "left" else slice(0, length)
                attention_mask[row, place], padded[row, place] = True, ids[row, :length]
            logits = model(padded, attention_mask=attention_mask)
            for row in range(4):
                close(logits[row, attention_mask[row]], wanted[row])


@shapes
def test_packed_documents_equal_themselves_alone(shape: dict[str, Any], make_model: Callable[..., Any]) -> None:
    model = make_model(seed=8, initial_std=0.08, **shape)
    lengths = [[13, 1, 4, 6], [5, 12, 7]]
    ids = ids_of(2, 24, seed=9)
    document_ids = torch.tensor([[n for n, length in enumerate(row) for _ in range(length)] for row in lengths])
    with torch.inference_mode():
        logits = model(ids, document_ids=document_ids)
        for row, pieces in enumerate(lengths):
            alone = [model(part[None])[0] for part in ids[row].split(pieces)]
            close(logits[row], torch.cat(alone))


@pytest.mark.parametrize("original", [4096])
@pytest.mark.parametrize("chunk", [1024, 1000, 4096])
def test_a_sequence_crosses_its_original_context(original: int, chunk: int, make_model: Callable[..., Any]) -> None:
    """Rows of 4094, 4000 and 4099 tokens in one batch; the first two cross 4096 while they are decoded."""
    rope = LongRope(original=original, short=(1.0,) * 8, long=tuple(1.0 + i for i in range(8)))
    model = make_model(seed=11, initial_std=0.08, width=32, heads=2, context=8192, longrope=rope)
    lengths = [4094, 4099, 4095]
    ids = ids_of(3, 4104, seed=12)
    attention_mask, prompts = torch.zeros(3, 4099, dtype=torch.bool), torch.zeros(3, 4099, dtype=torch.long)
    for row, length in enumerate(lengths):
        attention_mask[row, 4099 - length :], prompts[row, 4099 - length :] = True, ids[row, :length]
    kv_cache = KVCache(model.config, 3, 4104, CPU, torch.float32)
    with torch.inference_mode():
        for part, mask in zip(prompts.split(chunk, 1), attention_mask.split(chunk, 1), strict=True):
            last = model(part, kv_cache, mask)[:, -1]
        for step in range(4):
            for row, length in enumerate(lengths):
                close(last[row], model(ids[row, : length + step][None])[0, -1])
            assert kv_cache.long.tolist() == [length + step > original for length in lengths]
            last = model(
                torch.stack([ids[row, length + step] for row, length in enumerate(lengths)])[:, None], kv_cache
            )[:, -1]


def test_a_window_holds_only_its_window(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=2, initial_std=0.08, attention=("full", "window"), sliding_window=50, context=2048)
    kv_cache = KVCache(model.config, 1, 2048, CPU, torch.float32)
    full, window = kv_cache.layers
    assert full.keys.shape[2] == 2048
    assert window.keys.shape[2] <= 49 + SLACK
    ids = ids_of(1, 1200, seed=3)
    with torch.inference_mode():
        for part in ids.split([700, 1, 300] + [1] * 199, dim=1):
            last = model(part, kv_cache)[:, -1]
        close(last, model(ids)[:, -1])


def test_padding_after_the_first_token_is_refused(make_model: Callable[..., Any]) -> None:
    model = make_model()
    kv_cache = KVCache(model.config, 1, 9, CPU, torch.float32)
    with pytest.raises(ValueError, match="before a sequence's first token"):
        model(ids_of(1, 3), kv_cache, torch.tensor([[True, False, True]]))
    model(ids_of(1, 3), kv_cache)
    with pytest.raises(ValueError, match="before a sequence's first token"):
        model(ids_of(1, 2), kv_cache, torch.tensor([[False, True]]))


def test_what_padding_holds_does_not_matter(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=5)
    ids, attention_mask = ids_of(1, 9), torch.tensor([[False] * 4 + [True] * 5])
    other = ids.clone()
    other[0, :4] = 399 - other[0, :4]
    with torch.inference_mode():
        one, two = (model(x, KVCache(model.config, 1, 9, CPU, torch.float32), attention_mask) for x in (ids, other))
    assert torch.equal(one[:, 4:], two[:, 4:])
    assert one.isfinite().all()


def test_a_full_cache_says_so(make_model: Callable[..., Any]) -> None:
    model = make_model()
    kv_cache = KVCache(model.config, 1, 4, CPU, torch.float32)
    model(ids_of(1, 4), kv_cache)
    with pytest.raises(ValueError, match="holds 4 tokens, 5 are needed"):
        model(ids_of(1, 1), kv_cache)


def test_what_slots_see_by_hand() -> None:
    start = torch.tensor([1])
    assert slots_seen(start, 0, 2, 4)[0, 0].int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 1]]
    assert slots_seen(start, 0, 4, 4)[0, 0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    assert slots_seen(start, 1, 2, 4, window=2)[0, 0].int().tolist() == [[1, 1, 0], [0, 1, 1]]
