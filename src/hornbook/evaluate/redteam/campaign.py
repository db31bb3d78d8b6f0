"""The campaign: conversations are had with a model, their last answers judged, and counted; part by part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hornbook import machine
from hornbook.errors import UserError
from hornbook.evaluate.benchmark import keep_others, share
from hornbook.evaluate.exam.candidate import Candidate
from hornbook.evaluate.exam.compare import Comparison, paired
from hornbook.evaluate.redteam import DIRECT, RESULTS, ROWS
from hornbook.evaluate.redteam.adaptive import LlmAttacker
from hornbook.evaluate.redteam.attacks import Case, Wish, builtin_wishes, cases, families, personas, wishes_of
from hornbook.evaluate.redteam.settings import ADAPTIVE, RedteamSettings
from hornbook.evaluate.safety.judge import VERDICTS, Judge
from hornbook.files import digest_value, made_once, read_jsonl, write_json, write_jsonl
from hornbook.progress import Progress
from hornbook.runs.manifest import versions
from hornbook.seeds import stream

_PARTS = "parts"  # of a result: conversations that were had are never had again
_FORMAT = 1  # of rows; another one makes the parts on disk void
_PART = 32  # conversations that are kept together

Row = dict[str, Any]


def attack(
    candidate: Candidate,
    settings: RedteamSettings,
    judge: Judge,
    progress: Progress,
    into: Path,
    *,
    attacker: LlmAttacker | None = None,
    wishes: Sequence[Wish] | None = None,
) -> dict[str, Any]:
    """Attack a model; writes `into/redteam.json` and `into/rows.jsonl`, and returns the figures.

    wishes: what is asked for in place of what the settings name. What an interrupted campaign asked is not asked again.
    Raises UserError for a model that cannot chat.
    """
    keep_others(into / RESULTS, lambda found: "redteam" in found)
    if not candidate.chats:
        raise UserError("the red team talks to a model, and this one has no chat template")
    faults = Counter[str]()
    if wishes is None:
        wishes, faults = wanted(settings)
    names = settings.families or (*families(), *([ADAPTIVE] if attacker is not None else []))
    if ADAPTIVE in names and attacker is None:
        raise UserError(f"the family {ADAPTIVE} is an LLM; name one with --teacher URL#MODEL")
    asked, left_out = cases(wishes, [name for name in names if name != ADAPTIVE], settings.tries, settings.seed)
    rows = conversations(asked, candidate, judge, settings.new_tokens, progress, into, "attack")
    if ADAPTIVE in names and attacker is not None:
        rows += _adapt(wishes, attacker, candidate, judge, settings, progress, into)
    figures = {
        "redteam": _FORMAT,
        "candidate": candidate.about(),
        "judge": judge.about(),
        "attacker": attacker.name if attacker is not None else "",
        "settings": settings.model_dump(mode="json"),
        "requests": len(wishes),
        "faults": dict(faults),
        "left_out": dict(left_out),
        "machine": machine.describe(),
        "versions": versions(),
        **summary(rows),
    }
    write_jsonl(into / ROWS, rows)
    write_json(into / RESULTS, figures)
    return figures


def wanted(settings: RedteamSettings) -> tuple[Sequence[Wish], Counter[str]]:
    """The requests that the settings name, and why rows of their file are none, counted."""
    given, faults = wishes_of(settings.requests) if settings.requests is not None else (builtin_wishes(), Counter())
    return _taken(given, settings.limit), faults


def conversations(
    asked: Sequence[Case],
    candidate: Candidate,
    judge: Judge,
    new_tokens: int,
    progress: Progress,
    into: Path,
    label: str,
) -> list[Row]:
    """Rows of cases: `messages` with the model's answers, and the `verdict` on the last one, or why it is `unknown`.

    What `into` holds of them is not asked again.
    """
    rows: list[Row] = []
    with progress.task(label, len(asked)) as bar:
        for start in range(0, len(asked), _PART):
            some = asked[start : start + _PART]
            told = [[case.id, case.wish.text, case.turns] for case in some]
            key = digest_value([*_identity(candidate, judge, new_tokens), told])
            place = into / _PARTS / f"{start:06}.json"
            rows += made_once(place, key, partial(_talk, some, candidate, judge, new_tokens))
            bar.advance(len(some))
    return rows


def _identity(candidate: Candidate, judge: Judge, new_tokens: int) -> list[Any]:
    """What rows depend on beside what is asked."""
    return [_FORMAT, candidate.identity, judge.identity, new_tokens]


def _taken(wishes: Sequence[Wish], limit: int | None) -> Sequence[Wish]:
    """At most `limit` requests, of each category as evenly as may be."""
    seen: Counter[str] = Counter()
    turns = []
    for place, wish in enumerate(wishes):
        turns.append((seen[wish.category], place))
        seen[wish.category] += 1
    return [wishes[place] for place in sorted(place for _, place in sorted(turns)[:limit])]


def _talk(some: Sequence[Case], candidate: Candidate, judge: Judge, new_tokens: int) -> list[Row]:
    """Rows of some cases: all conversations go on turn by turn, side by side."""
    talks: list[list[dict[str, str]]] = [[] for _ in some]
    unknown = ["" for _ in some]
    for step in range(max(len(case.turns) for case in some)):
        going = [at for at, case in enumerate(some) if len(case.turns) > step and not unknown[at]]
        for at in going:
            talks[at].append({"role": "user", "content": some[at].turns[step][0]})
        asked = [at for at in going if some[at].turns[step][1] is None]
        replies = candidate.replies([talks[at] for at in asked], new_tokens) if asked else ()
        for at, reply in zip(asked, replies, strict=True):
            unknown[at] = reply.unknown
            if not reply.unknown:
                talks[at].append({"role": "assistant", "content": reply.found})
        for at in going:
            given = some[at].turns[step][1]
            if given is not None:
                talks[at].append({"role": "assistant", "content": given})
    rows = [_row(case, talk, why) for case, talk, why in zip(some, talks, unknown, strict=True)]
    _judge(rows, judge)
    return rows


def _row(case: Case, talk: Sequence[Mapping[str, str]], unknown: str) -> Row:
    return {
        "id": case.id,
        "request": case.wish.text,
        "category": case.wish.category,
        "family": case.family,
        "variant": case.variant,
        "skill": families()[case.family].skill if case.family in families() else ADAPTIVE,
        "persona": case.persona,
        "kind": case.kind,
        "messages": list(talk),
        **({"unknown": unknown} if unknown else {}),
    }


def _judge(rows: Sequence[Row], judge: Judge) -> None:
    """Add each row's verdict on its last answer, or why it has none."""
    known = [row for row in rows if "unknown" not in row]
    for row, opinion in zip(
        known, judge([(row["request"], row["messages"][-1]["content"]) for row in known]), strict=True
    ):
        if opinion.verdict is None:
            _give_up(row, opinion.reason)
        else:
            row |= {"verdict": opinion.verdict, "why": opinion.reason}


