from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.evaluate.long.grid import Point, grid, questions, summary
from hornbook.evaluate.long.settings import LongSettings
from hornbook.evaluate.long.tasks import TASKS, Materials


def test_every_task_has_equally_many_prompts(tmp_path: Path) -> None:
    plan = grid(LongSettings(samples=3, depths=(0, 50, 50), questions=tmp_path), [512, 1024])
    for name in TASKS:
        for length in (512, 1024):
            assert sum(point.samples for point in plan if (point.task, point.length) == (name, length)) == 6
    assert [point.length for point in plan] == sorted(point.length for point in plan)
    assert len({point.name for point in plan}) == len(plan)


def test_reading_needs_questions() -> None:
    assert "reading" not in {point.task for point in grid(LongSettings(), [512])}


def test_prompts_are_the_same_every_time_and_all_different(materials: Materials) -> None:
    for name in TASKS:
        point = Point(name, 1500, 50.0 if TASKS[name].by_depth else None, 4)
        first, again = (list(questions(point, materials, 7)) for _ in range(2))
        assert first == again
        assert len({question.text for question in first}) == 4
        assert [one.text for one in questions(point, materials, 8)] != [one.text for one in first]


def result(task: str, length: int, depth: float | None, score: float, n: int = 4) -> dict[str, Any]:
    return {"task": task, "length": length, "depth": depth, "score": score, "n": n}


RESULTS = [
    result("passkey", 512, 0, 1.0),
    result("passkey", 512, 100, 0.5),
    result("needle-text", 512, 0, 0.0),
    result("variables", 512, None, 0.25, 8),
    result("passkey", 1024, 0, 0.0),
]


def test_tasks_and_averages() -> None:
    found = summary(RESULTS)
    assert found["tasks"]["passkey"]["512"]["score"] == 0.75
    assert found["tasks"]["passkey"]["512"]["n"] == 8
    low, high = found["tasks"]["passkey"]["512"]["interval"]
    assert low < 0.75 < high
    assert found["average"]["512"] == {"score": 0.3333, "tasks": 3}
    assert found["average"]["1024"] == {"score": 0.0, "tasks": 1}
    assert summary([]) == {"tasks": {}, "average": {}}
