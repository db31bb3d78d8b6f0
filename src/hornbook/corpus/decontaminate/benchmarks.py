"""Benchmarks out of a folder: each file is a benchmark, and so is each folder of an archive.

Benchmarks name their fields differently; the lists below say which names mean the same. What can't be used is left out
with a reason: a file of another kind, a broken line, a record without a question.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.markup import escape

from hornbook.corpus.decontaminate.files import KINDS, Record, contents
from hornbook.errors import UserError
from hornbook.progress import Progress

Kind = Literal["text", "mathematics", "code"]

_IDS = ("id", "task_id", "question_id")
_PASSAGES = ("passage", "premise")
_QUESTIONS = (
    *("prompt", "question", "Question", "problem", "query", "ctx", "context", "instruction", "input", "goal"),
    *("sentence", "text", "Problem"),
)
_CHOICES = ("choices", "options", "endings", "context_options", "contexts", "Choices")
_ANSWERS = (
    *("canonical_solution", "solution", "code", "chain_of_thought", "answer", "Best Answer", "output", "target"),
    *("continuation", "label"),
)
_RIGHT = ("gold", "label", "answer")
_LETTERS = "ABCDEFGHIJ"
_NUMBER = re.compile(r"-?\d")
_NAMED = 5  # so many files of which something is left out are named on the screen


@dataclass(frozen=True)
class Item:
    """One question of a benchmark. `checks` is Python that fails when the function `entry` is wrong; `right` is the
    number of the right choice.
    """

    benchmark: str
    id: str
    question: str
    answer: str = ""
    code: str = ""
    entry: str = ""
    checks: str = ""
    choices: tuple[str, ...] = ()
    right: int | None = None

    @property
    def text(self) -> str:
        """All of it that a reader would see."""
        if self.code:
            return self.code
        return "\n".join(part for part in (self.question, *self.choices, self.answer) if part)


@dataclass(frozen=True)
class Benchmark:
    """The items of one file, what kind of questions most of them are, and the files that could not be read wholly."""

    name: str
    kind: Kind
    items: tuple[Item, ...]
    incomplete: tuple[str, ...] = ()


class Benchmarks(list[Benchmark]):
    """The benchmarks of a folder by name. `left_out`: for each file of which something can't be used why, and how many
    of its records where it is not all of it.
    """

    def __init__(self, benchmarks: Iterable[Benchmark] = (), left_out: Mapping[str, str] | None = None) -> None:
        super().__init__(benchmarks)
        self.left_out: dict[str, str] = dict(left_out or {})


def load_benchmarks(folder: Path) -> Benchmarks:
    """Every benchmark of a folder (or a single file). Raises UserError where there is nothing that can be used."""
    if not folder.exists():
        raise UserError(f"{folder} does not exist; --against takes a folder of benchmarks as {KINDS}")
    files: dict[str, dict[str, list[tuple[int, Item]]]] = defaultdict(dict)
    incomplete: dict[str, list[str]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for content in contents(folder, _QUESTIONS):
        faults = list(content.faults)
        usable = []
        for number, row in content.records:
            item = _item(content.benchmark, number, row)
            if item is None:
                faults.append(f"record {number} has none of the fields {', '.join(_QUESTIONS)}")
            else:
                usable.append((number, item))
        if faults:
            left_out[content.place] = _told(faults, len(usable))
            incomplete[content.benchmark].append(content.place)
        files[content.benchmark][content.place] = usable
    items = {name: _told_apart(several) for name, several in sorted(files.items())}
    found = [Benchmark(name, _kind(some), tuple(some), tuple(incomplete[name])) for name, some in items.items() if some]
    if not found:
        why = next((f": {place} {reason}" for place, reason in left_out.items()), "")
        raise UserError(f"{folder} holds no benchmarks that can be used{why}; give {KINDS} files, or .gz of them")
    return Benchmarks(found, left_out)


def of_rows(name: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Benchmark:
    """A benchmark of records that others call by an id; those without a question are left out."""
    made = ((id_, _item(name, 0, dict(row))) for id_, row in rows)
    items = [replace(item, id=id_) for id_, item in made if item is not None]
    return Benchmark(name, _kind(items), tuple(items))


def _told_apart(files: Mapping[str, Sequence[tuple[int, Item]]]) -> list[Item]:
    """The items of a benchmark's files, each with another id. Where files count alike, the name of the file (or its
    place, where names repeat) is part of its items' ids; where records of a file have one id, their numbers are.
    """
    items = [item for some in files.values() for _, item in some]
    if len({item.id for item in items}) == len(items):
        return items
    names = {place: Path(place).name.split(".")[0] for place in files}
    if len(set(names.values())) < len(names):
        names = {place: place for place in files}
    apart = []
    for place, some in files.items():
        times = Counter(item.id for _, item in some)
        for number, item in some:
            own = item.id if times[item.id] == 1 else f"{item.id}#{number}"
            apart.append(replace(item, id=f"{names[place]}:{own}" if len(files) > 1 else own))
    return apart


def say_left_out(left_out: Mapping[str, str], progress: Progress) -> None:
    """Name the first files of which something was left out, and count the others."""
    for place, reason in list(left_out.items())[:_NAMED]:
        progress.say(escape(f"  benchmarks: {place} {reason}, left out"))
    if len(left_out) > _NAMED:
        progress.say(f"  benchmarks: {len(left_out):,} files in all left out, wholly or in part")


def fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the files of a folder: when they change, what was found may change too."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (path.relative_to(folder.parent).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files
    ]


def _told(faults: Sequence[str], usable: int) -> str:
    """Why a file, or some of its records, can't be used: the first reason stands for the others."""
    if usable:
        return f"lacks {len(faults):,} of {len(faults) + usable:,} records: {faults[0]}"
    return faults[0] + (f", and so on for {len(faults):,} records" if len(faults) > 1 else "")


