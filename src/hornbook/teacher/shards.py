"""The write stage's parquet files: `documents/` and `removed/`."""

from __future__ import annotations

import json
from pathlib import Path

from hornbook.documents import ShardWriter, document_schema, removed_schema
from hornbook.teacher.interface import Exercise


def extra_columns(exercise: Exercise, text: str) -> dict[str, str]:
    """What documents have beside the columns of every corpus: what the exercise is made of and what was sampled.

    `text` is the exercise as it is written, by docstring or in words; its prompt is all before the body.
    """
    return {
        "family": exercise.family,
        "composition": exercise.composition,
        "prompt": text.removesuffix(exercise.body),
        "seeds": json.dumps(dict(exercise.seeds), sort_keys=True, ensure_ascii=False),
    }


class Documents(ShardWriter):
    """The exercises that were kept."""

    more: tuple[str, ...] = ("family", "composition", "prompt", "seeds")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, document_schema(*self.more))


class Removed(ShardWriter):
    """The exercises that were dropped, and why."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, removed_schema())
