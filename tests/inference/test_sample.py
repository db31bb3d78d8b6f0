"""The choice of the next token against a plain numpy reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from hornbook.inference.sample import Sampling, choose

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
