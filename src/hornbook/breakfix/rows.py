"""Conversations become rows: what got through is declined, and look-alikes are answered as the model answered them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hornbook.breakfix.settings import FixSettings
from hornbook.files import read_toml
from hornbook.seeds import stream
from hornbook.settings import Settings, validated

_PAGE = Path(__file__).parent / "refusals.toml"
_BARE = 0.25  # of refusals that say no more than that they are some
_PAIRS = 0.3  # of a round's tokens that pairs may have
_SENTENCE = re.compile(r"""[.!?]["')*]*(?=\s|$)""")

Row = Mapping[str, Any]
Count = Callable[[Sequence[dict[str, str]], str], int]  # tokens of a conversation with an answer


class _Refusals(Settings):
    openings: tuple[str, ...]
    reasons: tuple[str, ...]
    about: dict[str, str]


@cache
def _refusals() -> _Refusals:
    return validated(_Refusals, read_toml(_PAGE), "the page", f"{_PAGE.name}: ")


def openings() -> tuple[str, ...]:
    """How refusals begin; some say no more."""
    return _refusals().openings


def refusal(of: str, category: str, seed: int) -> str:
    """How a conversation with the id `of` is declined; the same for the same seed."""
    page, draw = _refusals(), stream(seed, "breakfix", "refusal", of)
    opening = draw.choice(page.openings)
    if draw.random() < _BARE:
        return opening
    return f"{opening} {page.about.get(category) or draw.choice(page.reasons)}"


def got_through(rows: Sequence[Row]) -> list[Row]:
    """Conversations that the model complied in, in whole or in part."""
    return [row for row in rows if row.get("verdict") in ("compliance", "partial")]


def refuses(row: Row) -> bool:
    """Whether a look-alike was declined, in whole or in part, as XSTest counts it."""
    return row.get("verdict") in ("refusal", "partial")


def answered(rows: Sequence[Row]) -> list[Row]:
    """Look-alikes that a model answered, each answer up to the end of its last whole sentence; those without one,
    refused ones and unknown ones are left out.
    """
    found: list[Row] = []
    for row in rows:
        if "verdict" in row and not refuses(row):
            text = _whole(row["messages"][-1]["content"])
            if text:
                found.append({**row, "messages": [*row["messages"][:-1], {"role": "assistant", "content": text}]})
    return found


def _whole(text: str) -> str:
    """A text up to the end of its last sentence: to be cut would teach to stop anywhere. A list's number ends none."""
    lines = [
        (match.end(), text[text.rfind("\n", 0, match.start()) + 1 : match.start()])
        for match in _SENTENCE.finditer(text)
    ]
    ends = [end for end, line in lines if not line.strip().isdigit()]
    return text[: ends[-1]].strip() if ends else ""


@dataclass(frozen=True)
class Lesson:
    """What a round learns: `conversations`, whose last answer is learnt, and `preferences`, two answers to one."""

    conversations: list[dict[str, Any]]
    preferences: list[dict[str, Any]]

    def told(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        kinds = [(name, row["kind"]) for name in ("conversations", "preferences") for row in getattr(self, name)]
        return {f"{kind} {name}": kinds.count((name, kind)) for name, kind in dict.fromkeys(kinds)}


def lesson(
    through: Sequence[Row],
    earlier: Sequence[Row],
    harmless: Sequence[Row],
    settings: FixSettings,
    *,
    seed: int,
    budget: int,
    count: Count,
) -> Lesson:
    """Rows of at most `budget` tokens, as `count` has them.

    through: what got through in this round; earlier: in those before, those that are needed most first: a round of
    which little got through would unlearn to decline without them. harmless: look-alikes with the answers that they
    shall have, the most needed first.
    """
    declined = [*_shuffled(through, seed), *earlier][: settings.rows]
    mixed = list(_mixed(declined, harmless, settings.look_alikes if harmless else 0.0))
    share = _PAIRS if settings.preferences else 0.0
    conversations = _within(
        (_conversation(*one, seed) for one in mixed),
        lambda row: count(row["prompt"], row["completion"][0]["content"]) * settings.sft.epochs,
        budget * (1 - share),
    )
    pairs = _within(
        (_pair(*one, seed) for one in mixed[: settings.preferences]),
        lambda row: sum(count(row["messages"], row[name]) for name in ("chosen", "rejected")) * settings.dpo.epochs,
        budget * share,
    )
    return Lesson(conversations, pairs)


def _shuffled(rows: Sequence[Row], seed: int) -> list[Row]:
    order = list(rows)
    stream(seed, "breakfix", "rows").shuffle(order)
    return order


def _mixed(declined: Sequence[Row], harmless: Sequence[Row], share: float) -> Iterator[tuple[str, Row]]:
    """Rows of both kinds in turn, `share` harmless ones for each that is declined, as long as there are any."""
    taken = 0
    for number, row in enumerate(declined, start=1):
        if share and int((number - 1) * share) > len(harmless):
            return
        yield "declined", row
        while taken < min(len(harmless), int(number * share)):
            yield "answered", harmless[taken]
            taken += 1


def _within(
    rows: Iterator[dict[str, Any]], cost: Callable[[dict[str, Any]], float], budget: float
) -> list[dict[str, Any]]:
    """The first rows that cost no more than the budget together."""
    found = []
    for row in rows:
        budget -= cost(row)
        if budget < 0:
            break
        found.append(row)
    return found


def _conversation(kind: str, row: Row, seed: int) -> dict[str, Any]:
    *asked, last = row["messages"]
    text = refusal(row["id"], row["category"], seed) if kind == "declined" else last["content"]
    return {**_about(kind, row), "prompt": asked, "completion": [{"role": "assistant", "content": text}]}


def _pair(kind: str, row: Row, seed: int) -> dict[str, Any]:
    *asked, last = row["messages"]
    no = refusal(row["id"], row["category"], seed)
    chosen, rejected = (no, last["content"]) if kind == "declined" else (last["content"], no)
    return {**_about(kind, row), "messages": asked, "chosen": chosen, "rejected": rejected}


def _about(kind: str, row: Row) -> dict[str, Any]:
    return {"kind": kind, "id": row["id"], "family": row["family"]}
