"""A base checkpoint, token shards, conversations and preferences, all tiny."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SENTENCES = ["Add 1 to x.", "Return the sum of a and b.", "Count the words.", "Say hello.", "Sort the list."]


@pytest.fixture
def base(make_checkpoint: Any) -> Path:
    """A checkpoint to go on from."""
    folder: Path = make_checkpoint(seed=1, initial_std=0.05)[1]
    return folder


@pytest.fixture(scope="session")
def tokens_folder(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tokens stage leaves: a tokenizer, and shards of three ingredients."""
    from hornbook.tokens import shards

    folder = tmp_path_factory.mktemp("tokens")
    (folder / "tokenizer").symlink_to(tokenizer_folder)
    source = np.random.default_rng(3)
    for name, rows in (("phase1-0", 30), ("phase2-0", 9), ("phase2-1", 25)):
        table = source.integers(6, 380, (rows, 65))
        table[::4, 50:] = 5  # padding
        shards.write(folder / "shards", name, table, 380)
    return folder


@pytest.fixture(scope="session")
def conversations() -> list[list[dict[str, str]]]:
    source = random.Random(2)
    return [
        [
            {"role": "user", "content": source.choice(SENTENCES)},
            {"role": "assistant", "content": f"    return {source.randrange(99)}"},
        ]
        for _ in range(60)
    ]


@pytest.fixture(scope="session")
def preferences() -> list[dict[str, Any]]:
    source = random.Random(4)
    rows: list[dict[str, Any]] = []
    for number in range(40):
        answers = {"chosen": f"    return {source.randrange(99)}\n", "rejected": f"    return x * {number}\n"}
        asked = source.choice(SENTENCES)
        if number % 2:
            rows.append({"prompt": f"# {asked}\n", "messages": None} | answers)
        else:
            rows.append({"prompt": None, "messages": [{"role": "user", "content": asked}]} | answers)
    return rows
