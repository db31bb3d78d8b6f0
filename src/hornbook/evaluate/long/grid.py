"""The grid of a run: each task at each length and depth, its prompts, its results, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from hornbook.evaluate.benchmark import wilson_interval
from hornbook.evaluate.long.prompt import Question, TooShortError, tokens
from hornbook.evaluate.long.settings import LongSettings
from hornbook.evaluate.long.tasks import TASKS, Materials
from hornbook.seeds import derive

Answerer = Callable[[Sequence[Question]], list[str]]
_FULL = 0.8  # a prompt that fills less of its length than this is no prompt of that length


@dataclass(frozen=True)
class Point:
    """One task at one length; `depth` is None for tasks whose depth is not varied."""

    task: str
    length: int
    depth: float | None
    samples: int

    @property
    def name(self) -> str:
        """The file that its result is kept in, without the ending."""
        return f"{self.task}-{self.length}" + ("" if self.depth is None else f"-{self.depth:g}")


def grid(settings: LongSettings, lengths: Sequence[int]) -> list[Point]:
    """Every point, short prompts first; each task has equally many prompts at each length."""
    names = [name for name in TASKS if name in (settings.tasks or TASKS) and not lacks(settings, name)]
    found = []
    for length in lengths:
        for name in names:
            if TASKS[name].by_depth:
                found += [Point(name, length, depth, settings.samples) for depth in sorted(set(settings.depths))]
            else:
                found.append(Point(name, length, None, settings.samples * len(set(settings.depths))))
    return found


def lacks(settings: LongSettings, task: str) -> str:
    """The option that a task needs and that was not given; empty where it can be asked."""
    needs = TASKS[task].needs
    return needs if needs and getattr(settings, needs) is None else ""


def questions(point: Point, materials: Materials, seed: int) -> Iterator[Question]:
    """The point's prompts, made one at a time. Raises TooShortError where its task cannot be asked at its length."""
    for index in range(point.samples):
        own = derive(seed, "long", point.task, point.length, str(point.depth), index)
        question = TASKS[point.task].ask(materials, point.length, point.depth, own)
        if tokens(question) < _FULL * point.length:
            raise TooShortError(f"there is text for {tokens(question)} tokens only")
        yield question


def answered(point: Point, asked: Iterator[Question], answer: Answerer, at_once: int) -> dict[str, Any]:
    """Ask every question, `at_once` together, and sum up the scores."""
    rows: list[dict[str, Any]] = []
    while together := list(islice(asked, at_once)):
        rows += _rows(point, together, answer)
    scores = [row["score"] for row in rows]
    lengths = [row["tokens"] for row in rows]
    return {
        "task": point.task,
        "length": point.length,
        "depth": point.depth,
        "score": round(fmean(scores), 4),
        "n": len(scores),
        "interval": [round(bound, 4) for bound in wilson_interval(sum(scores), len(scores))],
        "tokens": [min(lengths), max(lengths)],
        "answers": rows,
    }


def _rows(point: Point, asked: Sequence[Question], answer: Answerer) -> list[dict[str, Any]]:
    score = TASKS[point.task].score
    return [
        {
            "expected": list(question.expected),
            "answer": text,
            "score": round(score(question.expected, text), 4),
            "tokens": tokens(question),
            "depth": None if question.depth is None else round(question.depth, 2),
        }
        for question, text in zip(asked, answer(asked), strict=True)
    ]


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`tasks`: by task and length; `average`: by length, over the tasks that could be asked at it.

    Lengths are texts, as JSON has no other keys. A task's score at a length is that of all its prompts, so it weighs
    depths equally; the average weighs tasks equally, as RULER's does.
    """
    tasks: dict[str, dict[str, Any]] = {}
    for result in results:
        tasks.setdefault(result["task"], {}).setdefault(str(result["length"]), []).append(result)
    scores = {task: {length: _together(found) for length, found in row.items()} for task, row in tasks.items()}
    lengths = sorted({result["length"] for result in results})
    return {"tasks": scores, "average": {str(length): _average(scores, str(length)) for length in lengths}}


def _together(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    count = sum(result["n"] for result in results)
    total = sum(result["score"] * result["n"] for result in results)
    return {
        "score": round(total / count, 4),
        "n": count,
        "interval": [round(bound, 4) for bound in wilson_interval(total, count)],
    }


def _average(scores: dict[str, dict[str, Any]], length: str) -> dict[str, Any]:
    found = [row[length]["score"] for row in scores.values() if length in row]
    return {"score": round(sum(found) / len(found), 4), "tasks": len(found)}
