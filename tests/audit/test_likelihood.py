from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.likelihood import compare, log_likelihoods, min_k, perturbed, surprises
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress


def test_likelihoods_are_those_of_each_text_alone(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    model, folder = make_checkpoint(1)
    tokenizer = Tokenizer(folder)
    texts = ["def price(self, name):", "", "total = 0\nfor value in values:\n    total += value\n" * 9, "x"]
    found = log_likelihoods(model, tokenizer, texts, Progress(), batch=3)
    for text, likely in zip(texts, found, strict=True):
        ids = tokenizer.encode(text)[: model.config.context]
        assert len(likely) == max(0, len(ids) - 1)
        if len(ids) > 1:
            with torch.inference_mode():
                logits = model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
            assert likely == pytest.approx(
                [logits[place, token].item() for place, token in enumerate(ids[1:])], abs=1e-4
            )


def test_standard_likelihoods_are_the_papers_in_float64(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    """(log p(x) - mu) / sigma of Zhang et al., both moments under the predicted distribution, written out in numpy."""
    model, folder = make_checkpoint(1)
    model.lm_head.weight.data *= 0.1  # none is nearly certain, so that float64 and fp32 agree
    tokenizer = Tokenizer(folder)
    texts = ["def price(self, name):", "total = 0\nfor value in values:\n    total += value\n", "x"]
    for text, found in zip(texts, surprises(model, tokenizer, texts, Progress(), batch=2), strict=True):
        ids = tokenizer.encode(text)
        assert len(found.standard) == len(found.likely) == max(0, len(ids) - 1)
        if len(ids) > 1:
            with torch.inference_mode():
                logits = model(torch.tensor([ids[:-1]]))[0].double().numpy()
            shifted = logits - logits.max(-1, keepdims=True)
            log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
            p = np.exp(log_p)
            mu = (p * log_p).sum(-1)
            sigma = np.sqrt((p * log_p**2).sum(-1) - mu**2)
            told = log_p[np.arange(len(ids) - 1), ids[1:]]
            assert found.standard == pytest.approx(((told - mu) / sigma).tolist(), abs=1e-4)
            lowest = np.sort((told - mu) / sigma)[: math.ceil(0.2 * (len(ids) - 1))]
            assert min_k(found.standard) == pytest.approx(lowest.mean(), abs=1e-4)


def test_a_model_that_is_sure_has_no_infinite_surprise(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    model, folder = make_checkpoint(1)
    model.lm_head.weight.data *= 1e4
    (found,) = surprises(model, Tokenizer(folder), ["total = total + value"], Progress())
    assert all(map(math.isfinite, found.standard))


def test_min_k() -> None:
    assert min_k([-1.0, -9.0, -2.0, -3.0, -4.0, -8.0, -1.0, -1.0, -1.0, -1.0]) == pytest.approx(-8.5)
    assert min_k([-2.0]) == -2.0
    assert math.isnan(min_k([]))


def test_perturbed_texts_have_other_details() -> None:
    text = "Ada buys 12 red apples and 7 pears. She pays 120 dollars, and the market closes at 9."
    changed = perturbed(text, seed=1)
    assert changed == perturbed(text, seed=1) != perturbed(text, seed=2)
    assert len(changed.split()) == len(text.split())
    assert not {"12", "120"} & set(changed.replace(".", "").split())
    assert sorted(filter(str.isalpha, changed.split())) == sorted(filter(str.isalpha, text.split()))


@given(st.text(max_size=80))
def test_every_text_can_be_perturbed(text: str) -> None:
    assert len(perturbed(text, seed=0).split()) == len(text.split())


def test_compare_finds_a_difference_and_none() -> None:
    chance = random.Random(0)
    low = [chance.gauss(-5, 1) for _ in range(200)]
    high = [chance.gauss(-3, 1) for _ in range(200)]
    apart, same = compare(high, low, seed=1), compare(low[:100], low[100:], seed=1)
    assert apart["auc"] > 0.85
    assert apart["p"] < 1e-6 < same["p"]
    assert apart["low"] < apart["auc"] < apart["high"]
    assert same["low"] < 0.5 < same["high"]
    assert compare([math.nan], low, seed=1)["auc"] is None
