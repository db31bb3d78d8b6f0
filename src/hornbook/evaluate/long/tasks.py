"""The long-context tasks: what each asks, how its prompts are made, how its answers are scored, and RULER's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hornbook.evaluate.long.common_words import common_words
from hornbook.evaluate.long.frequent_words import frequent_words
from hornbook.evaluate.long.haystack import Haystack
from hornbook.evaluate.long.niah import Needles, needle
from hornbook.evaluate.long.passkey import PasskeyForm, passkey
from hornbook.evaluate.long.prompt import Prompter, Question
from hornbook.evaluate.long.question_answering import QuestionAnswer, question_answering
from hornbook.evaluate.long.variable_tracking import variable_tracking


@dataclass(frozen=True)
class Materials:
    """What the prompts of one run are made of: the prompter of the model that is asked, haystacks, the user's files."""

    prompter: Prompter
    noise: Haystack
    text: Haystack
    passkey: PasskeyForm
    passkey_haystack: Haystack
    questions: tuple[QuestionAnswer, ...] = ()


def string_match_all(expected: Sequence[str], answer: str) -> float:
    """The share of the expected strings within the answer, whatever their case (RULER's score of most tasks)."""
    said = answer.lower()
    return sum(one.lower() in said for one in expected) / len(expected)


def string_match_part(expected: Sequence[str], answer: str) -> float:
    """1 where any of the expected strings is within the answer, whatever its case (RULER's score of QA tasks)."""
    said = answer.lower()
    return float(any(one.lower() in said for one in expected))


Ask = Callable[[Materials, int, float | None, int], Question]


@dataclass(frozen=True)
class Task:
    """One thing to ask, at any length.

    ask(materials, length, depth, seed): makes a question of at most `length` tokens with room for its answer.
    ruler: RULER's name for it. by_depth: the depth is what is varied, else it is None. score(expected, answer): 0 to 1.
    needs: the option, if any, that names a JSONL file without which it can't be asked.
    """

    summary: str
    ask: Ask
    ruler: str = ""
    by_depth: bool = False
    score: Callable[[Sequence[str], str], float] = string_match_all
    needs: str = ""


def _passkey(materials: Materials, length: int, depth: float | None, seed: int) -> Question:
    form, haystack = materials.passkey, materials.passkey_haystack
    return passkey(materials.prompter, length, depth or 0.0, seed, form=form, haystack=haystack)


def _niah(hidden_in: Literal["noise", "text", "needles"], needles: Needles) -> Ask:
    def ask(materials: Materials, length: int, depth: float | None, seed: int) -> Question:
        haystack = {"noise": materials.noise, "text": materials.text}.get(hidden_in)
        return needle(needles, materials.prompter, haystack, length, depth, seed)

    return ask


_UUIDS = Needles(room=64, key_kind="uuid", value_kind="uuid")

TASKS: dict[str, Task] = {
    "passkey": Task("a number of five digits in repeated sentences", _passkey, by_depth=True),
    "needle-noise": Task(
        "a key's number in repeated sentences", _niah("noise", Needles(room=32)), "niah_single_1", by_depth=True
    ),
    "needle-text": Task("a key's number in text", _niah("text", Needles(room=32)), "niah_single_2", by_depth=True),
    "needle-word": Task("a key's word in text", _niah("text", Needles(room=32, value_kind="word")), by_depth=True),
    "needle-uuid": Task(
        "a key's UUID in text", _niah("text", Needles(room=64, value_kind="uuid")), "niah_single_3", by_depth=True
    ),
    "multikey": Task("one of four keys in text", _niah("text", Needles(room=32, keys=4)), "niah_multikey_1"),
    "multikey-only": Task("one key among nothing but others", _niah("needles", Needles(room=32)), "niah_multikey_2"),
    "multikey-uuid": Task("one UUID among nothing but others", _niah("needles", _UUIDS), "niah_multikey_3"),
    "multivalue": Task(
        "all four numbers of a key in text", _niah("text", Needles(room=128, values=4)), "niah_multivalue"
    ),
    "multiquery": Task(
        "the numbers of four keys in text", _niah("text", Needles(room=128, keys=4, asked=4)), "niah_multiquery"
    ),
    "variables": Task(
        "which variables a value was handed to, over four hops",
        lambda m, length, depth, seed: variable_tracking(m.prompter, m.noise, length, seed),
        "vt",
    ),
    "common-words": Task(
        "the ten words that a list holds most often",
        lambda m, length, depth, seed: common_words(m.prompter, length, seed),
        "cwe",
    ),
    "frequent-words": Task(
        "the three most frequent made-up words",
        lambda m, length, depth, seed: frequent_words(m.prompter, length, seed),
        "fwe",
    ),
    "reading": Task(
        "a question about one of many paragraphs (with --questions)",
        lambda m, length, depth, seed: question_answering(m.prompter, m.questions, length, seed),
        "qa",
        score=string_match_part,
        needs="questions",
    ),
}
