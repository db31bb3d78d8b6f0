from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.likelihood import compare, log_likelihoods, min_k, perturbed
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
    assert apart["low"] < apart["auc"] < apart["high"]
    assert same["low"] < 0.5 < same["high"]
    assert compare([math.nan], low, seed=1)["auc"] is None
