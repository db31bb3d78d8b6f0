"""Loss curves of everything that was trained, thinned to what a plot can show, and what was measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import nan
from statistics import fmean
from typing import Any

from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import count, decimal, listed, share
from hornbook.train.figures import Measured, columns, validations

POINTS = 400
SMOOTH = POINTS // 100

Curves = dict[str, list[float]]


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A plot with its caption for each stage that trained."""
    drawn = [found for stage in _DRAWN if (found := plot(run, stage)) is not None]
    return {"plots": drawn} if drawn else None


def plot(run: Run, stage: str) -> dict[str, Any] | None:
    """A stage's loss, step by step, and on rows held out where it was measured; None for fewer than two steps."""
    log = curves(run, stage)
    if len(log.get("loss", [])) < 2:
        return None
    with plots.style():
        return _DRAWN[stage](run.figures(stage), log, held_out(run, stage))


def _pretraining(figures: Mapping[str, Any], log: Curves, held: Measured) -> dict[str, Any]:
    steps = figures.get("steps", {})
    if not isinstance(steps, dict):  # continued: one phase, of rows
        return _of_rows("Continued pretraining", "", figures, log, held)
    drawn, (loss, rate) = plots.figure(10, 4.2, rows=2, ratios=[3, 1])
    _plot_loss(loss, log, held)
    rate.plot(log["step"], log["rate"], color=plots.COLOURS["three"])
    rate.set(ylabel="rate", xlabel="step", ylim=(0, 1.1))
    boundary = steps.get("phase1")
    if boundary and steps.get("phase2"):
        for axes in (loss, rate):
            axes.axvline(boundary + 0.5, color=plots.COLOURS["faint"], linewidth=1, linestyle="--")
        for place, side, name in ((-4, "right", "phase 1"), (4, "left", "phase 2")):
            loss.annotate(
                name,
                (boundary + 0.5, 0.98),
                xycoords=("data", "axes fraction"),
                xytext=(place, 0),
                textcoords="offset points",
                ha=side,
                va="top",
                color=plots.COLOURS["faint"],
            )
    ends = figures.get("loss", {})
    told = [f"{decimal(ends[phase])} at the end of {title}" for phase, title in _PHASES.items() if phase in ends]
    told = told if len(told) > 1 else [f"{decimal(loss)} at the end" for loss in ends.values()]
    caption = f"Loss {listed(told)}.{_told(figures, held)} Below: the learning rate as a share of its peak."
    return {
        "title": "Pretraining",
        "wide": True,
        "svg": plots.svg(drawn, "pretraining", f"Pretraining loss over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


_PHASES = {"phase1": "phase 1", "phase2": "phase 2"}


def _fine_tuning(figures: Mapping[str, Any], log: Curves, held: Measured) -> dict[str, Any]:
    learnt = f": {share(figures['answer_share'])} of all" if "answer_share" in figures else ""
    says = f"Only the assistant's tokens count{learnt}. "
    return _of_rows("Supervised fine-tuning", says, figures, log, held)


def _of_rows(title: str, says: str, figures: Mapping[str, Any], log: Curves, held: Measured) -> dict[str, Any]:
    """One curve. says: what is said of it before all else."""
    drawn, (loss,) = plots.figure(*_SIZE)
    _plot_loss(loss, log, held, figures)
    loss.set(xlabel="step")
    caption = f"{says}Loss {decimal(figures.get('loss'))} at the end.{_told(figures, held)}"
    return {
        "title": title,
        "wide": False,
        "svg": plots.svg(drawn, "rows", f"Loss over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


def _preferences(figures: Mapping[str, Any], log: Curves, held: Measured) -> dict[str, Any]:
    shown = 2 if "accuracy" in log else 1
    drawn, axes = plots.figure(*_SIZE, rows=shown)
    _plot_loss(axes[0], log, held, figures)
    if shown == 2:
        axes[1].plot(log["step"], smoothed(log["accuracy"]), color=plots.COLOURS["one"])
        axes[1].set(ylabel="accuracy", ylim=(0, 1.05))
        if "validation_accuracy" in held:
            axes[1].plot(_numbers(held["step"]), _numbers(held["validation_accuracy"]), **_DOTS)
    axes[-1].set(xlabel="step")
    caption = (
        "Accuracy: the share of pairs in which the chosen answer has gained more likelihood than the rejected one "
        f"since DPO began, {share(figures.get('accuracy_first'))} in its first steps, "
        f"{share(figures.get('accuracy_last'))} in its last.{_told(figures, held)}"
    )
    return {
        "title": "Preferences (DPO)",
        "wide": False,
        "svg": plots.svg(drawn, "dpo", f"DPO loss and accuracy over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


_DRAWN: dict[str, Callable[[Mapping[str, Any], Curves, Measured], dict[str, Any]]] = {
    "pretrain": _pretraining,
    "sft": _fine_tuning,
    "dpo": _preferences,
}
_SIZE = (5, 3)  # a phone shows all of it, with words that can be read
_DOTS: dict[str, Any] = {"color": plots.COLOURS["two"], "linewidth": 1.2, "marker": "o", "markersize": 4.5}


def _told(figures: Mapping[str, Any], held: Measured) -> str:
    """What the dots are, for a caption that goes on."""
    if not held:
        return ""
    found = figures.get("validation")
    if not found:
        return " Dots: the loss on text held out."
    return f" Dots: held out, lowest ringed; the model has the weights of step {count(found['step'])}."


def _plot_loss(axes: Any, log: Curves, held: Measured, figures: Mapping[str, Any] | None = None) -> None:
    """Each step's loss, pale, and over it the mean of the steps around; what was held out as dots, the best ringed."""
    axes.plot(log["step"], log["loss"], color=plots.COLOURS["one"], alpha=0.3, linewidth=1)
    axes.plot(log["step"], smoothed(log["loss"]), color=plots.COLOURS["one"], label="learnt")
    axes.set(ylabel="loss")
    if not held:
        return
    axes.plot(_numbers(held["step"]), _numbers(held["validation_loss"]), label="held out", **_DOTS)
    axes.legend(loc="upper right", ncols=2)
    if figures and "validation" in figures:
        step, lowest = best(held)
        ring = {"markersize": 11, "markerfacecolor": "none", "linestyle": "none", "markeredgewidth": 1.5}
        axes.plot(step, lowest, **(_DOTS | ring))


def _numbers(measured: list[float | None]) -> list[float]:
    """What can be drawn: nothing where there is no number."""
    return [nan if one is None else one for one in measured]


def curves(run: Run, stage: str) -> Curves:
    """A stage's figures by name (`step`, `loss`, `rate`, for DPO `accuracy`), at most POINTS each; empty without any.

    Those that differ from run to run are left out.
    """
    found = columns(run.folders[stage]) if stage in run.folders else {}
    return {name: thinned(values) for name, values in found.items()}


def held_out(run: Run, stage: str) -> Measured:
    """What a stage measured on what it never learnt, by name (`step`, `validation_loss`); empty without any."""
    return validations(run.folders[stage]) if stage in run.folders else {}


def best(held: Measured) -> tuple[int, float]:
    """The step with the lowest loss held out, of equal ones the last, and that loss. Before the first step is none."""
    measured = zip(held["step"], held["validation_loss"], strict=True)
    loss, step = min((loss, -step) for step, loss in measured if step and loss is not None)
    return int(-step), loss


def thinned(values: list[float], points: int = POINTS) -> list[float]:
    """Means of neighbouring values, so that at most `points` are left; the values themselves where they are few."""
    width = -(-len(values) // points)
    if width <= 1:
        return list(values)
    groups = [values[start : start + width] for start in range(0, len(values), width)]
    return [fmean(group) for group in groups]


def smoothed(values: list[float]) -> list[float]:
    """The mean of each value and its neighbours: an eighth of all on either side, one at least, SMOOTH at most."""
    reach = min(SMOOTH, max(1, len(values) // 8))
    means = []
    for middle in range(len(values)):
        near = min(reach, middle, len(values) - 1 - middle)
        part = values[middle - near : middle + near + 1]
        means.append(fmean(part))
    return means
