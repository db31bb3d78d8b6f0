"""Batches and streams: the same tokens as reading everything again for each, and ends where they must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hornbook.inference import generate as module
from hornbook.inference.generate import generate, stream
from hornbook.inference.sample import Sampling

PROMPTS = [[9, 8, 7], [1], list(range(20, 50)), [5, 5], [100, 200, 300, 301, 302]]


def by_full_recompute(model: Any, prompt: list[int], limit: int, stops: set[int]) -> list[int]:
    """Greedy decoding without a cache."""
    ids = list(prompt)
    with torch.inference_mode():
        while len(ids) - len(prompt) < limit and len(ids) < model.config.context:
            token = int(model(torch.tensor([ids]))[0, -1].argmax())
            if token in stops:
                break
            ids.append(token)
    return ids[len(prompt) :]


@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 2}, {"sliding_window": 6}], ids=str)
def test_equals_a_full_recompute_for_every_batch_size(shape: dict[str, Any], make_model: Callable[..., Any]) -> None:
    model = make_model(seed=2, **shape)
    free = [by_full_recompute(model, prompt, 25, set()) for prompt in PROMPTS]
    stops = {free[0][5], free[2][3]}  # some rows end early, in different steps
    wanted = [by_full_recompute(model, prompt, 25, stops) for prompt in PROMPTS]
    assert len({len(answer) for answer in wanted}) > 1
    for batch in (1, 2, 3, 64):
        assert generate(model, PROMPTS, limit=25, stops=stops, batch=batch) == wanted
    assert [list(stream(model, prompt, limit=25, stops=stops)) for prompt in PROMPTS] == wanted


def test_each_row_ends_at_its_own_context(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=3, context=32)
    prompts = [list(range(1, length + 1)) for length in (31, 5, 20)]
    answers = generate(model, prompts, limit=1000, stops=set())
    assert [len(answer) for answer in answers] == [1, 27, 12]
    assert answers == [by_full_recompute(model, prompt, 1000, set()) for prompt in prompts]
    assert len(list(stream(model, prompts[0], limit=1000, stops=()))) == 1


def test_a_huge_limit_takes_no_memory(make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = module.KVCache

    def watched(config: Any, batch: int, capacity: int, *rest: Any) -> Any:
        seen.append(capacity)
        return original(config, batch, capacity, *rest)

    monkeypatch.setattr(module, "KVCache", watched)
    generate(make_model(context=16), [[1, 2], [3]], limit=10**9, stops=set())
    assert seen == [17]


def test_edges(make_model: Callable[..., Any]) -> None:
    model = make_model()
    assert generate(model, [], limit=5, stops=set()) == []
    assert generate(model, [[1]], limit=0, stops=set()) == [[]]
    first = by_full_recompute(model, [4], 1, set())[0]
    assert generate(model, [[4]], limit=5, stops={first}) == [[]]
    assert list(stream(model, [4], limit=5, stops={first})) == []
    with pytest.raises(ValueError, match="at least one token"):
        generate(model, [[1], []], limit=5, stops=set())


def test_advance_counts_every_prompt(make_model: Callable[..., Any]) -> None:
    heard: list[int] = []
    generate(make_model(), PROMPTS, limit=2, stops=set(), batch=2, advance=heard.append)
    assert heard == [2, 2, 1]


def test_seeds_reproduce_and_differ(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=4)
    made = [
        list(stream(model, [7], limit=20, stops=(), sampling=Sampling(temperature=1.5, seed=seed)))
        for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]


def test_a_stream_comes_token_by_token(make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    calls = []
    hidden = model.hidden
    monkeypatch.setattr(model, "hidden", lambda *arguments: (calls.append(1), hidden(*arguments))[1])
    answers = stream(model, [1, 2], limit=10, stops=())
    next(answers)
    next(answers)
    assert len(calls) == 2
