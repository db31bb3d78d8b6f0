"""What an LLM that is the teacher would be asked, and what that costs. The built-in teacher costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hornbook.recipe import Recipe
from hornbook.teacher.settings import PREFIX, asked_of, ordered

# A request to grade: the rubric around the beginning of a document, a reason and a score. One to write an exercise or
# a conversation: a filled template, an answer. Four characters a token, as the endpoint's own estimate has it.
GRADE_PROMPT, GRADE_ANSWER = 350, 120
WRITE_PROMPT, WRITE_ANSWER = 300, 250
CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True)
class Teaching:
    """Requests, and tokens of prompts and answers. What is asked again because it did not fit comes on top."""

    requests: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: Teaching) -> Teaching:
        return Teaching(
            self.requests + other.requests, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out
        )

    def dollars(self, prices: tuple[float, float]) -> float:
        """`prices` of a million tokens in and out."""
        return (self.tokens_in * prices[0] + self.tokens_out * prices[1]) / 1e6


def teaching(recipe: Recipe, base: Path) -> Teaching:
    """Everything that the recipe leaves to its LLM. Nothing where it names none."""
    teacher = recipe.teacher
    if teacher is None:
        return Teaching()
    asked = Teaching()
    if teacher.grades and "grade" not in recipe.without:
        asked += _each(recipe.grade.sample, GRADE_PROMPT + recipe.grade.characters / CHARACTERS_A_TOKEN, GRADE_ANSWER)
    if teacher.exercises and "write" not in recipe.without:
        asked += _each(recipe.write.exercises, WRITE_PROMPT, WRITE_ANSWER)
    if "write" not in recipe.without:
        for kind, count in asked_of(teacher, recipe.write).items():
            asked += _rows(kind, count, base)
    for source in recipe.sources:
        if source.path.startswith(PREFIX):
            asked += _rows(*ordered(source.path), base)
    return asked


def own_prices(recipe: Recipe) -> tuple[float, float]:
    """What the recipe says that its LLM costs: dollars for a million tokens in and out."""
    return recipe.teacher.client().dearest if recipe.teacher is not None else (0.0, 0.0)


def expected_tokens(path: str, base: Path) -> int:
    """Tokens of a usual text of an ordered kind. Raises UserError for a kind that does not exist."""
    from hornbook.teacher.kinds.template import load

    return load(ordered(path)[0], base).template.expected_tokens


def _rows(kind: str, count: int, base: Path) -> Teaching:
    from hornbook.teacher.kinds.template import load

    template = load(kind, base).template
    prompt = (len(template.system) + len(template.prompt)) / CHARACTERS_A_TOKEN
    return _each(count, prompt, template.expected_tokens)


def _each(count: int, prompt: float, answer: float) -> Teaching:
    return Teaching(count, count * prompt, count * answer)
