"""The model after each step of its training: its scores, its answers, and what the step changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hornbook.evaluate.benchmark import sign_test
from hornbook.report.run import Run

# Sections of the page that show one answer take the docstring completed, phi-1's protocol.
COMPLETION = "completion"


@dataclass(frozen=True)
class Checkpoint:
    """One model of a run. `answers` holds what it wrote: `completion`, `chat` and `refusals`, as far as asked."""

    name: str
    title: str
    stage: str
    scores: dict[str, Any]
    answers: dict[str, Any]

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Its answers to the problems, completing a docstring."""
        return list(self.answers.get(COMPLETION, []))

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """Its answers to harmful and harmless requests."""
        return list(self.answers.get("refusals", {}).get("answers", []))


@dataclass(frozen=True)
class Change:
    """Problems that only the later (gained) or only the earlier (lost) of two checkpoints solves."""

    gained: int
    lost: int

    @property
    def p(self) -> float:
        """Whether as much changes by chance: see `sign_test`."""
        return sign_test(self.gained, self.lost)

    @property
    def is_chance(self) -> bool:
        """Whether tossing a coin for every changed problem would differ as much in 5% of the cases or more."""
        return self.p >= 0.05


def checkpoints(run: Run) -> list[Checkpoint]:
    """Every evaluated checkpoint, in order."""
    titles = run.titles
    found = {
        name: Checkpoint(name, titles.get(name, name), stage, scores, run.json(stage, f"{name}.json", {}))
        for stage in ("evaluate", "quantize")
        for name, scores in run.figures(stage).get("models", {}).items()
    }
    return [found[name] for name in run.in_order(found)]


def change(before: Checkpoint, after: Checkpoint) -> Change | None:
    """How many problems a step gained and lost; None where the answers are not there to compare."""
    earlier = {one["id"]: one["passed"] for one in before.attempts}
    later = {one["id"]: one["passed"] for one in after.attempts}
    shared = earlier.keys() & later.keys()
    if not shared:
        return None
    gained = sum(later[id_] and not earlier[id_] for id_ in shared)
    lost = sum(earlier[id_] and not later[id_] for id_ in shared)
    return Change(gained, lost)


def last_trained(models: Sequence[Checkpoint]) -> Checkpoint | None:
    """The last checkpoint in full precision, which the headline speaks of; else the last there is."""
    trained = [model for model in models if model.stage == "evaluate"] or list(models)
    return trained[-1] if trained else None


def why_wrong(wrong: str) -> str:
    """The kind of failure that a line from the sandbox tells of; empty for a right answer."""
    if not wrong:
        return ""
    status = wrong.partition(":")[0]
    if status == "error":
        if "the program defines no function" in wrong:
            return "gave the function another name"
        broken = ("SyntaxError", "IndentationError", "TabError")
        return "not valid Python" if wrong.removeprefix("error: ").startswith(broken) else "did not load"
    if status in ("timeout", "memory", "output", "died"):
        return {"timeout": "took too long", "memory": "took too much memory"}.get(status, "broke off")
    return "raised an error" if ") raised " in wrong else "returned a wrong value"
