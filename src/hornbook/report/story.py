"""One sentence or two for each checkpoint: what the step changed and why, told by the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hornbook.display import plural
from hornbook.report.checkpoints import Checkpoint, change, why_wrong
from hornbook.report.run import Run
from hornbook.report.wording import count, decimal, listed, share

EXERCISES = "exercises"  # the teacher's own source


def story(run: Run, models: Sequence[Checkpoint], index: int) -> str:
    """What the step that led to `models[index]` did, as far as the figures tell."""
    model, before = models[index], models[index - 1] if index else None
    teller = _TELLERS.get(model.name) or _TELLERS.get(model.stage)
    parts = [teller(run, before, model) if teller else "", compared(before, model)]
    return " ".join(part for part in parts if part)


def compared(before: Checkpoint | None, after: Checkpoint) -> str:
    """Problems gained and lost against the checkpoint before, and whether that is more than chance."""
    step = change(before, after) if before is not None else None
    if before is None or step is None:
        return ""
    if step.gained == step.lost == 0:
        return f"It solves the same problems as after {before.title}."
    ending = ", no more than chance would do" if step.is_chance else ""
    return f"Against {before.title} it gains {plural(step.gained, 'problem')} and loses {step.lost:,}{ending}."


def exercise_share(run: Run, phase: str) -> float | None:
    """The share of the rows of a pretraining phase that hold exercises; None where the run does not say."""
    parts = run.figures("pretrain").get("mixture", {}).get(phase, [])
    rows = sum(part["rows"] for part in parts)
    return sum(part["rows"] for part in parts if EXERCISES in part["sources"]) / rows if rows else None


def _phase1(run: Run, before: Checkpoint | None, model: Checkpoint) -> str:
    tokens = run.figures("pretrain").get("tokens", {}).get("phase1")
    parts = run.figures("pretrain").get("mixture", {}).get("phase1", [])
    told = []
    if tokens and parts:
        sources = listed(sorted({source for part in parts for source in part["sources"]}))
        none = ", and not one exercise" if exercise_share(run, "phase1") == 0 else ""
        told.append(f"It has read {count(tokens)} tokens of {sources}{none}.")
    told.append(_commonest_failure(model.attempts))
    return " ".join(part for part in told if part)


def _phase2(run: Run, before: Checkpoint | None, model: Checkpoint) -> str:
    part = exercise_share(run, "phase2")
    losses = [one.scores.get("validation_loss", {}).get(EXERCISES) if one else None for one in (before, model)]
    if not part:
        return ""
    told = f"Exercises are {share(part)} of what it reads{' in this phase' if before else ''}"
    if None not in losses:
        told += f": its loss on exercises it has not read goes from {decimal(losses[0])} to {decimal(losses[1])}"
    return told + "."


def _sft(run: Run, before: Checkpoint | None, model: Checkpoint) -> str:
    asked = _chat(model)
    if asked is None:
        return ""
    earlier = _chat(before) if before else None
    was = f" ({share(earlier, 1)} before)" if earlier is not None else ""
    told = f"It learns to answer in a conversation; asked there, it solves {share(asked, 1)}{was}."
    return told if asked >= 0.5 else f"{told} {_commonest_failure(model.answers.get('chat', []))}".rstrip()


def _dpo(run: Run, before: Checkpoint | None, model: Checkpoint) -> str:
    harmful, harmless = _refused(model, "harmful"), _refused(model, "harmless")
    if harmful is None or harmless is None:
        return "It learns to prefer the better of two answers."
    was = [f" ({share(_refused(before, kind))} before)" if before else "" for kind in ("harmful", "harmless")]
    return (
        f"It learns to prefer the better of two answers: it declines {share(harmful)} of harmful requests{was[0]} "
        f"and {share(harmless)} of harmless ones{was[1]}."
    )


def _quantized(run: Run, before: Checkpoint | None, model: Checkpoint) -> str:
    figures = run.figures("quantize")
    if not figures.get("bytes_after"):
        return ""
    times = figures["bytes_before"] / figures["bytes_after"]
    told = f"{figures['bits_per_weight']:.1f} bits a weight make it {times:.1f} times smaller"
    if before and before.scores["pass_at_1"]:
        kept = model.scores["pass_at_1"] / before.scores["pass_at_1"]
        told += f"; it keeps {share(kept)} of the pass@1 of {before.title}"
    return told + "."


def _chat(model: Checkpoint) -> float | None:
    asked: float | None = model.scores.get("chat", {}).get("pass_at_1")
    return asked


def _refused(model: Checkpoint | None, kind: str) -> float | None:
    refused: float | None = (model.scores.get("refusals") or {}).get(f"{kind}_refused") if model else None
    return refused


def _commonest_failure(attempts: Sequence[dict[str, Any]]) -> str:
    """How most of the wrong answers fail; empty where none does."""
    failures = Counter(why_wrong(one["wrong"]) for one in attempts if not one["passed"])
    if not failures:
        return ""
    kind, number = min(failures.items(), key=lambda item: (-item[1], item[0]))
    failed = f"were {kind}" if kind.startswith("not ") else kind
    return f"Of its {plural(len(attempts), 'answer')}, {number:,} {failed}."


# By the checkpoint's name, or by the stage that it was measured in.
_TELLERS: dict[str, Callable[[Run, Checkpoint | None, Checkpoint], str]] = {
    "phase1": _phase1,
    "phase2": _phase2,
    "sft": _sft,
    "dpo": _dpo,
    "quantize": _quantized,
}
