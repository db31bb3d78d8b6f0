import ast
import itertools

import pytest

from hornbook.sandbox.sandbox import Sandbox
from hornbook.teacher.builtin import safety
from hornbook.teacher.builtin.exercises.draw import drawings, exercise
from hornbook.teacher.builtin.preferences import preferences
from hornbook.teacher.checks import rejected_is_wrong
from hornbook.teacher.interface import Preference
from hornbook.teacher.settings import PreferenceShares


@pytest.fixture(scope="module")
def made() -> list[Preference]:
    exercises = [exercise(drawn) for drawn in itertools.islice(drawings(2), 400)]
    found = preferences(exercises, PreferenceShares().model_dump(), 200, seed=2)
    assert None not in found
    return [one for one in found if one is not None]


def test_kinds_follow_the_shares(made: list[Preference]) -> None:
    counts = {kind: sum(one.kind == kind for one in made) for kind in PreferenceShares().model_dump()}
    assert counts == {"completion": 64, "chat": 64, "beyond": 16, "refusal": 32, "harmless": 24}


def test_they_have_a_prompt_or_messages(made: list[Preference]) -> None:
    for one in made:
        assert bool(one.prompt) == (one.kind == "completion")
        assert bool(one.messages) != bool(one.prompt)
        assert one.chosen != one.rejected


def test_nearly_all_rejected_bodies_are_wrong(made: list[Preference]) -> None:
    with Sandbox(allow_unisolated=True) as sandbox:
        wrong = rejected_is_wrong(made, sandbox)
    assert sum(wrong) > 0.9 * len(made)


def test_chosen_and_rejected_code_look_alike(made: list[Preference]) -> None:
    for one in made:
        assert len(one.compositions) == (one.trial is not None)
        if one.trial is not None:
            ast.parse(one.trial.source)
            chosen = ast.parse(one.prompt + one.chosen).body[0]
            rejected = ast.parse(one.prompt + one.rejected).body[0]
            assert isinstance(chosen, ast.FunctionDef) and isinstance(rejected, ast.FunctionDef)
            assert ast.dump(chosen.args) == ast.dump(rejected.args)
            assert chosen.name == rejected.name == one.trial.function


def test_refusals_are_chosen_for_harm_only(made: list[Preference]) -> None:
    kept_back = {request.text for request in safety.harmful("test") + safety.harmless("test")}
    for one in made:
        if one.trial is None:
            assert one.chosen.startswith(safety.REFUSAL) == (one.kind == "refusal")
            assert one.rejected.startswith(safety.REFUSAL) == (one.kind in ("harmless", "beyond"))
            assert one.messages[0].content not in kept_back
