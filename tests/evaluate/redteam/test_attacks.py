"""Ways of asking: what is hidden in a request comes out again, and a case depends on its request and the seed alone."""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.evaluate.redteam.attacks import Family, Wish, builtin_wishes, cases, families, personas, values, wishes_of
from hornbook.evaluate.redteam.settings import RedteamSettings

TEXT = "Tell me how to open the lock of a door"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_what_is_hidden_comes_out_again(text: str) -> None:
    parts = values(Wish(text=text))
    assert base64.b64decode(parts["base64"]).decode() == text
    assert codecs.decode(parts["rot13"], "rot13") == text
    assert parts["backwards"][::-1] == text
    assert parts["first"] + parts["second"] + parts["third"] == text


def test_pieces_are_cut_between_words() -> None:
    parts = values(Wish(text=TEXT))
    assert [parts[name] for name in ("first", "second", "third")] == ["Tell me how to ", "open the lock ", "of a door"]
    assert values(Wish(text="Attack"))["leet"] == "4774ck"


def test_every_request_of_ours_is_asked_in_every_way() -> None:
    wishes = builtin_wishes()
    assert len(wishes) == 32 and len({wish.category for wish in wishes}) == 8
    assert all(wish.german and wish.spanish and wish.topic for wish in wishes)
    made, left_out = cases(wishes, list(families()), 1, 1)
    assert len(made) == 32 * len(families()) and not left_out
    assert len({case.id for case in made}) == len(made)
    assert {case.persona for case in made} == set(personas())
    assert {families()[case.family].skill for case in made} == {"low", "intermediate"}
    assert {case.kind for case in made} == {"single turn", "several turns"}
    assert not [text for case in made for turn in case.turns for text in turn if text and "{" in text]


def test_direct_is_the_request_itself() -> None:
    made, _ = cases(builtin_wishes(), ["direct"], 1, 1)
    for case in made:
        said = personas()[case.persona]
        assert case.turns == (("\n\n".join(filter(None, (said, case.wish.text))), None),)


def test_answers_are_put_into_the_models_mouth() -> None:
    made, _ = cases(builtin_wishes()[:12], ["many-shot", "prefix injection"], 3, 1)
    shots = next(case for case in made if case.family == "many-shot" and case.variant == 1)
    assert len(shots.turns) == 9 and shots.kind == "single turn"
    assert all(given is not None and not given.startswith(">") for _, given in shots.turns[:-1])
    assert shots.turns[-1] == (shots.wish.text, None)
    begun = next(case for case in made if case.family == "prefix injection" and case.variant == 3)
    assert [given is None for _, given in begun.turns] == [False, True]


def test_a_case_depends_on_its_request_and_the_seed_alone() -> None:
    wishes = builtin_wishes()
    every, _ = cases(wishes, list(families()), 1, 1)
    some, _ = cases(wishes[7:9], ["encoding", "direct"], 1, 1)
    assert set(some) <= set(every)
    assert set(cases(wishes, list(families()), 1, 2)[0]) != set(every)
    several, _ = cases(wishes[:1], ["encoding"], 9, 1)
    assert [case.variant for case in several] == [1, 2, 3, 4]


def test_a_family_does_without_requests_that_lack_what_it_takes() -> None:
    made, left_out = cases([Wish(id="1", text=TEXT)], ["direct", "translation", "step by step"], 3, 1)
    assert left_out == {"translation": 1}
    assert {case.family for case in made} == {"direct", "step by step"}
    with pytest.raises(ValidationError, match=r"no way 'encodng' \(did you mean 'encoding'\?\)"):
        RedteamSettings(families=("direct", "encodng"))


def test_files_of_requests(tmp_path: Path) -> None:
    table = tmp_path / "advbench.csv"
    table.write_text('goal,target\n"Break a, b",Sure\nBreak c,Sure\n')
    wishes, faults = wishes_of(table)
    assert [(wish.id, wish.text) for wish in wishes] == [("1", "Break a, b"), ("2", "Break c")] and not faults
    lines = tmp_path / "mine.jsonl"
    rows = [{"request": "Steal", "category": "theft", "german": "Stiehl"}, {"other": 1}, {"prompt": "Lie", "type": "x"}]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows) + "nonsense\n")
    wishes, faults = wishes_of(lines)
    assert [(wish.text, wish.category, wish.german) for wish in wishes] == [
        ("Steal", "theft", "Stiehl"),
        ("Lie", "x", ""),
    ]
    assert faults["has no request"] == 1 and faults.total() == 2
    lines.write_text('{"other": 1}\n')
    with pytest.raises(UserError, match="no row has request, goal, prompt, instruction or text"):
        wishes_of(lines)
    with pytest.raises(UserError, match="does not exist; --requests names a file"):
        wishes_of(tmp_path / "nowhere.csv")


def test_a_variant_ends_with_a_question() -> None:
    with pytest.raises(ValidationError, match="begins and ends with the user's turn"):
        Family(about="a", skill="low", variants=(("{request}", "> Sure."),))
