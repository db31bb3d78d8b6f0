"""The write stage: the teacher's exercises, checked and kept apart from the problems, and what later stages need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.files import digest_value, write_jsonl
from hornbook.progress import Progress
from hornbook.seeds import derive
from hornbook.teacher import shards
from hornbook.teacher.check import check, rejected_is_wrong
from hornbook.teacher.diversity import diversity
from hornbook.teacher.guard import Guard
from hornbook.teacher.interface import Conversation, Exercise, Preference, Problem, Problems, Writer
from hornbook.teacher.settings import WriteSettings

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

SOURCE, TASKS = "exercises", "tasks"
GIVE_UP = 20  # batches in a row that bring nothing before the stage stops asking for more


def write(
    teacher: Writer,
    settings: WriteSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Write `documents/`, `removed/`, `problems.jsonl`, `conversations.jsonl`, `preferences.jsonl` and `safety.jsonl`.

    Everything with code in it is run in the sandbox first. Returns the figures for the manifest.
    Raises UserError where the platform cannot isolate and `allow_unisolated` is not given, and where not one exercise
    passes its check.
    """
    from hornbook.sandbox.sandbox import Sandbox

    with Sandbox(allow_unisolated=allow_unisolated) as sandbox:
        offered = teacher.problems(settings.problems, seed=seed)
        problems = _right_problems(offered.problems, sandbox)
        write_jsonl(into / "problems.jsonl", [_problem_row(problem) for problem in problems])
        kept = _write_exercises(teacher, settings, problems, sandbox, seed=seed, into=into, progress=progress)
        conversations = _conversations(teacher, kept.exercises, settings, seed)
        write_jsonl(into / "conversations.jsonl", [_conversation_row(one) for one in conversations])
        preferences = _preferences(teacher, kept.exercises, settings, sandbox, seed)
        write_jsonl(into / "preferences.jsonl", [_preference_row(one) for one in preferences])
    safety = teacher.safety_prompts("test")
    write_jsonl(into / "safety.jsonl", [asdict(prompt) for prompt in safety])
    return {
        "teacher": teacher.name,
        **_exercise_figures(kept, offered),
        "problems": len(problems),
        "problems_rejected": len(offered.problems) - len(problems),
        "problems_by_family": _counts(problem.family for problem in problems),
        "conversations": _counts(one.kind for one in conversations),
        "preferences": _counts(one.kind for one in preferences),
        "safety_prompts": {
            "harmful": sum(prompt.harmful for prompt in safety),
            "harmless": sum(not prompt.harmful for prompt in safety),
        },
    }


@dataclass
class _Kept:
    """What has been kept and dropped so far."""

    exercises: list[Exercise] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    removed: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    tasks: int = 0


