"""Likelihoods against one plain pass of the model for each text; wrong bodies are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hornbook.evaluate.problems import Problem
from hornbook.model.tokenizers import Tokenizer
from hornbook.study.likelihood import Pair, likelihoods, pairs, tokens_a_character
from hornbook.tokens import shards


def problem(name: str, body: str, calls: tuple[tuple[int, ...], ...], expected: tuple[int, ...]) -> Problem:
    prompt = f'def {name}(a, b):\n    """{name}."""\n'
    return Problem(name, "family", name, prompt, "", body, calls, expected)


def test_wrong_bodies_are_those_that_the_calls_notice() -> None:
    asked = [
        problem("larger", "    return max(a, b)\n", ((1, 2), (3, 1)), (2, 3)),
        problem("unnoticed", "    return max(a, b)\n", ((2, 2),), (2,)),
        problem("plain", "    return a\n", ((2, 2),), (2,)),
    ]
    found = pairs(asked, allow_unisolated=True)
    assert [one.wrong for one in found] == ["    return min(a, b)\n", None, None]
    assert [one.right for one in found] == [one.solution for one in asked]


def test_they_are_the_models_own(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    import torch

    asked = [
        Pair("def f(a, b):\n", "    return max(a, b)\n", "    return min(a, b)\n"),
        Pair("def g(a):\n", "    return a\n", None),
        Pair("def h(a):\n", "    return a" * 500, None),  # longer than the context
    ]
    model, folder = make_checkpoint()
    tokenizer = Tokenizer(folder)

    def nats(prompt: str, body: str) -> tuple[float, int]:
        begin, ids = len(tokenizer.encode_prompt(prompt)), tokenizer.encode_prompt(prompt + body)
        assert ids[:begin] == tokenizer.encode_prompt(prompt)
        with torch.inference_mode():
            likely = model(torch.tensor([ids[:-1]]))[0].float().log_softmax(-1)
        return -sum(float(likely[at - 1, ids[at]]) for at in range(begin, len(ids))), len(ids) - begin

    (first, a), (wrong, _), (second, b) = (
        nats(asked[0].prompt, asked[0].right),
        nats(asked[0].prompt, str(asked[0].wrong)),
        nats(asked[1].prompt, asked[1].right),
    )
    found, of = likelihoods(folder, asked)
    assert of == asked[:2]
    assert found["right"] == pytest.approx((first + second) / (a + b), rel=1e-5)
    assert found["body"] == pytest.approx((first + second) / 2, rel=1e-5)
    assert found["margin"] == pytest.approx(wrong - first, abs=1e-4)


def test_tokens_a_character_of_every_source(tokenizer_folder: Path, tmp_path: Path) -> None:
    tokenizer, rows = Tokenizer(tokenizer_folder), {"hf/part-0": "def f(a):", "notes.md": "return a"}
    for name, text in rows.items():
        ids = tokenizer.encode(text)
        shards.write(tmp_path / "validation", name, np.array([[0, *ids]]), 380)
        shards.write_documents(tmp_path / "validation", name, ["a"])
    found = tokens_a_character(tmp_path / "validation", tokenizer_folder)
    assert found == {name: len(tokenizer.encode(text)) / len(text) for name, text in rows.items()}
