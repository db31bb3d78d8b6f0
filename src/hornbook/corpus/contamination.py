"""Decontamination: which documents hold a problem that the model will be measured with.

A document is a candidate when it shares a run of ten words with a problem, and contaminated when more than half of the
problem's words are found in it, in order: the matching blocks of `difflib.SequenceMatcher` over the problem's length
(the rule of Cosmopedia, Ben Allal et al. 2024). Words are letters, digits and underscores in lower case, so that
neither layout nor operators hide a leak. In a long document the match is looked for around the shared run, within
one problem's length before and two after it: further apart, single common words would match anything.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.corpus.words import WordHashes, runs
from hornbook.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Problem:
    """What must not be learned from: a problem's prompt and solution."""

    id: str
    text: str


@dataclass(frozen=True)
class Leak:
    """A problem found in a document, and the share of the problem's words that was."""

    problem: Problem
    share: float


def load_problems(path: Path) -> list[Problem]:
    """Problems from a .jsonl file with `id`, `prompt` and `solution`, ordered by id. Errors name the line."""
    problems: dict[str, Problem] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: decontamination needs the problems to protect") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid UTF-8: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            problem = _parse(line, f"{path}, line {number}")
            problems[problem.id] = problem
    if not problems:
        raise UserError(f"{path} holds no problems")
    return [problems[identity] for identity in sorted(problems)]


def _parse(line: str, where: str) -> Problem:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{where} is not an object with id, prompt and solution")
    for name in ("id", "prompt", "solution"):
        if not isinstance(value.get(name), str):
            raise UserError(f"{where}: {name!r} is missing or no text")
    return Problem(value["id"], value["prompt"] + value["solution"])


class Detector:
    """Finds problems in documents. Runs of words are looked up in one sorted table, whatever the number of problems."""

    def __init__(self, problems: Sequence[Problem], *, gram: int, match: float) -> None:
        """`gram`: words in a shared run (a shorter problem counts as one run); `match`: the share that is too much."""
        self._match, self._hashes = match, WordHashes()
        known = ((problem, self._hash(problem.text)) for problem in problems)
        self._problems = [(problem, hashes) for problem, hashes in known if len(hashes)]
        self._bags = [Counter(hashes.tolist()) for _, hashes in self._problems]
        self._matchers = [difflib.SequenceMatcher[int](None, [], [], autojunk=False) for _ in self._problems]
        owners: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, (_, hashes) in enumerate(self._problems):
            self._matchers[number].set_seq2(hashes.tolist())
            length = min(gram, len(hashes))
            for run in dict.fromkeys(runs(hashes, length).tolist()):
                owners[length][run].append(number)
        self._tables = {length: _Table(of_run) for length, of_run in sorted(owners.items())}

    def find(self, text: str) -> Leak | None:
        """The problem that `text` leaks, if any: of several, the one it shares most runs with is tried first."""
        hashes = self._hash(text)
        shared: dict[int, list[int]] = defaultdict(list)
        for length, table in self._tables.items():
            if length <= len(hashes):
                for place, number in table.look_up(runs(hashes, length)):
                    shared[number].append(place)
        for number in sorted(shared, key=lambda number: (-len(shared[number]), number)):
            share = self._share(number, hashes, shared[number])
            if share > self._match:
                return Leak(self._problems[number][0], round(share, 4))
        return None

    def _hash(self, text: str) -> NDArray[np.uint64]:
        return self._hashes(_WORD.findall(text.lower()))

    def _share(self, number: int, hashes: NDArray[np.uint64], places: Sequence[int]) -> float:
        """The share of problem `number` that is in a document around the `places` where shared runs begin."""
        size = len(self._problems[number][1])
        best, end = 0.0, -1
        for place in sorted(places):
            if place < end - size:  # within the stretch that was looked at, with room after it
                continue
            start, end = max(0, place - size), place + 2 * size
            best = max(best, self._matched(number, hashes[start:end].tolist()) / size)
        return best

    def _matched(self, number: int, words: list[int]) -> int:
        """How many words of a problem are found in `words` in order; 0 where there can't be enough of them."""
        bag, size = self._bags[number], len(self._problems[number][1])
        if sum((Counter(words) & bag).values()) <= self._match * size:
            return 0
        matcher = self._matchers[number]
        matcher.set_seq1(words)
        return sum(block.size for block in matcher.get_matching_blocks())


class _Table:
    """Which problems have a run of words: sorted runs, and for each the numbers of its problems."""

    def __init__(self, owners: dict[int, list[int]]) -> None:
        import numpy as np

        ordered = sorted(owners)
        self._runs = np.array(ordered, dtype=np.uint64)
        self._owners = [owners[run] for run in ordered]

    def look_up(self, found: NDArray[Any]) -> list[tuple[int, int]]:
        """(place, problem) for each run of a document that a problem has as well."""
        import numpy as np

        at = np.minimum(np.searchsorted(self._runs, found), len(self._runs) - 1)
        places = np.flatnonzero(self._runs[at] == found)
        return [(place, number) for place in places.tolist() for number in self._owners[at[place]]]
