"""Questions asked in chat, the same before and after a training, and how many of those with answers are right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Question, Result, Scores, Subject
from hornbook.files import read_jsonl

GENERAL, OWN = "general", "own"  # those of a recipe, and those of a file of the user's


def is_right(reply: str, answers: Sequence[str]) -> bool:
    """Whether a reply has one of the answers in it, as words: upper and lower case and what is no letter or digit
    apart. None that is asked for is right of nothing.
    """
    said = f" {_words(reply)} "
    return any(f" {_words(answer)} " in said for answer in answers)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _load(held_out: HeldOut, settings: EvaluateSettings) -> dict[str, list[Question]] | None:
    asked = {GENERAL: list(settings.questions), OWN: _own(settings)}
    return {name: questions for name, questions in asked.items() if questions} or None


def _own(settings: EvaluateSettings) -> list[Question]:
    """Raises UserError for a file that is not there, and for a row that is no question."""
    path = settings.own_questions
    if path is None:
        return []
    if not path.is_file():
        raise UserError(f"{path} does not exist; evaluate.own_questions names a JSONL file of question and answer")
    found: list[Question] = []
    try:
        for row in read_jsonl(path):
            found.append(Question(question=row["question"], answers=_answers(row)))
    except (ValueError, KeyError, TypeError) as error:
        line = len(found) + 1
        raise UserError(f"{path}, line {line}, is no question with an answer: {type(error).__name__}") from None
    return found


def _answers(row: dict[str, Any]) -> tuple[str, ...]:
    """Its `answer`, or any of its `answers`, as the suite of long prompts has them."""
    told = row.get("answers", row.get("answer", ()))
    every = told if isinstance(told, list | tuple) else (told,)
    if not all(isinstance(one, str | int | float) for one in every):
        raise TypeError(every)
    return tuple(map(str, every))


def _run(subject: Subject, asked: dict[str, list[Question]]) -> Result | None:
    from hornbook.inference.generate import generate

    tokenizer, settings = subject.tokenizer, subject.settings
    if not tokenizer.template:
        return None
    every = [(name, question) for name, questions in asked.items() for question in questions]
    replies = generate(
        subject.model,
        [tokenizer.chat([{"role": "user", "content": question.question}]) for _, question in every],
        limit=settings.new_tokens,
        stops=tokenizer.stops,
        batch=settings.batch,
    )
    rows = []
    for (name, question), ids in zip(every, replies, strict=True):
        reply = tokenizer.decode(ids).strip()
        right = is_right(reply, question.answers) if question.answers else None
        rows.append({"set": name, **question.model_dump(mode="json"), "reply": reply, "right": right})
    scores: Scores = {}
    for name in asked:
        known = [row["right"] for row in rows if row["set"] == name and row["right"] is not None]
        scores[name] = {"right": sum(known), "of": len(known)}
    return Result(scores, rows)


def _in_words(scores: Scores) -> str:
    return ", ".join(
        f"{one['right']} of {one['of']} {'questions' if name == GENERAL else 'questions of your own'} right"
        for name, one in scores.items()
        if one["of"]
    )


QUESTIONS = Benchmark("questions", _load, _run, in_words=_in_words)
