"""Loss curves of everything that was trained, thinned to what a plot can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report import plots
from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run
from hornbook.report.wording import count, decimal, listed, share
from hornbook.train.figures import columns

POINTS = 400

Curves = dict[str, list[float]]


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """A plot with its caption for each stage that trained."""
    drawn = []
    with plots.style():
        for stage, draw in (("pretrain", _pretraining), ("sft", _fine_tuning), ("dpo", _preferences)):
            log = curves(run, stage)
            if len(log.get("loss", [])) > 1:
                drawn.append(draw(run, log))
    return {"plots": drawn} if drawn else None


def _pretraining(run: Run, log: Curves) -> dict[str, Any]:
    figures = run.figures("pretrain")
    steps = figures.get("steps", {})
    drawn, (loss, rate) = plots.figure(10, 4.2, rows=2, ratios=[3, 1])
    _plot_loss(loss, log)
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
    caption = f"Loss {listed(told)}. Below: the learning rate as a share of its peak."
    return {
        "title": "Pretraining",
        "wide": True,
        "svg": plots.svg(drawn, "pretraining", f"Pretraining loss over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


_PHASES = {"phase1": "phase 1", "phase2": "phase 2"}


def _fine_tuning(run: Run, log: Curves) -> dict[str, Any]:
    drawn, (loss,) = plots.figure(5, 3)
    _plot_loss(loss, log)
    loss.set(xlabel="step")
    figures = run.figures("sft")
    caption = "Only the assistant's tokens count"
    if "answer_share" in figures:
        caption += f": {share(figures['answer_share'])} of all"
    caption = f"{caption}. Loss {decimal(figures.get('loss'))} at the end."
    return {
        "title": "Supervised fine-tuning",
        "wide": False,
        "svg": plots.svg(drawn, "sft", f"SFT loss over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


def _preferences(run: Run, log: Curves) -> dict[str, Any]:
    shown = 2 if "accuracy" in log else 1
    drawn, axes = plots.figure(5, 3, rows=shown)
    _plot_loss(axes[0], log)
    if shown == 2:
        axes[1].plot(log["step"], smoothed(log["accuracy"]), color=plots.COLOURS["two"])
        axes[1].set(ylabel="accuracy", ylim=(0, 1.05))
    axes[-1].set(xlabel="step")
    figures = run.figures("dpo")
    caption = (
        "Accuracy: the share of pairs in which the chosen answer has gained more likelihood than the rejected one "
        f"since DPO began, {share(figures.get('accuracy_first'))} in its first steps, "
        f"{share(figures.get('accuracy_last'))} in its last."
    )
    return {
        "title": "Preferences (DPO)",
        "wide": False,
        "svg": plots.svg(drawn, "dpo", f"DPO loss and accuracy over {count(log['step'][-1])} steps. {caption}"),
        "caption": caption,
    }


def _plot_loss(axes: Any, log: Curves) -> None:
    """Each step's loss, pale, and over it the mean of the steps around."""
    axes.plot(log["step"], log["loss"], color=plots.COLOURS["one"], alpha=0.3, linewidth=1)
    axes.plot(log["step"], smoothed(log["loss"]), color=plots.COLOURS["one"])
    axes.set(ylabel="loss")


def curves(run: Run, stage: str) -> Curves:
    """A stage's figures by name (`step`, `loss`, `rate`, for DPO `accuracy`), at most POINTS each; empty without any.

    Those that differ from run to run are left out.
    """
    found = columns(run.folders[stage]) if stage in run.folders else {}
    return {name: thinned(values) for name, values in found.items()}


def thinned(values: list[float], points: int = POINTS) -> list[float]:
    """Means of neighbouring values, so that at most `points` are left; the values themselves where they are few."""
    width = -(-len(values) // points)
    if width <= 1:
        return list(values)
    groups = [values[start : start + width] for start in range(0, len(values), width)]
    return [sum(group) / len(group) for group in groups]


def smoothed(values: list[float]) -> list[float]:
    """The mean of each value and its neighbours, up to a hundredth of all of them on either side."""
    reach = len(values) // 100
    means = []
    for middle in range(len(values)):
        near = min(reach, middle, len(values) - 1 - middle)
        part = values[middle - near : middle + near + 1]
        means.append(sum(part) / len(part))
    return means
