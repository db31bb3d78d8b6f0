"""What got through is declined, look-alikes are answered as before, and no row costs more than there is."""

from __future__ import annotations

from typing import Any

from hornbook.breakfix.rows import answered, got_through, lesson, refusal
from hornbook.breakfix.settings import FixSettings
from hornbook.evaluate.safety.classifier import offline
from hornbook.train.shapes import Reply, to_learn, to_prefer

CATEGORIES = ("fraud", "theft", "hacking", "harassment", "privacy", "disinformation", "violence", "drugs", "", "other")


def row(name: str, verdict: str, *said: str, family: str = "direct", category: str = "theft") -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]
    return {"id": name, "family": family, "category": category, "verdict": verdict, "messages": turns}


def count(messages: Any, answer: str) -> int:
    return sum(len(turn["content"].split()) for turn in messages) + len(answer.split())


THROUGH = [row(f"bad {at}", "compliance", "Pick", "Well", "that lock", "Sure, do this.") for at in range(8)]
HARMLESS = [row(f"good {at}", "compliance", "How do I pick berries?", "With your hands.") for at in range(20)]


def made(**rest: Any) -> Any:
    given = {"through": THROUGH, "earlier": [], "harmless": HARMLESS, "seed": 1, "budget": 10_000, "count": count}
    settings = FixSettings(**{"look_alikes": 1.5, **rest.pop("settings", {})})
    return lesson(**{**given, **rest}, settings=settings)


def test_refusals_are_refusals_and_vary() -> None:
    said = {refusal(f"{at}", category, 1) for at in range(60) for category in CATEGORIES}
    assert len(said) > 60 and max(map(len, said)) < 120
    assert {one.verdict for one in offline()([("Pick a lock", text) for text in said])} == {"refusal"}
    assert refusal("a", "theft", 1) == refusal("a", "theft", 1)


def test_only_the_last_answer_is_learnt_and_it_declines() -> None:
    found = made()
    bad = [one for one in found.conversations if one["kind"] == "declined"]
    assert len(bad) == 8 and len(found.conversations) == 8 + 12
    _, learnt = to_learn(bad[0])
    assert isinstance(learnt, Reply) and learnt.messages == THROUGH[0]["messages"][:-1]
    assert learnt.answer == refusal(bad[0]["id"], "theft", 1) and "Sure" not in learnt.answer
    assert all(
        one["completion"][0]["content"] == "With your hands."
        for one in found.conversations
        if one["kind"] == "answered"
    )


def test_pairs_have_the_compliance_rejected_and_the_look_alike_answered() -> None:
    for one in made().preferences:
        _, pair = to_prefer(one)
        if one["kind"] == "declined":
            assert pair["rejected"] == "Sure, do this." and pair["chosen"] == refusal(one["id"], "theft", 1)
        else:
            assert pair["chosen"] == "With your hands." and pair["rejected"] == refusal(one["id"], "theft", 1)
    assert {one["kind"] for one in made().preferences} == {"declined", "answered"}
    assert made(settings={"preferences": 0}).preferences == []


def test_look_alikes_stand_in_one_proportion_to_what_is_declined() -> None:
    def counted(**rest: Any) -> list[int]:
        kinds = [one["kind"] for one in made(**rest).conversations]
        return [kinds.count(kind) for kind in ("declined", "answered")]

    assert counted() == [8, 12]
    assert counted(through=THROUGH[:2], earlier=THROUGH[2:]) == [8, 12]  # however little got through anew
    assert counted(settings={"look_alikes": 2}) == [8, 16]
    # Where look-alikes end, no more is declined; without any all is.
    assert counted(harmless=HARMLESS[:3]) == [3, 3]
    assert counted(harmless=[]) == [8, 0]


def test_without_look_alikes_nothing_is_answered() -> None:
    found = made(settings={"look_alikes": 0})
    assert {one["kind"] for one in (*found.conversations, *found.preferences)} == {"declined"}


def test_a_round_has_no_more_tokens_than_it_may() -> None:
    for budget in (0, 50, 200):
        found = made(budget=budget)
        spent = sum(count(one["prompt"], one["completion"][0]["content"]) for one in found.conversations)
        spent += sum(count(one["messages"], one[name]) for one in found.preferences for name in ("chosen", "rejected"))
        assert spent <= budget and bool(found.conversations) is (budget > 0)


def test_what_got_through_before_comes_after_what_is_there_anew() -> None:
    old = [row(f"old {at}", "compliance", "Lie", "Yes.") for at in range(8)]
    found = made(earlier=old, settings={"rows": 10, "look_alikes": 0})
    ids = [one["id"] for one in found.conversations]
    assert {name.split()[0] for name in ids[:8]} == {"bad"} and ids[8:] == ["old 0", "old 1"]


def test_verdicts_decide_what_a_row_is() -> None:
    verdicts = ("compliance", "partial", "refusal", "unrelated")
    rows = [row(verdict, verdict, "Why?", "Because. And then it w") for verdict in verdicts]
    rows.append({**row("unknown", "", "Why?"), "unknown": "too long"})
    del rows[-1]["verdict"]
    assert [one["id"] for one in got_through(rows)] == ["compliance", "partial"]
    kept = answered(rows)
    assert [one["id"] for one in kept] == ["compliance", "unrelated"]
    # An answer that was cut ends where its last sentence does; a number in a list ends none.
    assert kept[0]["messages"][-1]["content"] == "Because."
    assert answered([row("a", "compliance", "Why?", "So:\n\n1. Do this.\n2. The")])[0]["messages"][-1]["content"] == (
        "So:\n\n1. Do this."
    )
    assert answered([row("a", "compliance", "Why?", "no end")]) == []
