"""What is wrong with a row: its form, missing words, phrases that give a model away, code that does not work."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hornbook.sandbox.answers import check_argument
from hornbook.sandbox.same import same
from hornbook.teacher.interface import Case, Chat, Conversation, Exercise, Preference, Problem
from hornbook.teacher.kinds import lists
from hornbook.teacher.kinds.rows import Written
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.producer import Failed, UnusableError, attempt

if TYPE_CHECKING:
    from hornbook.sandbox.program import Outcome, Program
    from hornbook.sandbox.sandbox import Sandbox

SOLUTION = "solution"
TOGETHER = 200  # programs of Hornbook's own that share a process of the sandbox
CLOSE = 1e-6  # relative difference up to which two numbers of a word problem are the same


def complaint(outcome: Outcome, cases: Sequence[Case]) -> str:
    """Why the outcome is not what the cases ask for, in one line; empty when it is."""
    if outcome.status != "ok":
        return f"{outcome.status}: {outcome.message}".rstrip(": ")
    if len(outcome.results) != len(cases):
        return f"{len(outcome.results)} results for {len(cases)} calls"
    for case, result in zip(cases, outcome.results, strict=True):
        if result.error:
            return f"{case.arguments!r} raised {result.error}"
        if not same(result.value, case.expected):
            return f"{case.arguments!r} gave {result.value!r} where {case.expected!r} is right"
    return ""


def program_of(source: str, function: str, cases: Sequence[Case], *, ours: bool = False) -> Program:
    """The program that makes the calls of these cases."""
    from hornbook.sandbox.program import Program

    return Program(source=source, function=function, calls=tuple(case.arguments for case in cases), ours=ours)


def check(exercises: Sequence[Exercise], sandbox: Sandbox) -> Iterator[str]:
    """For each exercise in order, what is wrong with it when it is run; an empty string when nothing is."""
    programs = [program_of(one.text, one.name, one.cases, ours=one.ours) for one in exercises]
    for exercise, outcome in zip(exercises, sandbox.run(programs, together=TOGETHER), strict=True):
        yield complaint(outcome, exercise.cases)


def rejected_is_wrong(preferences: Sequence[Preference], sandbox: Sandbox) -> list[bool]:
    """For each preference whether its rejected answer fails a case; True for those that cannot be tried."""
    tried = [preference.trial for preference in preferences if preference.trial is not None]
    programs = [program_of(trial.source, trial.function, trial.cases, ours=trial.ours) for trial in tried]
    outcomes = sandbox.run(programs, together=TOGETHER)
    verdicts = iter([bool(complaint(outcome, trial.cases)) for trial, outcome in zip(tried, outcomes, strict=True)])
    return [preference.trial is None or next(verdicts) for preference in preferences]


def malformed(chat: Chat) -> str:
    """What keeps a conversation or a preference from being learned from; empty where nothing does."""
    roles = [message.role for message in chat.messages]
    said = [message.content for message in chat.messages]
    turns = roles[1:] if roles[:1] == ["system"] else list(roles)
    said += [] if roles else [chat.prompt]
    alike = False
    if isinstance(chat, Conversation):
        said += [] if roles else [chat.completion]
    if isinstance(chat, Preference):
        said += [chat.chosen, chat.rejected]
        turns += ["assistant"] if roles else []
        alike = chat.chosen.strip() == chat.rejected.strip()
    if not said or not all(text.strip() for text in said):
        return "empty"
    if turns != ["user", "assistant"] * (len(turns) // 2):
        return f"wrong turns: {', '.join(roles)}"
    return "no difference: the two answers are the same" if alike else ""


def chat_complaints(chats: Sequence[Chat], sandbox: Sandbox | None) -> list[str]:
    """For each conversation or preference what is wrong with it. A rejected answer that can be tried must be wrong."""
    found = [malformed(chat) for chat in chats]
    pairs = {number: chat for number, chat in enumerate(chats) if isinstance(chat, Preference) and not found[number]}
    if pairs:
        assert sandbox is not None, "code is run in a sandbox"
        for number, wrong in zip(pairs, rejected_is_wrong(list(pairs.values()), sandbox), strict=True):
            found[number] = "" if wrong else "rejected answer is right"
    return found


def exercise_complaints(exercises: Sequence[Exercise], sandbox: Sandbox | None) -> list[str]:
    """For each exercise what is wrong with it when it is run."""
    assert sandbox is not None, "code is run in a sandbox"
    return [f"failed its check: {wrong}" if wrong else "" for wrong in check(exercises, sandbox)]


def problem_complaints(problems: Sequence[Problem], sandbox: Sandbox | None, *, ours: bool = False) -> list[str]:
    """For each problem what is wrong with its own solution when it is run. `ours` as in `Exercise`."""
    solved = [
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
            ours=ours,
        )
        for problem in problems
    ]
    return exercise_complaints(solved, sandbox)


def complaints(kind: Kind, rows: Sequence[Written], sandbox: Sandbox | None) -> list[str]:
    """For each row what is wrong with it, a reason to count by before the first colon; empty when nothing is.

    A template that runs code needs a sandbox.
    """
    found = [text_complaint(kind, row) for row in rows]
    if not kind.template.check.run:
        return found
    assert sandbox is not None, "code is run in a sandbox"
    ready = [number for number, wrong in enumerate(found) if not wrong]
    ran = _of_code(kind, [rows[number] for number in ready], sandbox)
    for number, wrong in zip(ready, ran, strict=True):
        found[number] = wrong
    return found


def text_complaint(kind: Kind, row: Written) -> str:
    """What is wrong with a row as it can be read, before anything is run; empty when nothing is."""
    check = kind.template.check
    wrong = malformed(row.chat) if row.chat is not None else ""
    if wrong or not row.text:
        return wrong or "empty"
    if len(row.text) < check.least:
        return f"too short: {len(row.text)} characters"
    said = f"{row.text}\n{row.rejected}".casefold()
    phrase = next((phrase for phrase in check.without if phrase.casefold() in said), None)
    if phrase is not None:
        return f"unwanted phrase: {phrase}"
    for name in check.words:
        word = row.drawn.values[name]
        if word and not lists.uses(row.text, _entry(kind, name, word)):
            return f"missing word: {word}"
    return ""


def _entry(kind: Kind, name: str, word: str) -> tuple[str, ...]:
    """The drawn word with its other forms."""
    for source in kind.template.draw[name].lists:
        for entry in lists.entries(source, kind.folder):
            if entry[0] == word:
                return entry
    return (word,)


def _of_code(kind: Kind, rows: Sequence[Written], sandbox: Sandbox) -> list[str]:
    found = [""] * len(rows)
    programs, cases = {}, {}
    for number, row in enumerate(rows):
        ready = attempt(partial(what_to_run, kind, row))
        if isinstance(ready, Failed):
            found[number] = ready.reason
            continue
        name, examples = ready
        code = row.fields[kind.template.check.code]
        programs[number] = program_of(code, name, examples)
        cases[number] = examples
    for number, outcome in zip(programs, sandbox.run(list(programs.values())), strict=True):
        if kind.template.check.run == "function":
            wrong = complaint(outcome, cases[number])
        else:
            wrong = _number(outcome, rows[number].fields.get(kind.template.check.result))
        found[number] = f"failed its check: {wrong}" if wrong else ""
    return found


def what_to_run(kind: Kind, row: Written) -> tuple[str, tuple[Case, ...]]:
    """The function to call and the calls. Raises UnusableError, a reason before the first colon of its message."""
    check = kind.template.check
    code = row.fields[check.code]
    name = row.drawn.values[check.function] if check.run == "function" else SOLUTION
    function = _function(code, name)
    if check.run == "program":
        if ast.unparse(function.args):
            raise UnusableError("not as asked: solution() takes no parameters")
        return name, (Case((), None),)
    if not ast.get_docstring(function):
        raise UnusableError(f"not as asked: {name} has no docstring")
    return name, cases_of(row.fields[check.examples])


def _function(code: str, name: str) -> ast.FunctionDef:
    """The one function that the code is."""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnusableError(f"not valid Python: {error}") from None
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    others = [node for node in body if not isinstance(node, ast.FunctionDef | ast.Import | ast.ImportFrom)]
    if len(functions) != 1 or others:
        raise UnusableError(f"not as asked: the code is not one function {name}")
    return functions[0]


def cases_of(examples: Sequence[Mapping[str, Any]]) -> tuple[Case, ...]:
    """Calls and values out of Python literals. Raises UnusableError for what is none, and for a call made twice."""
    cases = []
    for example in examples:
        try:
            arguments, value = (ast.literal_eval(example[part].strip()) for part in ("arguments", "value"))
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            raise UnusableError(f"example is no literal: {example['arguments']} -> {example['value']}") from None
        if not isinstance(arguments, tuple):
            raise UnusableError(f"example is no tuple of arguments: {example['arguments']}")
        try:
            check_argument((arguments, value))
        except (TypeError, ValueError, RecursionError):
            raise UnusableError(f"example is no plain literal: {example['arguments']} -> {example['value']}") from None
        cases.append(Case(arguments, value))
    if len({repr(case.arguments) for case in cases}) < len(cases):
        raise UnusableError("example repeated: two calls are the same")
    return tuple(cases)


def _number(outcome: Any, expected: Any) -> str:
    """What is wrong with the number that a program came to; `expected` is what was announced, if anything was."""
    if outcome.status != "ok":
        return f"{outcome.status}: {outcome.message}".rstrip(": ")
    if outcome.results[0].error:
        return f"solution() raised {outcome.results[0].error}"
    value = outcome.results[0].value
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        return f"solution() gave {value!r}, which is no number"
    if expected is not None and not _close(value, expected):
        return f"solution() gave {value!r} where {expected!r} was announced"
    return ""


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return True


def _close(value: float, expected: float) -> bool:
    """Whether two numbers are the same up to CLOSE; what is too large for that has to be equal."""
    try:
        return abs(value - expected) <= CLOSE * max(1.0, abs(expected))
    except OverflowError:
        return value == expected
