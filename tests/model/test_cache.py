"""Decoding with the cache equals reading everything again, however the tokens arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hornbook.model.cache import Cache, visibility

SHAPES = [{}, {"heads": 8, "kv_heads": 2}, {"sliding_window": 7}, {"sliding_window": 1}]
CPU = torch.device("cpu")


def ids_of(batch: int, time: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(400, (batch, time), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("chunks", [[1] * 20, [20], [7, 1, 1, 11], [1, 18, 1]], ids=str)
def test_chunks_equal_one_reading(shape: dict[str, Any], chunks: list[int], make_model: Callable[..., Any]) -> None:
    model = make_model(seed=2, initial_std=0.08, **shape)
    ids = ids_of(3, 20)
    cache = Cache(model.config, 3, 20, CPU, torch.float32)
    with torch.inference_mode():
        parts = [model(part, cache) for part in ids.split(chunks, dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), model(ids), atol=1e-5, rtol=1e-5)
    assert cache.filled == 20
    assert cache.positions.tolist() == [20] * 3


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_left_padded_rows_equal_themselves_alone(shape: dict[str, Any], make_model: Callable[..., Any]) -> None:
    """Unequal lengths in one batch, rows dropped on the way: each row's logits are those it has alone."""
    model = make_model(seed=3, initial_std=0.08, **shape)
    lengths, steps, leave = [12, 1, 7, 10], 8, {2: [0, 2, 3], 5: [0, 3]}
    ids = ids_of(4, 12 + steps, seed=4)
    rows = [torch.cat((ids[row, :length], ids[row, 12:])) for row, length in enumerate(lengths)]
    real = torch.tensor([[False] * (12 - length) + [True] * length for length in lengths])
    prompts = torch.zeros(4, 12, dtype=torch.long)
    for row, length in enumerate(lengths):
        prompts[row, 12 - length :] = rows[row][:length]
    cache = Cache(model.config, 4, 12 + steps, CPU, torch.float32)
    alive = [0, 1, 2, 3]
    with torch.inference_mode():
        wanted = [model(row[None])[0] for row in rows]
        first = model(prompts, cache, real)
        for row, length in enumerate(lengths):
            torch.testing.assert_close(first[row, 12 - length :], wanted[row][:length], atol=1e-5, rtol=1e-5)
        for step in range(steps):
            if step in leave:
                cache.keep(torch.tensor([alive.index(row) for row in leave[step]]))
                alive = leave[step]
            logits = model(torch.stack([rows[row][lengths[row] + step] for row in alive])[:, None], cache)
            for index, row in enumerate(alive):
                torch.testing.assert_close(logits[index, 0], wanted[row][lengths[row] + step], atol=1e-5, rtol=1e-5)
    assert cache.positions.tolist() == [20, 18]


def test_what_padding_holds_does_not_matter(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=5)
    ids, real = ids_of(1, 9), torch.tensor([[False] * 4 + [True] * 5])
    other = ids.clone()
    other[0, :4] = 399 - other[0, :4]
    with torch.inference_mode():
        one, two = (model(x, Cache(model.config, 1, 9, CPU, torch.float32), real) for x in (ids, other))
    assert torch.equal(one[:, 4:], two[:, 4:])
    assert one.isfinite().all()


def test_a_full_cache_says_so(make_model: Callable[..., Any]) -> None:
    model = make_model()
    cache = Cache(model.config, 1, 4, CPU, torch.float32)
    model(ids_of(1, 4), cache)
    with pytest.raises(ValueError, match="holds 4 tokens, 5 are needed"):
        model(ids_of(1, 1), cache)


def test_visibility_by_hand() -> None:
    real = torch.tensor([[False, True, True, True]])
    assert visibility(real, 2)[0, 0].int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 1]]
    assert visibility(real, 4)[0, 0].int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
