"""Held-out problems and how a checkpoint answered one of them, for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from hornbook.files import read_jsonl
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import clip

LINES = 9
CHARACTERS = 420


@dataclass(frozen=True)
class Shown:
    """What a checkpoint wrote below a problem's docstring, and whether that solved it."""

    title: str
    text: str
    passed: bool
    wrong: str


def problems(run: Run) -> dict[str, dict[str, Any]]:
    """The held-out problems by id, in their order."""
    path = run.file("write", "problems.jsonl")
    return {row["id"]: row for row in read_jsonl(path)} if path else {}


def answered(model: Checkpoint, problem: dict[str, Any]) -> Shown:
    """A checkpoint's answer to a problem, cut to what a page shows. KeyError where it was not asked."""
    attempt = {one["id"]: one for one in model.attempts}[problem["id"]]
    written = dedent(attempt["program"].removeprefix(problem["prompt"])).strip("\n")
    wrong = attempt["wrong"] if len(attempt["wrong"]) <= CHARACTERS else f"{attempt['wrong'][:CHARACTERS]} …"
    return Shown(model.title, clip(written, LINES, CHARACTERS) or "(nothing)", attempt["passed"], wrong)
