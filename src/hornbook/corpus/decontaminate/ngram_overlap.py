"""Decontamination: which documents hold a problem that the model will be measured with.

A document is a candidate when it shares a run of ten words with a problem, and contaminated when more than half of the
problem's words are found in it, in order: the matching blocks of `difflib.SequenceMatcher` over the problem's length
(the rule of Cosmopedia, Ben Allal et al. 2024). Words are letters, digits and underscores in the normal form, so that
neither layout nor operators hide a leak. In a long document the match is looked for around the shared run, within
one problem's length before and two after it: further apart, single common words would match anything.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from hornbook.corpus.ngrams import WordHashes, ngram_hashes
from hornbook.corpus.normal_form import normal_form
from hornbook.corpus.scripts import UNSPACED, UNSPACED_WORD, is_plain
from hornbook.errors import UserError
from hornbook.records import Fault, Record, json_lines

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_WORD_OF_ANY_SCRIPT = regex.compile(
    rf"{UNSPACED_WORD}|[\p{{L}}\p{{N}}_--{UNSPACED}][\p{{L}}\p{{M}}\p{{N}}_--{UNSPACED}]*", regex.V1
)


@dataclass(frozen=True)
class Problem:
    """What must not be learned from: a problem's prompt and solution. composition: the parts that it is made of, where
    it was composed.
    """

    id: str
    text: str
    composition: str = ""


@dataclass(frozen=True)
class Leak:
    """A problem found in a document, and the share of the problem's words that was."""

    problem: Problem
    share: float


def load_problems(path: Path) -> list[Problem]:
    """Problems from a .jsonl file with `id`, `prompt` and `solution`, ordered by id. Errors name the line.

    Of several with one id the later have the number of their line in theirs.
    """
    problems: dict[str, Problem] = {}
    try:
        with path.open("rb") as stream:
            for one in json_lines(stream):
                problem = _problem(one, f"{path}, line {one.number}")
                if problem.id in problems:
                    problem = replace(problem, id=f"{problem.id}#{one.number}")
                problems[problem.id] = problem
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: decontamination needs the problems to protect") from None
    if not problems:
        raise UserError(f"{path} holds no problems")
    return [problems[identity] for identity in sorted(problems)]


def _problem(one: Record | Fault, where: str) -> Problem:
    if isinstance(one, Fault):
        raise UserError(f"{where} {one}")
    if not isinstance(one.value, dict):
        raise UserError(f"{where} is not an object with id, prompt and solution")
    for name in ("id", "prompt", "solution"):
        if not isinstance(one.value.get(name), str):
            raise UserError(f"{where}: {name!r} is missing or no text")
    composition = one.value.get("composition")
    text = one.value["prompt"] + one.value["solution"]
    return Problem(one.value["id"], text, composition if isinstance(composition, str) else "")