def _write_exercises(
    teacher: Writer,
    settings: WriteSettings,
    problems: Sequence[Problem],
    sandbox: Sandbox,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> _Kept:
    count, guard, kept, idle = settings.exercises, Guard(problems), _Kept(), 0
    with (
        shards.Documents(into / "documents") as documents,
        shards.Removed(into / "removed") as removed,
        progress.task("write exercises", total=count) as task,
    ):
        for batch in teacher.exercises(seed=seed):
            before = len(kept.exercises)
            written = [exercise for exercise in batch if exercise is not None]
            kept.failed += len(batch) - len(written)
            for exercise, wrong in zip(written, check(written, sandbox), strict=True):
                if len(kept.exercises) == count:
                    break
                name = document_id(exercise.text)
                reason = f"failed its check: {wrong}" if wrong else guard.complaint(exercise)
                if not reason and name in kept.ids:
                    reason = "duplicate"
                place = kept.removed.total() if reason else len(kept.exercises)
                asked = derive(seed, "asked", name) / (1 << 63) < settings.tasks
                text = teacher.task(exercise, seed=seed) if asked else exercise.text
                row = {
                    "id": document_id(text) if asked else name,
                    "text": text,
                    "source": TASKS if asked else SOURCE,
                    "path": f"{exercise.family}/{place}",
                }
                if reason:
                    kept.removed[reason.partition(":")[0]] += 1
                    removed.add({**row, "reason": reason, "kept": ""})
                else:
                    kept.ids.add(name)
                    kept.exercises.append(exercise)
                    kept.tasks += asked
                    documents.add({**row, **shards.extra_columns(exercise, text)})
            gained = len(kept.exercises) - before
            task.advance(gained)
            idle = 0 if gained else idle + 1
            if len(kept.exercises) == count or idle == GIVE_UP:
                break
        if not kept.exercises:
            counts = {"no usable answer": kept.failed, **kept.removed}
            told = ", ".join(f"{number:,} {reason}" for reason, number in counts.items() if number)
            raise UserError(
                f"of the exercises by {teacher.name} not one passed its check: {told}; name another teacher"
            )
    return kept


def _right_problems(problems: Sequence[Problem], sandbox: Sandbox) -> list[Problem]:
    """The problems whose own solutions pass their cases."""
    as_exercises = [
        Exercise(
            name=problem.name,
            parameters=problem.parameters,
            docstring="",
            phrase="",
            body=problem.solution,
            text=problem.prompt + problem.solution,
            family=problem.family,
            composition=problem.composition,
            cases=problem.cases,
            seeds=problem.seeds,
        )
        for problem in problems
    ]
    return [problem for problem, wrong in zip(problems, check(as_exercises, sandbox), strict=True) if not wrong]


def _conversations(
    teacher: Writer, exercises: Sequence[Exercise], settings: WriteSettings, seed: int
) -> list[Conversation]:
    shares = settings.conversation_shares.model_dump()
    offered = teacher.conversations(exercises, shares, settings.conversations, seed=seed)
    return [one for one in offered if one is not None]


def _preferences(
    teacher: Writer, exercises: Sequence[Exercise], settings: WriteSettings, sandbox: Sandbox, seed: int
) -> list[Preference]:
    """The preferences whose rejected bodies are wrong indeed. A tenth more is asked for than is wanted."""
    wanted = settings.preferences
    shares = settings.preference_shares.model_dump()
    offered = teacher.preferences(exercises, shares, wanted + wanted // 10, seed=seed)
    made = [one for one in offered if one is not None]
    return [one for one, wrong in zip(made, rejected_is_wrong(made, sandbox), strict=True) if wrong][:wanted]


def _messages(messages: Sequence[Any]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _conversation_row(one: Conversation) -> dict[str, Any]:
    row = {"messages": _messages(one.messages), "kind": one.kind}
    return {"id": digest_value(row)[:32], **row}


def _preference_row(one: Preference) -> dict[str, Any]:
    asked = {"messages": _messages(one.messages)} if one.messages else {"prompt": one.prompt}
    row = {**asked, "chosen": one.chosen, "rejected": one.rejected, "kind": one.kind}
    return {"id": digest_value(row)[:32], **row}


def _problem_row(problem: Problem) -> dict[str, Any]:
    """A case is a Python literal, `(arguments, expected)`: JSON would make lists of tuples and strings of keys."""
    return {**asdict(problem), "cases": [repr((case.arguments, case.expected)) for case in problem.cases]}


def _counts(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _exercise_figures(kept: _Kept, offered: Problems) -> dict[str, Any]:
    exercises = kept.exercises
    return {
        "exercises": len(exercises),
        "tasks": kept.tasks,
        "exercises_by_family": _counts(exercise.family for exercise in exercises),
        "characters": sum(len(exercise.text) for exercise in exercises),
        "families": len({exercise.family for exercise in exercises}),
        "compositions": len({exercise.composition for exercise in exercises}),
        "training_compositions_by_family": dict(sorted(offered.training.items())),
        "held_out_compositions_by_family": dict(sorted(offered.held_out.items())),
        "function_names": len({exercise.name for exercise in exercises}),
        "removed": dict(sorted(kept.removed.items())),
        "not_written": kept.failed,
        "diversity": diversity([exercise.text for exercise in exercises]),
    }