def _item(benchmark: str, number: int, row: Record) -> Item | None:
    """A record as an item; None where it holds no question."""
    name = next((name for name in _QUESTIONS if isinstance(row.get(name), str) and row[name].strip()), "")
    choices = _choices(row)
    if not name and not choices:
        return None
    passage = next((row[field] for field in _PASSAGES if isinstance(row.get(field), str)), "")
    more = row.get("input") if name == "instruction" and isinstance(row.get("input"), str) else ""
    question = "\n".join(part for part in (passage, row.get(name, ""), more) if part)
    answers = (row[field] for field in _ANSWERS if field != name and isinstance(row.get(field), str))
    answer = max(answers, key=len, default="")
    code = next((c for c in (question + answer, answer) if _is_code(c)), "")
    entry = row.get("entry_point") or row.get("name") or ""
    identity = next((str(row[field]) for field in _IDS if row.get(field) is not None), str(number))
    return Item(
        benchmark, identity, question, answer, code, str(entry), _checks(row, str(entry)), choices, _right(row, choices)
    )


def _checks(row: Mapping[str, Any], entry: str) -> str:
    """HumanEval's test, MBPP's list of asserts, or Hornbook's own cases: arguments and the value to return."""
    tests, cases = row.get("test_list"), row.get("cases")
    if isinstance(tests, list):
        return "\n".join([row.get("test_setup_code") or "", *map(str, tests)])
    if isinstance(cases, list):
        try:
            pairs = [ast.literal_eval(case) for case in cases]
            return "\n".join(f"assert {entry}(*{arguments!r}) == {expected!r}" for arguments, expected in pairs)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return ""
    return str(row.get("test") or "")


def _choices(row: Mapping[str, Any]) -> tuple[str, ...]:
    for name in _CHOICES:
        value = row.get(name)
        if isinstance(value, dict):
            value = value.get("text")
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            return tuple(value)
    return ()


def _right(row: Mapping[str, Any], choices: Sequence[str]) -> int | None:
    """The number of the right choice, written as a number or as a letter."""
    for name in _RIGHT:
        value = row.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value.strip("() ") in list(_LETTERS):
            value = _LETTERS.index(value.strip("() "))
        if isinstance(value, int) and 0 <= value < len(choices):
            return value
    return None


def _is_code(text: str) -> bool:
    if "def " not in text:
        return False
    try:
        return any(isinstance(node, ast.FunctionDef) for node in ast.parse(text.replace("\r\n", "\n")).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _kind(items: Sequence[Item]) -> Kind:
    """Code where most solutions are functions; mathematics where most answers end in a number after a question with
    numbers in words.
    """
    if 2 * sum(bool(item.code) for item in items) > len(items):
        return "code"
    counted = sum(
        not item.choices and _numeric(item.answer) and _NUMBER.search(item.question) is not None for item in items
    )
    return "mathematics" if 2 * counted > len(items) else "text"


def _numeric(answer: str) -> bool:
    """Whether an answer ends in a number, or is written in LaTeX."""
    last = (answer.split() or [""])[-1].strip("$.,()")
    return bool(_NUMBER.match(last)) or "\\" in answer
