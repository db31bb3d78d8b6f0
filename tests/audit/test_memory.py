from __future__ import annotations

import math
import random
from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.memory import METHODS, beside, matched, memory
from hornbook.evaluate.exam.declaration import find
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress

PAGE = find("mmlu")


def rows(count: int, more: str = "") -> dict[str, dict[str, Any]]:
    texts = ["total", "value", "count", "name"]
    return {
        str(number): {"question": f"What is {number}{more}?", "choices": texts, "gold": "B", "subject": "s"}
        for number in range(count)
    }


def test_rows_are_beside_their_twins_and_beside_unseen_rows(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    model, folder = make_checkpoint(1, context=128)
    tokenizer = Tokenizer(folder)
    known = rows(8)
    twins = {id_: {**row, "choices": row["choices"][::-1], "gold": 2} for id_, row in list(known.items())[:6]}
    known["broken"] = {"question": "Whose?"}
    found = memory(model, tokenizer, PAGE, known, twins, rows(5, more=" here"), Progress(), seed=1)
    assert found is not None
    assert (found["rows"], found["left_out"], found["unmatched"]) == (8, 1, 3)
    for name in METHODS:
        assert found["twin"][name]["texts"] == 6 and found["unseen"][name]["texts"] == 5
        assert 0 <= found["twin"][name]["p"] <= 1
    assert found["twin"]["Min-K%"]["mean"] != found["twin"]["Min-K%++"]["mean"]
    alone = memory(model, tokenizer, PAGE, known, None, rows(2, more=" word" * 90), Progress(), seed=1)
    assert alone is not None and alone["twin"] is alone["unseen"] is None and alone["unmatched"] == 8
    assert memory(model, tokenizer, PAGE, known, None, None, Progress(), seed=1) is None


def test_pairs_are_told_apart_by_the_sign_test() -> None:
    found = beside([-1.0] * 9 + [-3.0, -2.0], [-2.0] * 11)
    assert (found["texts"], found["auc"]) == (11, round(9.5 / 11, 4))
    assert found["p"] == pytest.approx(sum(comb(10, above) for above in (9, 10)) / 2**10, rel=1e-2)
    assert found["low"] < found["auc"] < found["high"]
    assert beside([-1.0], [-1.0])["p"] == 1.0


@given(st.lists(st.integers(1, 60), max_size=20), st.lists(st.integers(1, 60), max_size=20))
def test_matched_rows_are_about_as_long_and_used_once(lengths: list[int], others: list[int]) -> None:
    pairs = matched(lengths, others)
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == len(side)
    assert all(abs(others[other] - lengths[one]) <= lengths[one] / 4 for one, other in pairs)
    left = [other for other in range(len(others)) if other not in {two for _, two in pairs}]
    for one in range(len(lengths)):
        if one not in {first for first, _ in pairs}:
            assert all(abs(others[other] - lengths[one]) > lengths[one] / 4 for other in left), "none is left that fits"


def test_equal_groups_are_not_accused_more_often_than_p_says() -> None:
    chance = random.Random(0)
    accused = 0
    for _ in range(300):
        values = [chance.gauss(0, 1) for _ in range(30)]
        twins = [chance.gauss(0, 1) for _ in range(30)]
        accused += beside(values, twins)["p"] < 0.05
    assert accused <= 300 * 0.05 + 3 * math.sqrt(300 * 0.05 * 0.95)
