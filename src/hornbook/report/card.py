"""The report card of a single training: what was asked, its loss, before and after, what it read and left out."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from pathlib import Path
from typing import Any

from hornbook.display import plural
from hornbook.report import overview
from hornbook.report.before_after import answered
from hornbook.report.report import environment
from hornbook.report.run import Run
from hornbook.report.sections import losses, reproduce
from hornbook.report.wording import clip, count, decimal, duration, share, size
from hornbook.runs import manifest
from hornbook.runs.manifest import Manifest
from hornbook.train.figures import validations

_TITLES = {"sft": "Supervised fine-tuning", "dpo": "Preferences (DPO)", "pretrain": "Pretraining"}
_LINES, _CHARACTERS = 12, 600  # of a text that is shown
_LARGEST = 20  # nats, of which a perplexity is told: 485 million


def training(folder: Path) -> Manifest | None:
    """The manifest of a folder that `hornbook sft`, `dpo` or `pretrain` made; None for any other."""
    found = manifest.read(folder)
    return found if found is not None and found.stage in _TITLES else None


def gather(folder: Path, made: Manifest) -> dict[str, Any]:
    """What the page tells as plain values: `stage`, `settings`, `seconds`, `peak_memory`, `figures`, `curves`,
    `validations`, and `model` and `samples` where there are any.
    """
    run = Run.of({made.stage: folder})
    told = {name: getattr(made, name) for name in ("stage", "settings", "seconds", "peak_memory", "figures")}
    measured = {"curves": losses.curves(run, made.stage), "validations": losses.held_out(run, made.stage)}
    return told | measured | answered(folder)


def page(folder: Path, made: Manifest) -> str:
    """The page as HTML, of a folder and its manifest; equal folders make equal bytes."""
    run, asked = Run.of({made.stage: folder}), answered(folder)
    return (
        environment()
        .get_template("card.html")
        .render(
            name=folder.resolve().name,
            description=_description(made, asked),
            tiles=_tiles(made),
            machine=overview.machine(run),
            version=made.versions.get("hornbook", ""),
            measured=_measured(folder, made),
            curve=losses.plot(run, made.stage),
            samples=_samples(made, asked),
            read=_read(made),
            again=reproduce.view(run, ()),
        )
    )


def _further(made: Manifest) -> bool:
    """Whether it began with a model and rows, and not with packed tokens."""
    return "sources" in made.figures


def _description(made: Manifest, asked: Mapping[str, Any]) -> str:
    title = "Continued pretraining" if made.stage == "pretrain" and _further(made) else _TITLES[made.stage]
    of = f" of {asked['model']}" if "model" in asked else ""
    lora = made.settings.get("lora")
    return title + of + (f", an adapter of rank {lora['rank']}" if lora else "")


def _tiles(made: Manifest) -> list[dict[str, str]]:
    found, pairs = made.figures, made.stage == "dpo"
    tiles = []
    if told := found.get("validation"):
        note = f"{decimal(told['before'])} before; the weights of step {count(told['step'])}"
        tiles.append({"label": "loss, held out", "value": decimal(told["after"]), "note": note})
    else:
        last = found["loss"] if _further(made) else found["loss"]["phase2"]
        tiles.append({"label": "loss at the end", "value": decimal(last), "note": "of what it learnt"})
    if pairs:
        note = f"{share(found['accuracy_first'])} in its first steps"
        tiles.append({"label": "pairs ranked rightly", "value": share(found["accuracy_last"]), "note": note})
    steps, tokens = (_total(found[name]) for name in ("steps", "tokens"))
    of = ""
    if _further(made):
        of = f"of {plural(found['batch'], 'pair' if pairs else 'row')}"
        of += "" if pairs else f" of {plural(found['length'], 'token')}"
    return [
        *tiles,
        {"label": "steps", "value": count(steps), "note": of},
        {"label": "tokens read", "value": count(tokens), "note": "without padding"},
        {"label": "time", "value": duration(made.seconds), "note": f"{size(made.peak_memory)} of memory"},
    ]


def _total(figure: int | Mapping[str, int]) -> int:
    """A figure of a whole training, or of its phases."""
    return figure if isinstance(figure, int) else sum(figure.values())


def _measured(folder: Path, made: Manifest) -> dict[str, Any] | None:
    """What was measured on rows held out, before the first step and with the weights that stayed."""
    told, found = made.figures.get("validation"), validations(folder)
    if not told or not found:
        return None
    at = found["step"].index(told["step"])
    losses_ = [found["validation_loss"][place] for place in (0, at)]
    rows = [("loss", *(decimal(loss, 3) for loss in losses_))]
    if made.stage == "dpo":
        ranked, margin = found["validation_accuracy"], found["validation_margin"]
        rows += [
            ("pairs ranked rightly", share(ranked[0]), share(ranked[at])),
            ("margin, in nats", decimal(margin[0]), decimal(margin[at])),
        ]
    else:
        rows.append(("perplexity", *(decimal(_perplexity(loss), 1) for loss in losses_)))
    return {"rows": rows, "held_out": made.figures.get("held_out", 0), "pairs": made.stage == "dpo", **told}


def _perplexity(loss: float | None) -> float | None:
    """None where a loss is no number, and where the number would say no more than that it is large."""
    return None if loss is None or loss > _LARGEST else exp(loss)


def _samples(made: Manifest, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Each prompt with what the base, the trained model and the row itself answer."""
    if not asked.get("samples"):
        return None
    titles = {"before": "before", "after": "after", "answer": "chosen" if made.stage == "dpo" else "the row itself"}
    return {
        "held_out": asked["samples"][0]["held_out"],
        "asked": [
            {
                "said": one.get("messages") or [{"role": "", "content": one["text"]}],
                "cards": [
                    {"title": title, "text": clip(one[name].strip("\n"), _LINES, _CHARACTERS).strip() or "(nothing)"}
                    for name, title in titles.items()
                ],
            }
            for one in asked["samples"]
        ],
    }


def _read(made: Manifest) -> dict[str, Any] | None:
    """Which rows were recognised as what, how many were learnt, and how many were not, with the reason."""
    if not _further(made):
        return None
    found = made.figures
    lost = dict(found["left_out"]) | dict(found["refused"])
    if found["too_long"]:
        lost["longer than a row"] = found["too_long"]
    learnt = found["pairs" if made.stage == "dpo" else "conversations"]
    what = {"sft": ("conversation",), "dpo": ("pair",), "pretrain": ("piece of text", "pieces of text")}[made.stage]
    facts = [
        ("learnt from", plural(learnt, *what)),
        ("held out", plural(found.get("held_out", 0), "row")),
        *([("cut to fit a row", plural(found["cut"], *what))] if found.get("cut") else []),
    ]
    shapes = [(source, shape, n) for source, there in found["sources"].items() for shape, n in there.items()]
    return {
        "sources": shapes,
        "facts": facts,
        "lost": sorted(lost.items(), key=lambda one: (-one[1], one[0])),
    }
