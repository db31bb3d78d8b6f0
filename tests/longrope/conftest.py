"""A tiny model that is saved, and texts long enough for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def base(make_model: Callable[..., Any], tokenizer_folder: Path, tmp_path: Path) -> Path:
    """A model of 32 tokens of context with random weights."""
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    folder = tmp_path / "base"
    checkpoint.save(make_model(3, context=32, initial_std=0.3), folder, Tokenizer(tokenizer_folder))
    return folder


@pytest.fixture
def some_text() -> Callable[[int, int], str]:
    """Lines of words in a random order: `some_text(seed, lines)`."""

    def write(seed: int, lines: int) -> str:
        source = random.Random(seed)
        words = ["def", "return", "value", "total", "for", "in", "x", "if", "else", "None", "import", "print", "self"]
        return "".join(f"{' '.join(source.choices(words, k=source.randrange(2, 9)))}\n" for _ in range(lines))

    return write


@pytest.fixture
def texts(tmp_path: Path, some_text: Callable[[int, int], str]) -> Path:
    """A folder of Python files, long and short."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(12):
        (folder / f"long_{number:02d}.py").write_text(some_text(number, 60))
    (folder / "short.py").write_text("x = 1\n")
    return folder
