from __future__ import annotations

import xml.etree.ElementTree as ET
from io import StringIO
from typing import Any

from rich.console import Console

from hornbook.evaluate.long.display import averaged, by_depth, in_tokens, long_table, svg
from hornbook.evaluate.long.grid import summary
from hornbook.evaluate.long.tasks import TASKS

LENGTHS = [2**power for power in range(9, 18)]


def shown(results: list[dict[str, Any]], skipped: list[dict[str, Any]]) -> str:
    figures = {"grid": results, "skipped": skipped, "asked": "in chat", **summary(results)}
    out = StringIO()
    Console(file=out, width=80).print(long_table(figures))
    return out.getvalue()


def test_it_fits_80_columns() -> None:
    results = [
        {"task": name, "length": length, "depth": depth, "score": 1.0, "n": 4}
        for length in LENGTHS
        for name, task in TASKS.items()
        for depth in ((0.0, 100.0) if task.by_depth else (None,))
    ]
    text = shown(results, [])
    rows = [line for line in text.splitlines() if line.startswith(("passkey", "average", "needle-uuid"))]
    assert [row.count("100%") for row in rows] == [9, 9, 9]
    assert "…" not in text
    assert "needles by depth" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_was_left_out_is_said() -> None:
    results = [{"task": "passkey", "length": 512, "depth": 0.0, "score": 0.5, "n": 2}]
    text = shown(results, [{"task": "common-words", "length": 512, "why": "the task needs 700 tokens at least"}])
    assert "passkey by depth" in text
    assert "Not asked: common-words at 512 tokens: the task needs 700 tokens at least" in text
    assert "Not asked: reading: why" in shown([], [{"task": "reading", "length": None, "why": "why"}])


HEATMAP = [
    {"task": task, "length": length, "depth": depth, "score": score}
    for task, score in (("passkey", 0.75), ("needle-text", 0.0))
    for length in (512, 131_072)
    for depth in (0, 50.0)
]


def test_every_score_is_in_the_picture() -> None:
    drawn = svg({"grid": HEATMAP})
    ET.fromstring(drawn)
    for text in ("passkey", "needle-text", "128K", "50%"):
        assert text in drawn
    assert drawn.count(">75%<") == 4
    assert svg({"grid": HEATMAP}) == drawn


def test_nothing_to_draw() -> None:
    assert svg({"grid": [{"task": "variables", "length": 512, "depth": None, "score": 1.0}]}) == ""


def result(task: str, length: int, depth: float | None, score: float, n: int = 4) -> dict[str, Any]:
    return {"task": task, "length": length, "depth": depth, "score": score, "n": n}


RESULTS = [
    result("passkey", 512, 0, 1.0),
    result("passkey", 512, 100, 0.5),
    result("needle-text", 512, 0, 0.0),
    result("variables", 512, None, 0.25, 8),
    result("passkey", 1024, 0, 0.0),
]


def test_scores_by_depth_and_length() -> None:
    found = by_depth(RESULTS)
    assert found == {"passkey": {(0, 512): 1.0, (100, 512): 0.5, (0, 1024): 0.0}, "needle-text": {(0, 512): 0.0}}
    assert averaged(found) == {(0, 512): 0.5, (100, 512): 0.5, (0, 1024): 0.0}


def test_lengths_in_words() -> None:
    assert [in_tokens(length) for length in (512, 1000, 1024, 131_072)] == ["512", "1000", "1K", "128K"]
