import ast
import itertools
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.teacher.builtin import chatter, safety
from hornbook.teacher.builtin.conversations import LONGEST, LONGEST_FOLLOW_UP, code, conversations, kinds_for, question
from hornbook.teacher.builtin.exercises.draw import drawings, exercise
from hornbook.teacher.checks import malformed
from hornbook.teacher.interface import Conversation, Exercise
from hornbook.teacher.kinds.folder import chat_row
from hornbook.teacher.settings import ConversationShares
from hornbook.train.shapes import Completion, to_learn

SHARES = {kind: share / 2 for kind, share in ConversationShares().model_dump().items()} | {"completion": 0.5}


@pytest.fixture(scope="module")
def exercises() -> list[Exercise]:
    return [exercise(drawn) for drawn in itertools.islice(drawings(2), 800)]


@pytest.fixture(scope="module")
def made(exercises: list[Exercise]) -> list[Conversation]:
    return conversations(exercises, SHARES, 600, seed=2)


def test_kinds_follow_the_shares(made: list[Conversation]) -> None:
    counts = dict(Counter(one.kind for one in made))
    assert counts == {kind: round(600 * share) for kind, share in SHARES.items()}


def test_they_are_short_and_alternate(made: list[Conversation]) -> None:
    for one in made:
        if one.kind == "completion":
            assert not one.messages and one.prompt.endswith('"""\n') and one.completion.startswith("    ")
            continue
        assert sum(len(message.content) for message in one.messages) <= (
            LONGEST_FOLLOW_UP if one.kind == "follow_up" else LONGEST
        )
        assert [message.role for message in one.messages] == ["user", "assistant"] * (len(one.messages) // 2)
        assert all(message.content == message.content.strip() for message in one.messages)
        assert len(one.messages) == (4 if one.kind == "follow_up" else 2)


def test_tasks_are_answered_with_just_the_function(made: list[Conversation]) -> None:
    for one in made:
        if one.kind in ("task", "follow_up") and one.messages[-1].content.startswith("def "):
            asked, answer = one.messages[-2].content, one.messages[-1].content
            (function,) = ast.parse(answer).body
            assert isinstance(function, ast.FunctionDef)
            assert ast.get_docstring(function) is None
            assert f"{function.name}({', '.join(argument.arg for argument in function.args.args)})" in asked


def test_they_say_what_their_functions_are_composed_of(exercises: list[Exercise], made: list[Conversation]) -> None:
    known = {code(one): one.composition for one in exercises} | {one.body: one.composition for one in exercises}
    for one in made:
        told = [*(message.content for message in one.messages if message.role == "assistant"), one.completion]
        assert one.compositions == tuple(known[text] for text in told if text in known)
    assert {len(one.compositions) for one in made} == {0, 1, 2}
    theirs = [replace(one, ours=False) for one in exercises]
    assert not any(one.compositions for one in conversations(theirs, SHARES, 300, seed=2))


def test_no_exercise_is_used_twice(made: list[Conversation]) -> None:
    tasks = [one.messages[-1].content for one in made if one.kind in ("task", "follow_up")]
    tasks = [answer for answer in tasks if answer.startswith("def ")]
    assert len(set(tasks)) == len(tasks) > 150


def test_refusals_refuse_training_prompts_only(made: list[Conversation]) -> None:
    kept_back = {request.text for request in safety.harmful("test") + safety.harmless("test")}
    for one in made:
        if one.kind == "completion":
            continue
        assert one.messages[0].content not in kept_back
        if one.kind != "follow_up":
            assert one.messages[-1].content.startswith(safety.REFUSAL) == (one.kind == "refusal")


def test_question_and_code_belong_together(exercises: list[Exercise]) -> None:
    from random import Random

    for one in exercises[:50]:
        assert one.phrase in question(one, Random(1))
        assert code(one) + "\n" == one.text.replace(f'    """{one.docstring}"""\n', "")


def test_without_exercises_there_is_small_talk() -> None:
    made = conversations([], {"task": 1.0}, 5, seed=1)
    assert len(made) == 5
    assert all(one is not None and len(one.messages) == 2 for one in made)


def test_small_talk_leaves_no_slot_open() -> None:
    from random import Random

    for topic in chatter.TOPICS:
        for seed in range(40):
            assert not any("{" in text for text in chatter.exchange(topic, Random(seed)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 300))
def test_shares_are_kept_to_the_nearest_whole(weights: list[int], count: int) -> None:
    shares = {f"kind{number}": weight / sum(weights) for number, weight in enumerate(weights)}
    kinds = kinds_for(shares, count, Random(1))
    assert len(kinds) == count
    for kind, share in shares.items():
        assert abs(kinds.count(kind) - share * count) <= 1


def test_fine_tuning_learns_of_each_what_it_is(made: list[Conversation]) -> None:
    for one in made:
        assert not malformed(one)
        _, learnt = to_learn(chat_row(one))
        if one.kind == "completion":
            assert learnt == Completion(one.prompt, one.completion)
        else:
            assert learnt == [{"role": turn.role, "content": turn.content} for turn in one.messages]


def test_a_conversation_goes_on_with_anything(made: list[Conversation]) -> None:
    firsts = {
        "def" if one.messages[1].content.startswith("def ") else "talk" for one in made if one.kind == "follow_up"
    }
    lasts = {one.messages[-1].content.split()[0] for one in made if one.kind == "follow_up"}
    assert firsts == {"def", "talk"} and len(lasts) > 3 and "def" in lasts