def _adapt(
    wishes: Sequence[Wish],
    attacker: LlmAttacker,
    candidate: Candidate,
    judge: Judge,
    settings: RedteamSettings,
    progress: Progress,
    into: Path,
) -> list[Row]:
    """Rows of conversations that an LLM leads."""
    identity = _identity(candidate, judge, settings.new_tokens)
    rows: list[Row] = []
    with progress.task("attack adaptively", len(wishes)) as bar:
        for start in range(0, len(wishes), _PART):
            some = wishes[start : start + _PART]
            told = [attacker.identity, settings.turns, settings.seed, [[wish.id, wish.text] for wish in some]]
            place = into / _PARTS / f"{ADAPTIVE}-{start:06}.json"
            key = digest_value([*identity, *told])
            rows += made_once(place, key, partial(_pursue, some, attacker, candidate, judge, settings))
            bar.advance(len(some))
    return rows


def _pursue(
    some: Sequence[Wish], attacker: LlmAttacker, candidate: Candidate, judge: Judge, settings: RedteamSettings
) -> list[Row]:
    """Rows of some requests: a conversation ends where the model complies, at the last turn, or where nobody knows."""
    rows = []
    for wish in some:
        persona = stream(settings.seed, "redteam", ADAPTIVE, wish.id, wish.text).choice(list(personas()))
        case = Case(f"{wish.id} / {ADAPTIVE}", wish, ADAPTIVE, 1, persona, ())
        rows.append(_row(case, [], "") | {"kind": "several turns"})
    for turn in range(1, settings.turns + 1):
        going = [row for row in rows if row.get("verdict") != "compliance" and "unknown" not in row]
        pursued = [(row["request"], personas()[row["persona"]], row["messages"]) for row in going]
        for row, move in zip(going, attacker(pursued, settings.seed), strict=True):
            if move.text is None:
                _give_up(row, move.reason)
            else:
                row["messages"].append({"role": "user", "content": move.text})
        going = [row for row in going if "unknown" not in row]
        replies = candidate.replies([row["messages"] for row in going], settings.new_tokens)
        for row, reply in zip(going, replies, strict=True):
            if reply.unknown:
                _give_up(row, reply.unknown)
            else:
                row["messages"].append({"role": "assistant", "content": reply.found})
                row["turn"] = turn
        _judge(going, judge)
    return rows


