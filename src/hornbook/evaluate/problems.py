"""pass@1: a model writes each held-out function once, greedily, and the function is run in a sandbox."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hornbook.errors import UserError
from hornbook.evaluate.settings import EvaluateSettings
from hornbook.files import read_jsonl
from hornbook.inference.generate import generate
from hornbook.model.tokenizer import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
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
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        line = len(problems) + 1
        raise UserError(f"{path}, line {line}, is no problem: {type(error).__name__}: {error}") from None
    if not problems:
        raise UserError(f"{path} holds no problems")
    return problems[:limit]


def _problem(row: dict[str, Any]) -> Problem:
    cases = [ast.literal_eval(case) for case in row["cases"]]
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


def attempt(
    model: Transformer,
    tokenizer: Tokenizer,
    problems: Sequence[Problem],
    style: Style,
    settings: EvaluateSettings,
    *,
    label: str,
    progress: Progress,
    allow_unisolated: bool = False,
) -> list[Attempt]:
    """Answer every problem once and run the answers."""
    if style == "completion":
        prompts = [tokenizer.encode(problem.prompt) for problem in problems]
    else:
        prompts = [tokenizer.chat([{"role": "user", "content": problem.question}]) for problem in problems]
    with progress.task(f"{label}: writing", len(problems)) as bar:
        answers = generate(
            model,
            prompts,
            limit=settings.new_tokens,
            stops=tokenizer.stops,
            batch=settings.batch,
            advance=bar.advance,
        )
    texts = [tokenizer.decode(answer) for answer in answers]
    programs = [
        complete(problem.prompt, text) if style == "completion" else extract(text)
        for problem, text in zip(problems, texts, strict=True)
    ]
    return list(_judge(problems, programs, settings, allow_unisolated))


def complete(prompt: str, text: str) -> str:
    """The function that prompt and completion make: the completion counts up to its first unindented line."""
    lines = []
    for line in text.split("\n"):
        if line and not line[0].isspace():
            break
        lines.append(line)
    return prompt + "\n".join(lines).rstrip() + "\n"


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


def interval(passed: float, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share (Wilson 1927), or of the mean of `total` scores from 0 to 1 with this sum.

    Where scores lie between 0 and 1 it is wider than need be: no variable in [0, 1] of a given mean varies more than
    one that is always 0 or 1.
    """
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share = passed / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * ((max(share * (1 - share), 0.0) / total + z * z / (4 * total * total)) ** 0.5)
    return max(0.0, middle - half), min(1.0, middle + half)
