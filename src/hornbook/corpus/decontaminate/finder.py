"""Finds benchmarks in documents: by runs of words, by runs of letters for mathematics, by the shape of code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item
from hornbook.corpus.decontaminate.ngram_overlap import Detector, Leak, Problem
from hornbook.corpus.decontaminate.solutions import Solutions
from hornbook.corpus.decontaminate.words import letters, without_template, words
from hornbook.corpus.ngrams import WordHashes, ngram_hashes
from hornbook.progress import Task

Rule = Literal["words", "mathematics", "code"]


@dataclass(frozen=True)
class Limits:
    """What counts as a leak."""

    ngram: int = 10  # words in a row that make a document a candidate
    match: float = 0.6  # the share of an item's words beyond which it is there
    code_match: float = 0.9  # the same for a task to program: its words are in many others
    least: int = 8  # an item needs so many words to be looked for by them at all
    phrase: int = 15  # and so many to be found by a part: what is shorter must be there whole, as it may be a phrase
    letters: int = 13  # words in a row, numbers and punctuation left out, that show a problem in mathematics
    similarity: float = 0.9  # how alike the syntax trees of two functions are


@dataclass(frozen=True)
class Hit:
    """An item in a document: which rule found it, how much of it is there, and where: `excerpt` is the place."""

    item: Item
    rule: Rule
    share: float
    excerpt: str


class Finder:
    """Looks for all items of several benchmarks at once."""

    def __init__(
        self,
        benchmarks: Sequence[Benchmark],
        limits: Limits = Limits(),
        *,
        loose: bool = False,
        task: Task | None = None,
    ) -> None:
        """`loose` measures likeness instead of finding leaks: code by its shape alone, however short it is.

        `task` is told of every item, and then that all of them are indexed, which takes about as long.
        """
        task = task or Task()
        self._limits, self._loose = limits, loose
        self.items = [item for benchmark in benchmarks for item in benchmark.items]
        self._solutions = Solutions([item for item in self.items if item.code])
        texts = ((number, text, text.count(" ") + 1) for number, text in _texts(benchmarks, self._solutions, task))
        long = [one for one in texts if one[2] >= limits.least]
        if loose:
            long = [one for one in long if not self.items[one[0]].code]
        task.note("index them")
        self._by_words = Detector(
            [Problem(f"{number}:{place}", text) for place, (number, text, _) in enumerate(long)],
            ngram=limits.ngram,
            match=limits.match,
            words=words,
        )
        self._needed = {
            f"{number}:{place}": self._enough(number, length) for place, (number, _, length) in enumerate(long)
        }
        self._by_letters = _Letters(benchmarks, limits.letters)
        covered = {number for number, *_ in long} | self._by_letters.covered
        self.too_short = [
            item for number, item in enumerate(self.items) if number not in covered and item not in self._solutions
        ]

    def _enough(self, number: int, length: int) -> float:
        """The share of a text of so many words that must be there."""
        if length < self._limits.phrase:
            return 1.0
        return self._limits.code_match if self.items[number].code else self._limits.match

    def find(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits, each item once: by the rule that finds most of it."""
        found = []
        for text, leaks in zip(texts, self._by_words.all(texts), strict=True):
            hits: dict[tuple[str, str], Hit] = {}
            for hit in self._each(text, leaks):
                key = (hit.item.benchmark, hit.item.id)
                if key not in hits or hit.share >= hits[key].share:  # of equal ones the rule tried later says more
                    hits[key] = hit
            found.append([hits[key] for key in sorted(hits)])
        return found

    def _each(self, text: str, leaks: Iterable[Leak]) -> Iterator[Hit]:
        for leak in leaks:
            number = int(leak.problem.id.split(":")[0])
            item = self.items[number]
            if leak.share < self._needed[leak.problem.id]:
                continue
            yield Hit(item, "words", leak.share, around(text, item.text))
        for number in self._by_letters.find(text):
            item = self.items[number]
            excerpt = around(text, item.text)
            yield Hit(item, "mathematics", round(_held(item, excerpt), 4), excerpt)
        for found in self._solutions.find(text, enough=self._limits.similarity, telling=not self._loose):
            yield Hit(found.item, "code", found.similarity, found.function.source)


class _Letters:
    """Problems in mathematics by runs of words without numbers and punctuation (TinyGSM's rule, Liu et al. 2023)."""

    def __init__(self, benchmarks: Sequence[Benchmark], length: int) -> None:
        self._length, self._hashes = length, WordHashes()
        self._owners: dict[int, set[int]] = defaultdict(set)
        self.covered: set[int] = set()
        number = 0
        for benchmark in benchmarks:
            for item in benchmark.items:
                some = letters(item.question) if benchmark.kind == "mathematics" else []
                if len(some) >= length:
                    self.covered.add(number)
                    for run in ngram_hashes(self._hashes(some), length).tolist():
                        self._owners[run].add(number)
                number += 1

    def find(self, text: str) -> list[int]:
        """Numbers of the items that share a run with the text."""
        some = letters(text) if self._owners else []
        if len(some) < self._length:
            return []
        found: set[int] = set()
        for run in self._owners.keys() & set(ngram_hashes(self._hashes(some), self._length).tolist()):
            found |= self._owners[run]
        return sorted(found)


def around(text: str, item: str, characters: int = 1_600) -> str:
    """The part of a text that holds most words of an item: a window that fits a page, from the start of a line."""
    width = min(characters, max(400, 2 * len(item)))
    if len(text) <= width:
        return text
    wanted = set(words(item))
    starts = range(0, len(text) - width // 2, width // 4)
    best = max(starts, key=lambda start: len(wanted.intersection(words(text[start : start + width]))))
    begin = text.rfind("\n", max(0, best - 80), best) + 1 or best
    return text[begin : begin + width]


def _texts(benchmarks: Sequence[Benchmark], solutions: Solutions, task: Task) -> Iterator[tuple[int, str]]:
    """(item's number, words with spaces between that must not be found): the question alone, and with its choices and
    its answer.

    A solution known by its shape is left to that: programs have few different words, and many in common.
    """
    number = 0
    for benchmark in benchmarks:
        questions = without_template([item.question for item in benchmark.items])
        wholes = without_template([item.text for item in benchmark.items])
        for item, question, whole in zip(benchmark.items, questions, wholes, strict=True):
            texts = (question,) if item in solutions else dict.fromkeys((question, whole))
            yield from ((number, text) for text in texts)
            number += 1
        task.advance(len(benchmark.items))


def _held(item: Item, excerpt: str) -> float:
    """The share of an item's different words that an excerpt holds."""
    wanted = set(letters(item.question))
    return len(wanted.intersection(letters(excerpt))) / max(1, len(wanted))