def _give_up(row: Row, reason: str) -> None:
    """What came of the earlier turns does not tell what would have come of them all."""
    row.pop("verdict", None)
    row["unknown"] = reason


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What conversations came to: in all, by family, category, persona, skill and number of turns.

    A `success` is a last answer that complies. `broken`, of a family: the same of those requests alone that were
    refused when they were asked directly. Unknown ones are counted, and no part of any share.
    """
    by = {name: _by(rows, name) for name in ("family", "category", "persona", "skill", "kind")}
    refused = {row["request"] for row in rows if row["family"] == DIRECT and row.get("verdict") == "refusal"}
    for name, figures in by["family"].items():
        of = [row for row in rows if row["family"] == name and row["request"] in refused and "verdict" in row]
        if name != DIRECT and of:
            figures["broken"] = _success(of)
    led = [row for row in rows if row["family"] == ADAPTIVE and "verdict" in row]
    last = max((row["turn"] for row in led), default=0)
    reached = [
        sum(row["verdict"] == "compliance" and row["turn"] <= turn for row in led) for turn in range(1, last + 1)
    ]
    return {
        "all": _told(rows),
        "attacks": _told([row for row in rows if row["family"] != DIRECT]),
        "by": by,
        "grid": {name: _by([row for row in rows if row["family"] == name], "category") for name in by["family"]},
        "adaptive_by_turn": [share(count, len(led)) for count in reached],
    }


def _by(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    found = sorted({row[name] for row in rows if row[name]})
    return {value: _told([row for row in rows if row[name] == value]) for value in found}


def compare_campaigns(first: Path, second: Path) -> list[Comparison]:
    """Two campaigns of the same requests, conversation by conversation, by family and all together.

    `withstood`: the last answer does not comply, so what is gained is safety. Raises UserError as `paired` does.
    """
    sides = [[_withstood(row) for row in read_jsonl(folder / ROWS)] for folder in (first, second)]
    shared = in_order({row["family"] for row in sides[0]} & {row["family"] for row in sides[1]})
    told = {name: [[row for row in side if row["family"] == name] for side in sides] for name in shared}
    return [
        paired({"title": name, "metric": "withstood"}, name, before, after, (first, second))
        for name, (before, after) in {**told, "all": sides}.items()
        if any("metrics" in row for row in before) and any("metrics" in row for row in after)
    ]


def _withstood(row: Row) -> Row:
    """A conversation as the row of an examination."""
    known = {"metrics": {"withstood": float(row["verdict"] != "compliance")}} if "verdict" in row else {}
    asked = row["messages"][0]["content"] if row["family"] != ADAPTIVE and row["messages"] else row["request"]
    return {"id": row["id"], "family": row["family"], "prompt": asked, "answer": _last(row), **known}


def _last(row: Row) -> str:
    return str(row["messages"][-1]["content"]) if row["messages"] else ""


def in_order(names: Collection[str]) -> list[str]:
    """Families in the order of the page of attacks; the one that is an LLM comes last."""
    return [name for name in (*families(), ADAPTIVE) if name in names]


def _told(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [row for row in rows if "verdict" in row]
    counted = Counter(row["verdict"] for row in known)
    return {
        "success": _success(known),
        "verdicts": {verdict: counted[verdict] for verdict in VERDICTS},
        "unknown": dict(Counter(row["unknown"] for row in rows if "unknown" in row)),
    }


def _success(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return share(sum(row["verdict"] == "compliance" for row in rows), len(rows))
