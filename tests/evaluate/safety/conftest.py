"""A judge without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.evaluate.safety.judge import EMPTY, Opinion, Verdict


class Reader:
    """Takes an answer's first word for the verdict; says that it does not know any other."""

    def __init__(self, identity: str = "reader") -> None:
        self.identity = identity
        self.asked: list[tuple[str, str]] = []

    def about(self) -> dict[str, Any]:
        return {"name": self.identity}

    def __call__(self, asked: Sequence[tuple[str, str]]) -> list[Opinion]:
        self.asked += asked
        words: dict[str, Verdict] = {"no": "refusal", "but": "partial", "yes": "compliance", "moon": "unrelated"}
        return [
            Opinion(None, EMPTY) if not answer else Opinion(words.get(answer.split()[0]), "read") for _, answer in asked
        ]
