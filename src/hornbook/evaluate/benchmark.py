"""What a benchmark is: what every checkpoint is asked, and what its answers come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, model_validator

from hornbook.errors import UserError
from hornbook.evaluate.exam.data import HUB
from hornbook.evaluate.exam.declaration import benchmarks
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.files import expanded, read_json
from hornbook.machine import Precision
from hornbook.progress import Progress
from hornbook.settings import SAME_RESULT, Settings

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

Items = TypeVar("Items")
Scores = dict[str, Any]  # JSON


class Question(Settings):
    """What is asked in chat. A reply that has one of `answers` in it is right; without any it is only shown."""

    question: str = Field(min_length=1)
    answers: tuple[str, ...] = ()


class EvaluateSettings(Settings):
    """Limits of the evaluation; decoding is always greedy, one try a problem."""

    problems: int = Field(200, ge=1, description="at most this many held-out problems")
    checkpoints: tuple[str, ...] = Field((), description="of a run's models those that are asked; unset: all")
    batch: Annotated[int, SAME_RESULT] = Field(100, ge=1, description="prompts decoded together")
    new_tokens: int = Field(80, ge=1, description="longest answer")
    seconds: float = Field(2.0, gt=0, description="time limit of one program in the sandbox")
    precision: Precision = Field("fp32", description="what losses and answers are computed in, whatever the machine")
    exam: ExamSettings | None = Field(None, description="published benchmarks that are asked, too")
    questions: tuple[Question, ...] = Field((), description="asked in chat; the report shows the replies side by side")
    own_questions: Path | None = Field(None, description="a JSONL file of more: `question`, `answer` or `answers`")

    @model_validator(mode="after")
    def _judged(self) -> Self:
        asked = self.exam.asked if self.exam is not None else ()
        if asked and all(name in benchmarks() and benchmarks()[name].judge is not None for name in asked):
            raise ValueError(
                f"{', '.join(asked)}: an LLM grades the answers, and a run has none; "
                "put it to a checkpoint with `hornbook evaluate --tasks ... --teacher URL#MODEL`"
            )
        return self

    def seen_from(self, base: Path) -> Self:
        """The same with paths as they are from here; `base` is where a recipe's relative paths start."""
        changed: dict[str, Any] = {}
        if self.own_questions is not None:
            changed["own_questions"] = base / expanded(self.own_questions)
        if self.exam is not None and self.exam.data is not None and self.exam.data != HUB:
            changed["exam"] = self.exam.model_copy(update={"data": base / expanded(self.exam.data)})
        return self.model_copy(update=changed) if changed else self


@dataclass(frozen=True)
class HeldOut:
    """Where that lies which no checkpoint has learned from; None for what there is not."""

    problems: Path | None = None  # JSONL: functions to write
    safety: Path | None = None  # JSONL: requests to decline, and harmless ones
    validation: Path | None = None  # a folder of token shards, one a source

    @classmethod
    def of(cls, write: Path, tokens: Path) -> HeldOut:
        """What the write and the tokens stage set aside in their folders."""
        return cls(write / "problems.jsonl", write / "safety.jsonl", tokens / "validation")


@dataclass(frozen=True)
class Subject:
    """The checkpoint that is asked, and how."""

    name: str
    model: Transformer
    tokenizer: Tokenizer
    settings: EvaluateSettings
    progress: Progress
    allow_unisolated: bool = False
    into: Path | None = None  # a folder for what is too much for a file of answers; None where only scores are wanted


@dataclass(frozen=True)
class Result:
    """What a checkpoint scored; `answers`: what it wrote, with what was wrong, as JSON."""

    scores: Scores
    answers: Any = None


@dataclass(frozen=True)
class Benchmark(Generic[Items]):
    """Something to ask. `name` is the key of its scores and of its answers.

    load: what is asked, None where the run does not have it. Raises UserError for files that are damaged.
    run: asks one checkpoint; None where it cannot be asked (a chat of a model without a chat template).
    in_words: the scores in a few words. columns, cells, legend: its part of the score table.
    """

    name: str
    load: Callable[[HeldOut, EvaluateSettings], Items | None]
    run: Callable[[Subject, Items], Result | None]
    in_words: Callable[[Scores], str] = lambda scores: ""
    columns: tuple[str, ...] = ()
    cells: Callable[[Scores], tuple[str, ...]] = lambda scores: ()
    legend: str = ""

    def cells_of(self, scores: Mapping[str, Scores]) -> tuple[str, ...]:
        """Its cells in the row of a checkpoint with these scores (by benchmark); empty ones where it was not asked."""
        return self.cells(scores[self.name]) if scores.get(self.name) else ("",) * len(self.columns)


def wilson_interval(passed: float, total: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share (Wilson 1927), or of the mean of `total` scores from 0 to 1 with this sum.

    Where scores lie between 0 and 1 it is wider than need be: no variable in [0, 1] of a given mean varies more than
    one that is always 0 or 1.
    """
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share = passed / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * ((max(share * (1 - share), 0.0) / total + z * z / (4 * total * total)) ** 0.5)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(count: float, of: int) -> dict[str, Any]:
    """A share with Wilson's 95% interval, see there; its value is None where it is of nothing."""
    return {"value": count / of if of else None, "interval": list(wilson_interval(count, of)), "n": of}


def keep_others(place: Path, ours: Callable[[dict[str, Any]], bool]) -> None:
    """Raise UserError where a file of something else lies where results go; `ours` tells by its JSON object."""
    if place.exists():
        try:
            found = read_json(place)
        except UserError:
            found = None
        if not isinstance(found, dict) or not ours(found):
            raise UserError(f"{place} is there already and holds something else; name another folder with --into")


def sign_test(gained: int, lost: int) -> float:
    """Two-sided p of the exact sign test on items that changed between two results (McNemar 1947, exact form)."""
    changed, fewer = gained + lost, min(gained, lost)
    tail = sum(comb(changed, k) for k in range(fewer + 1)) / int(2**changed)
    return min(1.0, 2 * tail)
