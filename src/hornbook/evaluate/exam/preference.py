"""Which of two results' answers an LLM prefers, each pair shown in both orders, and how often it agrees with itself.

As MT-Bench judges pairs (Zheng et al. 2023): an answer wins where it is preferred in both orders; a judge that is for
the first or for the second whichever it is, is undecided, which is a tie and is told apart. What it fails to say is
unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import share, sign_test
from hornbook.evaluate.exam.compare import results, rows
from hornbook.evaluate.exam.grading import MAX_TOKENS, SYSTEM, shortened
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.client.schema import reasoned
from hornbook.teacher.interface import Message

if TYPE_CHECKING:
    from hornbook.teacher.client.client import Client

SCHEMA = reasoned(60, better={"type": "string", "enum": ["first", "second", "equal"]})
_OTHER = {"first": "second", "second": "first", "equal": "equal"}


@dataclass(frozen=True)
class Pair:
    """Answers to one turn of a row, and what was said of them: `better` in the order A, B, then in the order B, A.

    In both `first` is A's. Empty where the judge failed, and `unknown` says why.
    """

    id: str
    turn: int
    better: tuple[str, str]
    reasons: tuple[str, str]
    unknown: str = ""

    @property
    def score(self) -> float:
        """1 where B's answer is preferred in both orders, 0 where A's is, else a half."""
        return {("second", "second"): 1.0, ("first", "first"): 0.0}.get(self.better, 0.5)


@dataclass(frozen=True)
class Preference:
    """One benchmark of two results. preferred: of B, the mean over rows with a half for ties.

    gained, lost: rows where B is preferred, and where A is; p: of the exact sign test on these. agreement: the share of
    pairs of which the judge says the same in both orders. first: of its choices those for the answer shown first.
    unknown: pairs by reason.
    """

    name: str
    title: str
    preferred: Mapping[str, Any]
    gained: int
    lost: int
    p: float
    agreement: Mapping[str, Any]
    first: Mapping[str, Any]
    unknown: Mapping[str, int]
    pairs: tuple[Pair, ...]

    def figures(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def preferences(first: Path, second: Path, client: Client) -> list[Preference]:
    """Every benchmark with graded answers that two result folders share. Raises UserError where they share none, and
    where the endpoint cannot be used or a budget ends.
    """
    one, other = (results(folder)["benchmarks"] for folder in (first, second))
    shared = [name for name in one if name in other and "rubric" in one[name]]
    if not shared:
        raise UserError(f"{first} and {second} share no benchmark whose answers an LLM judges, such as mt_bench")
    return [_preference(name, one[name], first, second, client) for name in shared]


def _preference(name: str, figures: Mapping[str, Any], first: Path, second: Path, client: Client) -> Preference:
    ours, others = ({row["id"]: row for row in rows(folder, name)} for folder in (first, second))
    both = [id_ for id_ in ours if id_ in others and None not in (ours[id_]["answer"], others[id_]["answer"])]
    if any(ours[id_]["prompt"] != others[id_]["prompt"] for id_ in both):
        raise UserError(f"{name}: {first} and {second} asked different questions under one number; ask both again")
    grades = figures["rubric"]["grades"]
    shown = [(id_, *one) for id_ in both for one in _shown(ours[id_], others[id_], grades)]
    requests = [_request(text) for _, _, texts in shown for text in texts]
    with closing(client.ask(requests, total=len(requests), label="judge pairs")) as answers:
        told = list(answers)
    pairs = tuple(_pair(id_, turn, *told[2 * at : 2 * at + 2]) for at, (id_, turn, _) in enumerate(shown))
    return _summary(name, figures["title"], pairs)


def _summary(name: str, title: str, pairs: tuple[Pair, ...]) -> Preference:
    lacking = {pair.id for pair in pairs if pair.unknown}
    by: dict[str, list[float]] = {}
    for pair in pairs:
        if pair.id not in lacking:
            by.setdefault(pair.id, []).append(pair.score)
    scores = [fmean(some) for some in by.values()]
    gained, lost = (sum(sign * (score - 0.5) > 0 for score in scores) for sign in (1, -1))
    known = [pair.better for pair in pairs if not pair.unknown]
    firsts = Counter(place for a, b in known for place in (a, _OTHER[b]))  # of the second order the first is B's
    return Preference(
        name,
        title,
        share(sum(scores), len(scores)),
        gained,
        lost,
        sign_test(gained, lost),
        share(sum(a == b for a, b in known), len(known)),
        share(firsts["first"], firsts["first"] + firsts["second"]),
        dict(Counter(pair.unknown for pair in pairs if pair.unknown)),
        pairs,
    )


def _pair(id_: str, turn: int, forth: Answer, back: Answer) -> Pair:
    """What a judge said of a pair in both orders, of the second one with the places as in the first."""
    failed = next((answer.failure for answer in (forth, back) if not answer.ok), None)
    if failed is not None:
        return Pair(id_, turn, ("", ""), ("", ""), f"the judge's answer is {failed}")
    better = forth.value["better"], _OTHER[back.value["better"]]
    return Pair(id_, turn, better, (forth.value["reason"].strip(), back.value["reason"].strip()))


def _shown(
    ours: Mapping[str, Any], others: Mapping[str, Any], grades: Mapping[str, str]
) -> Iterator[tuple[int, tuple[str, str]]]:
    """Each turn's number, and what a judge reads of it in both orders."""
    asked = ours.get("turns") or [ours["prompt"]]
    answers = [one["answer"] if isinstance(one["answer"], list) else [one["answer"]] for one in (ours, others)]
    for at in range(len(asked)):
        talks = [_talk(asked[: at + 1], some[: at + 1]) for some in answers]
        yield at + 1, (_text(talks, at, grades), _text(talks[::-1], at, grades))


def _talk(asked: Sequence[str], answered: Sequence[str]) -> str:
    pairs = zip(asked, answered, strict=True)
    return "\n\n".join(f"Asked:\n{shortened(said)}\n\nAnswered:\n{shortened(answer)}" for said, answer in pairs)


def _text(talks: Sequence[str], at: int, grades: Mapping[str, str]) -> str:
    first, second = talks
    what = "last answers, each as what follows its own earlier ones" if at else "answers"
    told = "".join(f"\n- {name}: {of}" for name, of in grades.items())
    return (
        f"Two writers were asked the same; answers may have been cut off.\n\n<first>\n{first}\n</first>\n\n"
        f"<second>\n{second}\n</second>\n\nCompare the two {what}:{told}\n\nWhich of them stands first is chance, "
        'and says nothing. Say why in at most 60 words, then which is better: "first", "second", or "equal".'
    )


def _request(text: str) -> Request:
    messages = (Message("system", SYSTEM), Message("user", text))
    return Request(messages, schema=SCHEMA, temperature=0.0, max_tokens=MAX_TOKENS)
