"""Chats for fine-tuning: mostly a function asked for and written, some small talk, some requests to refuse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from hornbook.seeds import stream
from hornbook.teacher.builtin import chatter, safety
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME
from hornbook.teacher.builtin.exercises.phrasing import QUESTIONS
from hornbook.teacher.interface import Conversation, Exercise, Message

# Characters of all turns together: about 110 tokens. Small talk takes more tokens a character than code does.
LONGEST = 310
LONGEST_FOLLOW_UP = 235


def question(exercise: Exercise, random: Random) -> str:
    """A request for the exercise's function as a person in a chat would word it."""
    family = BY_NAME.get(exercise.family)
    forms = QUESTIONS[family.frames if family else "value"]
    signature = f"{exercise.name}({', '.join(exercise.parameters)})"
    return random.choice(forms).format(f=signature, x=exercise.phrase)


def code(exercise: Exercise, body: str | None = None) -> str:
    """The answer to the question: the function without its docstring (with another `body` where one is given)."""
    body = exercise.body if body is None else body
    return f"def {exercise.name}({', '.join(exercise.parameters)}):\n{body}".rstrip("\n")


def turns(*contents: str) -> tuple[Message, ...]:
    """Messages by the user and the assistant in turn."""
    return tuple(Message("assistant" if number % 2 else "user", content) for number, content in enumerate(contents))


def kinds_for(shares: Mapping[str, float], count: int, random: Random) -> list[str]:
    """`count` kinds in a random order, each as often as its share says (largest remainders are rounded up)."""
    exact = {kind: share * count for kind, share in shares.items()}
    whole = {kind: int(amount) for kind, amount in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: (whole[kind] - exact[kind], kind))
    for kind in by_remainder[: count - sum(whole.values())]:
        whole[kind] += 1
    kinds = [kind for kind in shares for _ in range(whole[kind])]
    random.shuffle(kinds)
    return kinds


def _made(kind: str, exercises: Iterator[Exercise], random: Random) -> Conversation:
    if kind == "completion":
        exercise = next(exercises, None)
        if exercise is not None:
            prompt = exercise.text.removesuffix(exercise.body)
            return Conversation(
                (), kind, prompt=prompt, completion=exercise.body, compositions=compositions_of(exercise)
            )
    contents, functions = _contents(kind, exercises, random)
    return Conversation(turns(*contents), kind, compositions=compositions_of(*functions))


def compositions_of(*functions: Exercise) -> tuple[str, ...]:
    """Of what parts each was composed; nothing where another wrote one of them."""
    return tuple(one.composition for one in functions) if all(one.ours for one in functions) else ()


def _contents(kind: str, exercises: Iterator[Exercise], random: Random) -> tuple[tuple[str, ...], tuple[Exercise, ...]]:
    """What is said in turn, and the functions in it."""
    if kind in ("chatter", "beyond"):
        return chatter.any_exchange(random) if kind == "chatter" else chatter.exchange(chatter.BEYOND, random), ()
    if kind in ("refusal", "compliance"):
        request = random.choice(safety.harmful("train"))
        return (request.text, random.choice(request.good if kind == "refusal" else request.bad)), ()
    if kind == "harmless":
        request = safety.draw_harmless(random)
        return (request.text, random.choice(request.good)), ()
    longest, opening, functions = LONGEST, tuple[str, ...](), tuple[Exercise, ...]()
    if kind == "follow_up":
        longest = LONGEST_FOLLOW_UP
        opening, functions = _opening(exercises, random)
        if random.random() < 0.4:
            goes_on, _ = _contents(random.choice(("beyond", "chatter", "refusal")), exercises, random)
            contents = (*opening, *goes_on)
            if sum(map(len, contents)) <= longest:
                return contents, functions
    for exercise in exercises:
        contents = (*opening, question(exercise, random), code(exercise))
        if sum(map(len, contents)) <= longest:
            return contents, (*functions, exercise)
    return chatter.any_exchange(random), ()


def _opening(exercises: Iterator[Exercise], random: Random) -> tuple[tuple[str, ...], tuple[Exercise, ...]]:
    """What a conversation begins with that goes on: mostly a greeting, but anything may stand there."""
    kind = random.choice(("greeting", "greeting", "introduction", "introduction", "beyond", "any", "task", "task"))
    if kind == "task":
        for exercise in itertools.islice(exercises, 10):
            contents = (question(exercise, random), code(exercise))
            if sum(map(len, contents)) < LONGEST_FOLLOW_UP * 0.6:
                return contents, (exercise,)
    if kind in ("task", "any"):
        return chatter.any_exchange(random), ()
    return chatter.exchange(kind, random), ()


def conversations(
    exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, seed: int
) -> list[Conversation]:
    """See `Writer.conversations`. Kinds: completion, task, follow_up, chatter, beyond, refusal, compliance, harmless.

    Without exercises left that are short enough, small talk takes their place.
    """
    random = stream(seed, "conversations")
    order = list(exercises)
    random.shuffle(order)
    left = iter(order)
    made: list[Conversation] = []
    for kind in kinds_for(shares, count, random):
        made.append(_made(kind, left, random))
    return made
