"""What a study measures of every checkpoint: which way is better, in what it is told, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Measure:
    """A figure of a checkpoint. worth: the smallest difference that would matter, unless the study says another.

    kind: how values and differences are told; a `ratio` is compared by its logarithm. equal: what has to be equal for
    two figures to compare: the `tokenizer` of what is counted by tokens, the `problems` that were held out, those
    that were `asked` of them (likelihoods leave out what is longer than the model's context), real `functions`
    likewise, the held-out `text`, the `long` documents, the `questions` of a published benchmark.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    worth: float
    kind: Literal["share", "nats", "bits", "ratio"] = "nats"
    equal: tuple[str, ...] = ()

    def scaled(self, value: float) -> float:
        """A value as differences are taken of it."""
        return math.log(value) if self.kind == "ratio" else value

    def shown(self, value: float) -> str:
        """A value in words."""
        return {"share": f"{100 * value:.1f}%", "ratio": f"{value:.2f}"}.get(
            self.kind, f"{value:.3f}".replace("-", "−")
        )

    def amount(self, difference: float) -> float:
        """A difference in the unit that it is told in."""
        return {"share": 100 * difference, "ratio": 100 * math.expm1(difference)}.get(self.kind, difference)

    @property
    def unit(self) -> str:
        """In what differences are told."""
        return {"share": "points", "ratio": "%"}.get(self.kind, self.kind)

    def difference(self, difference: float, *, signed: bool = True) -> str:
        """A difference in figures, without its unit: in two more of them where rounding would leave nothing of it."""
        told = self.amount(difference)
        usual = 1 if self.kind in ("share", "ratio") else 3
        digits = next((some for some in range(usual, usual + 3) if round(told, some)), usual)
        amount = round(told, digits) + 0.0  # no minus before a zero
        return f"{amount:+.{digits}f}".replace("-", "−") if signed else f"{amount:g}"


# Those with little noise first.
MEASURES = {
    one.name: one
    for one in (
        Measure("right", "nats a token of right bodies", "lower", 0.01, equal=("tokenizer", "asked")),
        Measure("body", "nats a right body", "lower", 0.5, equal=("asked",)),
        Measure("margin", "nats by which a right body is likelier than a wrong one", "higher", 0.5, equal=("asked",)),
        Measure("functions", "nats a body of a real function that is held out", "lower", 0.5, equal=("functions",)),
        Measure("bits", "bits a character of held-out text", "lower", 0.02, "bits", equal=("text",)),
        Measure("perplexity", "perplexity", "lower", 0.02, "ratio", equal=("tokenizer", "text")),
        Measure("long", "perplexity at the longer context", "lower", 0.01, "ratio", equal=("tokenizer", "long")),
        Measure("pass_at_1", "pass@1, completing a docstring", "higher", 0.02, "share", equal=("problems",)),
        Measure("chat", "pass@1, asked in chat", "higher", 0.02, "share", equal=("problems",)),
        Measure("answers", "nats of a right answer", "lower", 0.05, equal=("questions",)),
        Measure("score", "score", "higher", 0.02, "share", equal=("questions",)),
        Measure("harmful_refused", "declines harmful requests", "higher", 0.05, "share"),
        Measure("harmless_refused", "declines harmless requests", "lower", 0.05, "share"),
    )
}


def measure_of(name: str) -> Measure:
    """The measure of a figure's name: `perplexity.library` is one of perplexity."""
    return MEASURES[name.partition(".")[0]]


def title_of(name: str) -> str:
    """A figure's name in words."""
    source = name.partition(".")[2]
    return f"{measure_of(name).title}{f', {source}' if source else ''}"


def from_scores(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The figures among a checkpoint's scores (`scores` of `hornbook report --json`), those that it has."""
    for source, loss in (scores.get("validation_loss") or {}).items():
        if loss is not None:
            yield f"perplexity.{source}", math.exp(loss)
    for name, benchmark, key in (
        ("pass_at_1", "completion", "pass_at_1"),
        ("chat", "chat", "pass_at_1"),
        ("harmful_refused", "refusals", "harmful_refused"),
        ("harmless_refused", "refusals", "harmless_refused"),
    ):
        value = (scores.get(benchmark) or {}).get(key)
        if value is not None:
            yield name, float(value)
    for task, told in examined(scores).items():
        if "right_nats" in told:
            yield f"answers.{task}", told["right_nats"]
        if told["metric"] in told["metrics"] and told["metric"] != "perplexity":  # of which less is better
            yield f"score.{task}", told["metrics"][told["metric"]]["value"]


def examined(scores: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """By name the published benchmarks that a checkpoint was put to, where `evaluate.exam` names some."""
    return (scores.get("exam") or {}).get("benchmarks") or {}
