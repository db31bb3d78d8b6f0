"""The write stage: exercises apart from the problems that measure them, and the conversations and preferences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hornbook.display import plural
from hornbook.documents import REMOVED, CorpusWriter, document_id, document_schema
from hornbook.files import write_jsonl
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.stage import Stage, Work
from hornbook.seeds import derive, stream
from hornbook.settings import Settings
from hornbook.teacher.diversity import diversity
from hornbook.teacher.held_out import Guard
from hornbook.teacher.interface import Chat, Exercise, Part, Problem, Problems, Writer
from hornbook.teacher.kinds.folder import CONVERSATIONS, PREFERENCES, chat_row, checked_row
from hornbook.teacher.kinds.rows import Written
from hornbook.teacher.producer import Failed, Tally, produce
from hornbook.teacher.settings import TeacherSettings, WriteSettings

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

SOURCE, TASKS = "exercises", "tasks"
PROBLEMS, SAFETY = "problems.jsonl", "safety.jsonl"

R = TypeVar("R")


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

    The latter is empty where nothing is taught of harmful requests: there is then nothing to measure of it.
    Everything with code in it is run in the sandbox first; what did not pass lies in `removed/` with its reason.
    Returns the figures for the manifest.
    Raises UserError where the platform cannot isolate and `allow_unisolated` is not given, and where not one exercise
    passes its check.
    """
    from hornbook.sandbox.sandbox import Sandbox

    with Sandbox(allow_unisolated=allow_unisolated) as sandbox:
        offered = teacher.problems(settings.problems, seed=seed)
        problems: _Lines[Problem] = _Lines(_problem_row)
        guard = Guard()
        rejected = produce(
            offered.source,
            settings.problems,
            problems,
            label="problems",
            teacher=teacher.name,
            sandbox=sandbox,
            guard=guard.hold,
        )
        exercises = _Exercises(teacher, settings.tasks, seed, into)
        with exercises.corpus:
            written = produce(
                teacher.exercises(seed=seed),
                settings.exercises,
                exercises,
                label=SOURCE,
                teacher=teacher.name,
                sandbox=sandbox,
                guard=guard.complaint,
                progress=progress,
            )
        problems.write(into, PROBLEMS)
        kept = exercises.kept

        shares = settings.conversation_shares.model_dump()
        parts = teacher.conversations(kept, shares, settings.conversations, seed=seed)
        conversations = _chats(parts, teacher.name, sandbox, guard, into, CONVERSATIONS, seed)
        shares = settings.preference_shares.model_dump()
        parts = teacher.preferences(kept, shares, settings.preferences, seed=seed)
        preferences = _chats(parts, teacher.name, sandbox, guard, into, PREFERENCES, seed)
    safety = teacher.safety_prompts("test") if settings.about_harm else []
    write_jsonl(into / SAFETY, [asdict(prompt) for prompt in safety])
    return {
        "teacher": teacher.name,
        **_exercise_figures(kept, exercises.tasks, written, offered),
        "problems": len(problems.kept),
        "problems_rejected": rejected.removed.total(),
        "problems_by_family": _counts(problem.family for problem in problems.kept),
        "conversations": conversations["kept"],
        "conversations_removed": conversations["removed"],
        "preferences": preferences["kept"],
        "preferences_removed": preferences["removed"],
        "safety_prompts": {
            "harmful": sum(prompt.harmful for prompt in safety),
            "harmless": sum(not prompt.harmful for prompt in safety),
        },
    }


class _Exercises:
    """A `Sink` for exercises: a corpus, some of them asked for in words."""

    def __init__(self, teacher: Writer, tasks: float, seed: int, into: Path) -> None:
        """`tasks`: the share that is asked for in words, without a docstring."""
        self.kept: list[Exercise] = []
        self.corpus = CorpusWriter(into, document_schema("family", "composition", "prompt", "seeds"))
        self.tasks = 0
        self._removed = 0
        self._teacher, self._share, self._seed = teacher, tasks, seed

    def identity(self, row: Exercise) -> str:
        """See `Sink.identity`: in either form an exercise is the same."""
        return document_id(row.text)

    def keep(self, row: Exercise) -> str:
        """See `Sink.keep`. What was sampled stays beside each; its prompt is all before the body."""
        document = self._document(row, len(self.kept))
        more = {
            "family": row.family,
            "composition": _parts(row),
            "prompt": document["text"].removesuffix(row.body),
            "seeds": json.dumps(dict(row.seeds), sort_keys=True, ensure_ascii=False),
        }
        self.corpus.keep(checked_row({**document, **more}))
        self.kept.append(row)
        self.tasks += document["source"] == TASKS
        return document["id"]

    def drop(self, row: Exercise | Failed, reason: str, kept: str) -> None:
        """See `Sink.drop`."""
        if isinstance(row, Failed):
            empty = {"id": document_id(""), "text": "", "source": SOURCE, "path": f"{SOURCE}/{row.number}"}
            self.corpus.drop(empty, reason)
        else:
            self.corpus.drop(checked_row(self._document(row, self._removed)), reason, kept)
        self._removed += 1

    def _document(self, row: Exercise, place: int) -> dict[str, str]:
        name = document_id(row.text)
        asked = derive(self._seed, "asked", name) / (1 << 63) < self._share
        text = self._teacher.task(row, seed=self._seed) if asked else row.text
        return {
            "id": document_id(text) if asked else name,
            "text": text,
            "source": TASKS if asked else SOURCE,
            "path": f"{row.family}/{place}",
        }


