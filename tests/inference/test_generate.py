"""Batches and streams: the same tokens as reading everything again for each, and ends where they must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from hornbook.errors import UserError
from hornbook.inference.generate import complete, generate, stream
from hornbook.inference.sampling import Sampling, choose
from hornbook.model import cache
from hornbook.model.tokenizers import Tokenizer

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


def test_batches_draw_differently(make_model: Callable[..., Any]) -> None:
    """One prompt, many times: what chance chooses in one batch says nothing of the next, and a seed tells all."""
    model = make_model(seed=3)
    sampling = Sampling(temperature=1.0, seed=5)
    asked: dict[str, Any] = {"limit": 12, "stops": (), "sampling": sampling, "batch": 2}
    answers = generate(model, [[1]] * 6, **asked)
    assert len({tuple(answer) for answer in answers}) == 6
    assert generate(model, [[1]] * 6, **asked) == answers
    assert generate(model, [[1]] * 2, **asked) == answers[:2]


def test_each_row_ends_at_its_own_context(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=3, context=32)
    prompts = [list(range(1, length + 1)) for length in (31, 5, 20)]
    answers = generate(model, prompts, limit=1000, stops=set())
    assert [len(answer) for answer in answers] == [1, 27, 12]
    assert answers == [by_full_recompute(model, prompt, 1000, set()) for prompt in prompts]
    assert len(list(stream(model, prompts[0], limit=1000, stops=()))) == 1


def test_a_huge_limit_takes_no_memory(make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = cache.KVCache

    def watched(config: Any, batch: int, capacity: int, *rest: Any) -> Any:
        seen.append(capacity)
        return original(config, batch, capacity, *rest)

    monkeypatch.setattr(cache, "KVCache", watched)
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
    paged = model.paged
    monkeypatch.setattr(model, "paged", lambda *arguments: (calls.append(1), paged(*arguments))[1])
    answers = stream(model, [1, 2], limit=10, stops=())
    next(answers)
    next(answers)
    assert len(calls) == 2


# ---- the choice of the next token, against a plain numpy reference

VOCABULARY, DRAWS = 12, 20_000


def reference(logits: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Probabilities of every id, in float64, one step at a time."""
    scaled = logits.astype(np.float64) / temperature
    order = np.argsort(-scaled)
    kept = order[:top_k] if top_k else order
    weights = np.exp(scaled[kept] - scaled[kept].max())
    weights /= weights.sum()
    allowed, total = [], 0.0
    for token, weight in zip(kept, weights, strict=True):
        if total >= top_p:
            break
        allowed.append(token)
        total += weight
    probabilities = np.zeros(len(logits))
    for token in allowed:
        probabilities[token] = np.exp(scaled[token] - scaled[kept].max())
    return probabilities / probabilities.sum()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, 0, 1.0),
        (0.5, 0, 1.0),
        (2.5, 0, 1.0),
        (1.0, 3, 1.0),
        (1.0, 0, 0.6),
        (0.8, 5, 0.7),
        (1.0, 99, 1.0),
        (1.0, 1, 0.0001),
    ],
)
def test_draws_follow_the_reference(temperature: float, top_k: int, top_p: float) -> None:
    logits = np.random.default_rng(4).normal(size=VOCABULARY).astype(np.float32) * 1.5
    wanted = reference(logits, temperature, top_k, top_p)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    drawn = choose(torch.from_numpy(logits).expand(DRAWS, -1).contiguous(), sampling, torch.Generator().manual_seed(5))
    counts = np.bincount(drawn.numpy(), minlength=VOCABULARY)
    assert not counts[wanted == 0].any(), "a token that is cut off is never drawn"
    possible = wanted > 0
    if possible.sum() > 1:
        assert stats.chisquare(counts[possible], wanted[possible] * DRAWS).pvalue > 1e-4


def test_greedy_takes_the_first_of_the_most_likely() -> None:
    logits = torch.tensor([[0.0, 3.0, 3.0], [5.0, 1.0, 2.0]])
    assert choose(logits, Sampling(top_k=2, top_p=0.1), torch.Generator()).tolist() == [1, 0]


def test_rows_are_cut_off_one_by_one() -> None:
    """Each row's own most likely tokens count, not those of the batch."""
    logits = torch.full((2, 4), -20.0)
    logits[0, 1] = logits[1, 3] = 20.0
    for top in ({"top_k": 1}, {"top_p": 0.5}):
        drawn = choose(logits, Sampling(temperature=9.0, **top), torch.Generator().manual_seed(0))
        assert drawn.tolist() == [1, 3]


def test_the_same_seed_draws_the_same() -> None:
    logits, sampling = torch.randn(50, 30, generator=torch.Generator().manual_seed(1)), Sampling(temperature=1.0)
    drawn = [choose(logits, sampling, torch.Generator().manual_seed(seed)).tolist() for seed in (7, 7, 8)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}, {"heat": 1}])
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_a_text_is_gone_on_with(make_model: Callable[..., Any], tokenizer_folder: Path) -> None:
    model, tokenizer = make_model(seed=3, vocabulary=380), Tokenizer(tokenizer_folder)
    ids = list(stream(model, tokenizer.encode("total = 0"), limit=12, stops=tokenizer.stops))
    assert "".join(complete(model, tokenizer, "total = 0", limit=12)) == "".join(tokenizer.stream(ids))
    assert list(complete(model, tokenizer, "", limit=1))  # an empty text begins a document
    with pytest.raises(UserError, match=r"the prompt is \d+ tokens long, the model's context is 64"):
        list(complete(model, tokenizer, "value " * 100))