class Detector:
    """Finds problems in documents. Runs of words are looked up in one sorted table, whatever the number of problems."""

    def __init__(
        self, problems: Sequence[Problem], *, ngram: int, match: float, words: Callable[[str], list[str]] | None = None
    ) -> None:
        """`ngram`: words in a shared run (a shorter problem is one run itself); `match`: the share that is too much.

        `words` says what a text's words are, runs of letters and digits in lower case unless given.
        """
        self._match, self._hashes, self._words = match, WordHashes(), words or _words
        known = [_Known(problem, self._hashes(self._words(problem.text))) for problem in problems]
        self._problems = [one for one in known if one.size]
        owners: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, one in enumerate(self._problems):
            length = min(ngram, one.size)
            for run in dict.fromkeys(ngram_hashes(one.hashes, length).tolist()):
                owners[length][run].append(number)
        self._tables = [_Table(length, of_run) for length, of_run in sorted(owners.items())]

    def find(self, texts: Sequence[str]) -> list[Leak | None]:
        """For each text the problem it leaks, if any: of several, the one it shares most runs with is tried first."""
        return [next(iter(leaks), None) for leaks in self._each(texts)]

    def all(self, texts: Sequence[str]) -> list[list[Leak]]:
        """For each text every problem that it leaks, those it shares most runs with first."""
        return [list(leaks) for leaks in self._each(texts)]

    def _each(self, texts: Sequence[str]) -> Iterator[Iterator[Leak]]:
        import numpy as np

        words = [self._words(text) for text in texts]
        hashes = self._hashes(list(itertools.chain.from_iterable(words)))
        ends = np.cumsum([len(some) for some in words], dtype=np.int64)
        shared: list[dict[int, list[int]]] = [defaultdict(list) for _ in texts]
        for table in self._tables:
            for text, place, number in table.look_up(hashes, ends):
                shared[text][number].append(place)
        starts = [0, *ends.tolist()]
        for text, found in enumerate(shared):
            yield self._leaks(hashes[starts[text] : starts[text + 1]], found)

    def _leaks(self, hashes: NDArray[np.uint64], shared: dict[int, list[int]]) -> Iterator[Leak]:
        """`shared`: for each problem the places in the document (hashes) where runs of both begin."""
        for number in sorted(shared, key=lambda number: (-len(shared[number]), number)):
            share = self._problems[number].share(hashes, shared[number], self._match)
            if share > self._match:
                yield Leak(self._problems[number].problem, round(share, 4))


class _Known:
    """A problem, prepared to be matched with many documents."""

    def __init__(self, problem: Problem, hashes: NDArray[np.uint64]) -> None:
        self.problem, self.hashes, self.size = problem, hashes, len(hashes)

    @cached_property
    def _bag(self) -> Counter[int]:
        return Counter(self.hashes.tolist())

    @cached_property
    def _matcher(self) -> difflib.SequenceMatcher[int]:
        matcher = difflib.SequenceMatcher[int](None, [], [], autojunk=False)
        matcher.set_seq2(self.hashes.tolist())
        return matcher

    def share(self, document: NDArray[np.uint64], places: Sequence[int], enough: float) -> float:
        """The share of the problem that is in a document, around the `places` where runs of both begin.

        0 where there plainly aren't `enough` of the problem's words.
        """
        best, end = 0.0, -1
        for place in sorted(places):
            if place < end - self.size:  # in the stretch looked at last, with room for the problem after it
                continue
            end = place + 2 * self.size
            best = max(best, self._matched(document[max(0, place - self.size) : end].tolist(), enough) / self.size)
        return best

    def _matched(self, words: list[int], enough: float) -> int:
        if (Counter(words) & self._bag).total() <= enough * self.size:
            return 0
        self._matcher.set_seq1(words)
        return sum(block.size for block in self._matcher.get_matching_blocks())


class _Table:
    """Which problems have a run of `length` words: sorted runs, and for each the numbers of its problems."""

    def __init__(self, length: int, owners: dict[int, list[int]]) -> None:
        import numpy as np

        ordered = sorted(owners)
        self._length = length
        self._runs = np.array(ordered, dtype=np.uint64)
        self._owners = [owners[run] for run in ordered]

    def look_up(self, hashes: NDArray[np.uint64], ends: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
        """(text, place in the text, problem) for each shared run of texts that lie in `hashes` up to their `ends`."""
        import numpy as np

        if len(hashes) < self._length:
            return
        found = ngram_hashes(hashes, self._length)
        at = np.minimum(np.searchsorted(self._runs, found), len(self._runs) - 1)
        begins = np.flatnonzero(self._runs[at] == found)
        texts = np.searchsorted(ends, begins, side="right")
        starts = np.concatenate([[0], ends])
        for begin, text in zip(begins.tolist(), texts.tolist(), strict=True):
            if begin + self._length <= ends[text]:  # else the run goes on in the next text
                for number in self._owners[at[begin]]:
                    yield text, begin - int(starts[text]), number


def _words(text: str) -> list[str]:
    text = normal_form(text)
    return _WORD.findall(text) if is_plain(text) else _WORD_OF_ANY_SCRIPT.findall(text)
