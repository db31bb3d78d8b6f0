"""pass@1: a model writes each held-out function once, greedily, and the function is run in a sandbox."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Result, Scores, Subject, wilson_interval
from hornbook.files import read_jsonl
from hornbook.sandbox.answers import check_argument
from hornbook.sandbox.program import Limits, Outcome, Program
from hornbook.sandbox.same import same
from hornbook.sandbox.sandbox import Sandbox

Style = Literal["completion", "chat"]


@dataclass(frozen=True)
class Problem:
    """A function to write: how it is asked for, and calls with the values they must return."""

    id: str
    family: str
    name: str
    prompt: str
    question: str
    solution: str
    calls: tuple[tuple[Any, ...], ...]
    expected: tuple[Any, ...]


@dataclass(frozen=True)
class Attempt:
    """One answer: the program it made, whether every call returned the right value, and else what went wrong."""

    id: str
    family: str
    program: str
    passed: bool
    wrong: str


def load(path: Path, limit: int | None = None) -> list[Problem]:
    """Read the problems that the write stage stored; arguments and values are Python literals.

    Raises UserError for a file that is missing, holds no problem, or is no file of problems.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; it holds the problems that the write stage sets aside")
    problems: list[Problem] = []
    try:
        problems.extend(_problem(row) for row in read_jsonl(path))
    except (ValueError, KeyError, TypeError, SyntaxError, AttributeError, RecursionError, MemoryError) as error:
        line = len(problems) + 1
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, KeyError):
            why = f"it has no {error}, as the write stage's have; published benchmarks are asked with --tasks"
        raise UserError(f"{path}, line {line}, is no problem: {why}") from None
    if not problems:
        raise UserError(f"{path} holds no problems")
    return problems[:limit]


def _problem(row: dict[str, Any]) -> Problem:
    cases = [ast.literal_eval(case) for case in row["cases"]]
    for arguments, _ in cases:
        check_argument(tuple(arguments))
    return Problem(
        id=row["id"],
        family=row["family"],
        name=row["name"],
        prompt=row["prompt"],
        question=row["question"],
        solution=row["solution"],
        calls=tuple(arguments for arguments, _ in cases),
        expected=tuple(expected for _, expected in cases),
    )


def attempt(subject: Subject, problems: Sequence[Problem], style: Style) -> list[Attempt]:
    """Answer every problem once and run the answers."""
    from hornbook.inference.generate import generate
    from hornbook.inference.healing import heal

    tokenizer, settings = subject.tokenizer, subject.settings
    healed = [heal(tokenizer, problem.prompt) for problem in problems] if style == "completion" else []
    if style == "completion":
        prompts = [one.ids for one in healed]
    else:
        prompts = [tokenizer.chat([{"role": "user", "content": problem.question}]) for problem in problems]
    with subject.progress.task(f"{subject.name}, {style}: writing", len(problems)) as bar:
        answers = generate(
            subject.model,
            prompts,
            limit=settings.new_tokens,
            stops=tokenizer.stops,
            batch=settings.batch,
            first=[one.first for one in healed] or None,
            advance=bar.advance,
        )
    if style == "completion":
        programs = [complete(one.text, one.completed(tokenizer, ids)) for one, ids in zip(healed, answers, strict=True)]
    else:
        programs = [extract(tokenizer.decode(ids)) for ids in answers]
    return list(_judge(problems, programs, settings, subject.allow_unisolated))


def complete(prompt: str, text: str) -> str:
    """The function that prompt and completion make: the completion counts up to its first unindented line.

    What it writes before its first newline goes on with the prompt's last line.
    """
    first, *lines = text.split("\n")
    end = next((at for at, line in enumerate(lines) if line and not line[0].isspace()), len(lines))
    return prompt + "\n".join([first, *lines[:end]]).rstrip() + "\n"


def extract(answer: str) -> str:
    """The program in a chat answer: its fenced code block if it has one, else all of it."""
    fenced = re.search(r"```[^\n`]*\n(.*?)```", answer, flags=re.DOTALL)
    return (fenced.group(1) if fenced else answer).rstrip() + "\n"


def _judge(
    problems: Sequence[Problem], programs: Sequence[str], settings: EvaluateSettings, allow_unisolated: bool
) -> Iterator[Attempt]:
    """Run each program on its problem's calls; the expected values never enter the sandbox."""
    jobs = [Program(program, problem.name, problem.calls) for problem, program in zip(problems, programs, strict=True)]
    with Sandbox(Limits(seconds=settings.seconds), allow_unisolated=allow_unisolated) as sandbox:
        for problem, program, outcome in zip(problems, programs, sandbox.run(jobs), strict=True):
            wrong = what_is_wrong(problem, outcome)
            yield Attempt(problem.id, problem.family, program, not wrong, wrong)


def what_is_wrong(problem: Problem, outcome: Outcome) -> str:
    """Empty when every call returned the expected value of the expected type, else one line about the first failure."""
    if outcome.status != "ok":
        return f"{outcome.status}: {outcome.message}".strip(": ")
    for call, expected, result in zip(problem.calls, problem.expected, outcome.results, strict=True):
        shown = f"{problem.name}({', '.join(map(repr, call))})"
        if result.error:
            return f"{shown} raised {result.error}"
        if not same(result.value, expected):
            return f"{shown} returned {result.value!r}, not {expected!r}"
    return ""


def summary(attempts: Sequence[Attempt]) -> Scores:
    """pass@1 with its 95% interval, and by family."""
    passed = sum(one.passed for one in attempts)
    low, high = wilson_interval(passed, len(attempts))
    families: dict[str, list[bool]] = {}
    for one in attempts:
        families.setdefault(one.family, []).append(one.passed)
    return {
        "pass_at_1": round(passed / max(len(attempts), 1), 4),
        "passed": passed,
        "of": len(attempts),
        "interval": [round(low, 4), round(high, 4)],
        "families": {family: [sum(results), len(results)] for family, results in sorted(families.items())},
    }


def _load(held_out: HeldOut, settings: EvaluateSettings) -> list[Problem] | None:
    return load(held_out.problems, settings.problems) if held_out.problems is not None else None


def _run(style: Style, subject: Subject, problems: list[Problem]) -> Result | None:
    if style == "chat" and not subject.tokenizer.template:
        return None
    attempts = attempt(subject, problems, style)
    return Result(summary(attempts), [asdict(one) for one in attempts])


def _share(scores: Scores) -> str:
    return f"{scores['pass_at_1']:.1%}"


COMPLETION = Benchmark(
    "completion",
    _load,
    partial(_run, "completion"),
    in_words=lambda scores: f"pass@1 {_share(scores)} as completion",
    columns=("pass@1", "95%"),
    cells=lambda scores: (_share(scores), "{:.0%}-{:.0%}".format(*scores["interval"])),
    legend="pass@1: held-out functions completed right at the first try",
)
CHAT = Benchmark(
    "chat",
    _load,
    partial(_run, "chat"),
    in_words=lambda scores: f"pass@1 {_share(scores)} as chat",
    columns=("chat",),
    cells=lambda scores: (_share(scores),),
    legend="chat: the same asked for in conversation",
)
