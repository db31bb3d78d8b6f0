from __future__ import annotations

from collections.abc import Sequence

from hornbook.audit.rephrasings.candidates import Pair, Passage
from hornbook.audit.rephrasings.verdicts import Opinion, Verdict, judge_nearest_first, verdict_of
from hornbook.corpus.decontaminate.benchmarks import Item


def pair(item: str, document: str, near: float) -> Pair:
    return Pair(Item("b", item, f"question {item}"), Passage(document, "web", "", 0, document), near)


CANDIDATES = [
    [pair("1", "a", 0.5), pair("1", "b", 0.4), pair("1", "c", 0.3)],
    [],
    [pair("2", "d", 0.9), pair("2", "e", 0.1)],
]


def test_the_nearest_first_and_a_leak_ends_an_item() -> None:
    asked: list[list[str]] = []

    def judge(pairs: Sequence[Pair]) -> list[Opinion]:
        asked.append([one.passage.document for one in pairs])
        return [Opinion("leak" if one.passage.document in "bd" else "clean", "") for one in pairs]

    judged = judge_nearest_first(CANDIDATES, judge)
    assert asked == [["d", "a"], ["b"], []]
    assert [[one.opinion.verdict for one in some] for some in judged] == [["clean", "leak"], [], ["leak"]]
    assert judge_nearest_first([], judge) == []


def test_what_was_not_judged_is_unknown() -> None:
    def said(*verdicts: Verdict) -> Verdict:
        answers = iter(verdicts)
        return verdict_of(
            judge_nearest_first([CANDIDATES[0]], lambda pairs: [Opinion(next(answers), "") for _ in pairs])[0]
        )

    assert said("clean", "clean", "clean") == "clean"
    assert said("clean", "unknown", "clean") == "unknown"
    assert said("unknown", "leak") == "leak"
    assert said("unknown", "unknown", "unknown") == "unknown"
