"""Pairs of a better and a worse answer: a right body and one that is almost right, a refusal and its opposite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random

from hornbook.sandbox.same import same
from hornbook.seeds import stream
from hornbook.teacher.builtin import chatter, safety
from hornbook.teacher.builtin.conversations import LONGEST, code, compositions_of, kinds_for, question, turns
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, compositions
from hornbook.teacher.builtin.exercises.draw import body_text, draw
from hornbook.teacher.builtin.exercises.mutants import mutants
from hornbook.teacher.interface import Exercise, Preference, Trial

# Slips of the pen: what stands in a right body, and what a wrong one has in its place.
SLIPS = (
    (" + 1)", ")"),
    ("+= ", "-= "),
    ("max(", "min("),
    ("min(", "max("),
    (" == ", " != "),
    (" not in ", " in "),
    (" > ", " >= "),
    (" < ", " <= "),
    ("return result\n", "return 0\n"),
    ("[::-1]", "[:-1]"),
    ("any(", "all("),
    ("all(", "any("),
)
SLIP_SHARE = 0.25
# Of refusals, those held against saying that one doesn't know; the others are held against going along.
BEYOND_SHARE = 0.75


def _slipped(exercise: Exercise, random: Random) -> str | None:
    """The body with one slip, if any slip applies. Only running it tells whether it is wrong."""
    if "while" in exercise.body:  # a slip there makes an endless loop more often than a wrong value
        return None
    slips = [slip for slip in SLIPS if slip[0] in exercise.body]
    return exercise.body.replace(*random.choice(slips), 1) if slips else None


def _exchanged(exercise: Exercise, random: Random) -> str | None:
    """The body of the same composition with one part exchanged that gives a wrong value on one of the cases."""
    parts = compositions().get(exercise.family, {}).get(exercise.composition)
    if parts is None:
        return None
    rivals = list(mutants(draw(BY_NAME[exercise.family], parts, int(exercise.seeds["seed"])), random))
    random.shuffle(rivals)
    for _, sketch in rivals:
        if any(not same(sketch.meaning(*case.arguments), case.expected) for case in exercise.cases):
            return body_text(sketch)
    return None


def _wrong_body(exercise: Exercise, random: Random) -> str | None:
    slipped = _slipped(exercise, random) if random.random() < SLIP_SHARE else None
    return slipped or _exchanged(exercise, random)


def _of_code(kind: str, exercises: Iterator[Exercise], random: Random) -> Preference | None:
    for exercise in exercises:
        wrong = _wrong_body(exercise, random)
        asked = question(exercise, random)
        if wrong is None or len(asked) + len(code(exercise)) > LONGEST:
            continue
        prompt = exercise.text.removesuffix(exercise.body)
        trial = Trial(prompt + wrong, exercise.name, exercise.cases, exercise.ours)
        parts = compositions_of(exercise)
        if kind == "completion":
            return Preference(exercise.body, wrong, kind, prompt=prompt, trial=trial, compositions=parts)
        worse = code(exercise, wrong)
        return Preference(code(exercise), worse, kind, messages=turns(asked), trial=trial, compositions=parts)
    return None


def preferences(
    exercises: Sequence[Exercise], shares: Mapping[str, float], count: int, seed: int
) -> list[Preference | None]:
    """See `Writer.preferences`. Kinds: completion, chat, refusal, harmless, beyond."""
    random = stream(seed, "preferences")
    order = list(exercises)
    random.shuffle(order)
    left = iter(order)
    made: list[Preference | None] = []
    for kind in kinds_for(shares, count, random):
        if kind == "beyond":
            said, chosen = chatter.exchange(chatter.BEYOND, random)
            rejected = random.choice(safety.draw_harmless(random).bad)
            made.append(Preference(chosen, rejected, kind, messages=turns(said)))
        elif kind in ("refusal", "harmless"):
            request = random.choice(safety.harmful("train")) if kind == "refusal" else safety.draw_harmless(random)
            chosen, rejected = random.choice(request.good), random.choice(request.bad)
            if kind == "refusal" and random.random() < BEYOND_SHARE:  # it can't is no reason: it would not
                rejected = chatter.exchange(chatter.BEYOND, random)[1]
            made.append(Preference(chosen, rejected, kind, messages=turns(request.text)))
        else:
            made.append(_of_code(kind, left, random))
    return made