class _Lines(Generic[R]):
    """A `Sink` for the rows of a .jsonl file, and those of the file in `removed/` of the same name."""

    def __init__(self, row_of: Callable[[R], dict[str, Any]], identity: Callable[[R], str] = lambda row: "") -> None:
        self.kept: list[R] = []
        self._rows: list[dict[str, Any]] = []
        self._removed: list[dict[str, Any]] = []
        self._row_of, self._identity = row_of, identity

    def identity(self, row: R) -> str:
        """See `Sink.identity`."""
        return self._identity(row)

    def keep(self, row: R) -> str:
        """See `Sink.keep`."""
        made = checked_row(self._row_of(row))
        self.kept.append(row)
        self._rows.append(made)
        return str(made["id"])

    def drop(self, row: R | Failed, reason: str, kept: str) -> None:
        """See `Sink.drop`."""
        was = {"number": row.number} if isinstance(row, Failed) else self._row_of(row)
        self._removed.append(checked_row({**was, "reason": reason, "kept": kept}))

    def write(self, into: Path, name: str, *, shuffle: int | None = None) -> None:
        """Write both files; the kept rows in an order of this seed where one is given."""
        if shuffle is not None:
            stream(shuffle, "mixed", name).shuffle(self._rows)
        write_jsonl(into / name, self._rows)
        write_jsonl(into / REMOVED / name, self._removed)


def _chats(
    parts: Sequence[Part], teacher: str, sandbox: Sandbox, guard: Guard, into: Path, name: str, seed: int
) -> dict[str, dict[str, int]]:
    """Have conversations or preferences written, part by part, as the file `name`; counts by kind and by reason."""
    lines: _Lines[Chat | Written] = _Lines(lambda row: chat_row(_chat(row)), _identity)
    removed: Counter[str] = Counter()
    for part in parts:
        removed += produce(
            part.source,
            part.count,
            lines,
            label=name.removesuffix(".jsonl"),
            teacher=teacher,
            sandbox=sandbox,
            guard=lambda row: guard.complaint_of_worse_answer(_chat(row)),
        ).removed
    lines.write(into, name, shuffle=seed if len(parts) > 1 else None)
    return {"kept": _counts(_chat(row).kind for row in lines.kept), "removed": dict(sorted(removed.items()))}


def _chat(row: Chat | Written) -> Chat:
    if not isinstance(row, Written):
        return row
    assert row.chat is not None, "what asks for chats asks with a template of them"
    return row.chat


def _identity(row: Chat | Written) -> str:
    """What an LLM says twice is a repeat; small talk is composed again and again."""
    return document_id(row.text) if isinstance(row, Written) else ""


def _problem_row(problem: Problem) -> dict[str, Any]:
    """A case is a Python literal, `(arguments, expected)`: JSON would make lists of tuples and strings of keys."""
    cases = [repr((case.arguments, case.expected)) for case in problem.cases]
    return {**asdict(problem), "cases": cases, "composition": _parts(problem)}


def _parts(row: Exercise | Problem) -> str:
    """The parts that a function was composed of; another teacher's have none, but for a name to tell them apart by."""
    return row.composition if row.ours else ""


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _exercise_figures(exercises: Sequence[Exercise], tasks: int, written: Tally, offered: Problems) -> dict[str, Any]:
    return {
        "exercises": len(exercises),
        "tasks": tasks,
        "exercises_by_family": _counts(exercise.family for exercise in exercises),
        "characters": sum(len(exercise.text) for exercise in exercises),
        "families": len({exercise.family for exercise in exercises}),
        "compositions": len({exercise.composition for exercise in exercises}),
        "training_compositions_by_family": dict(sorted(offered.training.items())),
        "held_out_compositions_by_family": dict(sorted(offered.held_out.items())),
        "function_names": len({exercise.name for exercise in exercises}),
        "asked": written.asked,
        "removed": written.reasons(),
        "diversity": diversity([exercise.text for exercise in exercises]),
    }


class WriteStageSettings(Settings):
    """What the write stage depends on."""

    seed: int = 1
    write: WriteSettings = WriteSettings()
    teacher: TeacherSettings | None = None


def _write(work: Work[WriteStageSettings]) -> dict[str, Any]:
    from hornbook.teacher.choose import writer

    settings = work.settings
    families, names = settings.write.families, settings.write.names
    with writer(settings.teacher, work.base, work.progress, families=families, names=names) as teacher:
        return write(
            teacher,
            settings.write,
            seed=settings.seed,
            into=work.into,
            progress=work.progress,
            allow_unisolated=work.allow_unisolated,
        )


def _write_decides(settings: WriteStageSettings, base: Path) -> dict[str, Any]:
    from hornbook.teacher.choose import writes_settings

    own = settings.write.model_dump(mode="json", exclude_none=True)
    return {"seed": settings.seed, **own, **writes_settings(settings.teacher, base)}


WRITE = Stage(
    name="write",
    summary="exercises, problems, conversations, preferences",
    settings=WriteStageSettings,
    run=_write,
    leave_out=True,
    runs_generated_code=True,
    decides=_write_decides,
    headline=lambda f: (
        f"{plural(f['exercises'], 'exercise')} of {plural(f['families'], 'family', 'families')}, each run and checked"
    ),
    estimate=lambda settings, volume: Effort(
        plural(settings.write.exercises, "exercise"), settings.write.exercises / 2_000
    ),
)
