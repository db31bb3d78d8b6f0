"""Question answering: the paragraph that answers a question, among many that do not (RULER's QA tasks)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluate.long.prompt import Prompter, Question, TooShortError, fit
from hornbook.records import Fault, Record, json_lines
from hornbook.seeds import stream

ROOM = 32
_TRIES = 10
_SHORTEST_PARAGRAPH = 6  # tokens, with its heading


@dataclass(frozen=True)
class QuestionAnswer:
    """A question, the answers that count as right (any one of them), and the paragraph that holds one."""

    question: str
    answers: tuple[str, ...]
    paragraph: str


def load(path: Path) -> tuple[QuestionAnswer, ...]:
    """Read one object a line: `question`, `answer` (text) or `answers` (list of texts), and `paragraph`.

    Raises UserError that names the file and the line for what is missing or of the wrong kind.
    """
    try:
        with path.open("rb") as file:
            found = tuple(_parsed(record, f"{path}, line {record.number}") for record in json_lines(file))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; --questions names a JSONL file") from None
    if len({one.paragraph for one in found}) < 2:
        raise UserError(
            f"{path} has fewer than two different paragraphs; the others distract from the one that answers"
        )
    return found


def _parsed(record: Record | Fault, where: str) -> QuestionAnswer:
    if isinstance(record, Fault):
        said = "is not UTF-8 text" if record.reason == "invalid UTF-8" else str(record)
        raise UserError(f"{where}, {said}; --questions names a JSONL file")
    row = record.value
    if not isinstance(row, dict):
        raise UserError(f"{where}, is no object with question, answer and paragraph")
    answers = row["answers"] if "answers" in row else row.get("answer")
    answers = [answers] if isinstance(answers, str) else answers
    if not isinstance(answers, list) or not answers or not all(_is_text(answer) for answer in answers):
        raise UserError(f"{where}, has no answer: give a text as answer, or a list of texts as answers")
    return QuestionAnswer(_text(row, "question", where), tuple(answers), _text(row, "paragraph", where))


def _text(row: dict[str, Any], name: str, where: str) -> str:
    if not _is_text(row.get(name)):
        raise UserError(f"{where}, has no {name}, which must be a text")
    return str(row[name])


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def question_answering(prompter: Prompter, known: Sequence[QuestionAnswer], length: int, seed: int) -> Question:
    """One of the user's questions over its own paragraph and as many others as fit, in a random order.

    Paragraphs that hold one of the right answers do not distract. A question whose own paragraph is longer than
    `length` is passed over for another; raises TooShortError when a few in a row are.
    """
    source = stream(seed, "reading", length)
    tried = source.sample(known, min(_TRIES, len(known)))
    for one in tried[:-1]:
        with suppress(TooShortError):
            return _ask(one, prompter, known, length, source)
    return _ask(tried[-1], prompter, known, length, source)


def _ask(
    asked: QuestionAnswer, prompter: Prompter, known: Sequence[QuestionAnswer], length: int, source: random.Random
) -> Question:
    answers = [answer.lower() for answer in asked.answers]
    others = sorted({one.paragraph for one in known} - {asked.paragraph})
    others = [text for text in others if not any(answer in text.lower() for answer in answers)]
    source.shuffle(others)
    others = others[: length // _SHORTEST_PARAGRAPH]
    share = source.random()

    def build(count: int) -> Question:
        place = int(share * (count + 1))
        shown = [*others[:place], asked.paragraph, *others[place:count]]
        hay = "\n\n".join(f"Paragraph {index}:\n{text.strip()}" for index, text in enumerate(shown, 1))
        order = "Answer the question from these paragraphs, with the answer alone and nothing else."
        text = f"{order}\n\n{hay}\n\n{order}\n\nQuestion: {asked.question.strip()}"
        depth = 100 * place / count if count else 0.0
        ids = prompter.ids(text, "Answer:")
        return Question(ids, f"{text}\nAnswer:", asked.answers, ROOM, depth)

    return fit(build, length, len(others))
