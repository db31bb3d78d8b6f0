"""The same few problems, answered by every checkpoint side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from hornbook.files import read_jsonl
from hornbook.report.checkpoints import Checkpoint, last_trained
from hornbook.report.run import Run
from hornbook.report.wording import clip

LINES = 9
CHARACTERS = 420

Passed = dict[str, bool]


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


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Up to three problems: one that training taught, one on which the checkpoints differ, one that stays unsolved."""
    asked = [model for model in models if model.attempts]
    known = problems(run)
    final = last_trained(asked)
    if not asked or not known or final is None:
        return None
    outcomes = _outcomes(asked, known)
    kinds: list[tuple[str, Callable[[Passed], bool]]] = [
        ("Learned in training", lambda passed: not passed[asked[0].name] and passed[final.name]),
        ("Solved at one step, missed at another", lambda passed: len(set(list(passed.values())[1:])) > 1),
        (f"Not solved after {final.title}", lambda passed: not passed[final.name]),
    ]
    chosen: dict[str, str] = {}
    for title, wanted in kinds:
        found = next((id_ for id_, passed in outcomes.items() if wanted(passed) and id_ not in chosen), None)
        if found is not None:
            chosen[found] = title
    for id_ in list(outcomes)[: max(0, 2 - len(chosen))]:
        chosen.setdefault(id_, "One of the problems")
    return {"problems": [_shown(known[id_], title, asked) for id_, title in chosen.items()]}


def _outcomes(asked: Sequence[Checkpoint], known: dict[str, Any]) -> dict[str, Passed]:
    """For each problem that every checkpoint was asked: which of them solved it. Short solutions come first."""
    by_model = {model.name: {one["id"]: one["passed"] for one in model.attempts} for model in asked}
    shared = [id_ for id_ in known if all(id_ in passed for passed in by_model.values())]
    shared.sort(key=lambda id_: known[id_]["solution"].count("\n") > 5)
    return {id_: {name: passed[id_] for name, passed in by_model.items()} for id_ in shared}


def _shown(problem: dict[str, Any], title: str, asked: Sequence[Checkpoint]) -> dict[str, Any]:
    return {
        "title": title,
        "family": problem["family"],
        "prompt": problem["prompt"].rstrip("\n"),
        "solution": problem["solution"].rstrip("\n"),
        "cards": [answered(model, problem) for model in asked],
    }
