"""The tutor's table: SmolLM2 taken through the recipe with several seeds, and its shape from random weights beside it.

python benchmarks/tutor.py --runs RUNS --web FOLDER [--seeds 1 2 3] [--controls 1 2 3] [--read]

Runs `tutor` for each seed into RUNS/seed-N and `tutor-control` into RUNS/control-N (what is finished is read). FOLDER
holds web pages that no stage learns from: a twentieth of them is the source `general`, whose loss tells what was
forgotten. SmolLM2 is looked for as `hornbook run tutor` does. Writes what was measured to benchmarks/tutor.json, and
the table to README.md and docs/tutor.md, between their marks.
"""

from __future__ import annotations

import argparse
import datetime
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from pages import between, mean_and_range, percentages
from readme_figures import WIDTH, instructions, run

from hornbook.errors import UserError
from hornbook.files import read_json, write_json, write_text
from hornbook.machine import describe
from hornbook.report.figures import collect
from hornbook.report.run import Run
from hornbook.report.wording import duration, listed, size

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "benchmarks" / "tutor.json"
PLACES = (ROOT / "README.md", ROOT / "docs" / "tutor.md")
BEGIN, END = "<!-- tutor: benchmarks/tutor.py writes what stands here -->", "<!-- /tutor -->"
TITLES = {
    "before": "no training",
    "phase1": "phase 1",
    "phase2": "pretraining",
    "sft": "SFT",
    "dpo": "DPO",
    "4bit": "4 bits",
}

Figures = dict[str, Any]


def measured(folder: Path, seed: int) -> Figures:
    """What is told of one finished run. Raises UserError where it is none."""
    run, figures = Run.at(folder), collect(folder)
    if "report" not in run.manifests:
        raise UserError(f"{folder} holds no finished run")
    scores = {name: _scores(one) for name, one in figures["scores"].items()}
    stages = figures["stages"]
    return {
        "seed": seed,
        "scores": scores,
        "tokens": {**stages["pretrain"]["tokens"], **{name: stages[name]["tokens"] for name in ("sft", "dpo")}},
        "seconds": {name: stage["seconds"] for name, stage in stages.items()},
        "peak_memory": figures["peak_memory"],
        "computing": stages["pretrain"]["computing"],
        "versions": run.manifests["report"].versions,
        "machine": run.manifests["report"].machine,
    }


def _scores(scores: Mapping[str, Any]) -> Figures:
    """A checkpoint's: shares of problems solved, perplexity of the web text, questions answered rightly."""
    general = (scores.get("validation_loss") or {}).get("general")
    return {
        "completion": (scores.get("completion") or {}).get("pass_at_1"),
        "chat": (scores.get("chat") or {}).get("pass_at_1"),
        "perplexity": None if general is None else round(math.exp(general), 3),
        "questions": ((scores.get("questions") or {}).get("general") or {}).get("right"),
    }


def told(figures: Figures) -> str:
    """The table, and how it came about."""
    runs, controls = figures["runs"], figures["controls"]
    first = runs[0]
    rows = [
        f"| {title} | {percentages(_of(runs, name, 'completion'))} | {percentages(_of(runs, name, 'chat'))} | "
        f"{mean_and_range(_of(runs, name, 'perplexity'))} | {_risen(runs, name)} | "
        f"{mean_and_range(_of(runs, name, 'questions'))} |"
        + (f" {percentages(_of(controls, name, 'completion'))} |" if controls else "")
        for name, title in TITLES.items()
        if any(name in one["scores"] for one in runs)
    ]
    seconds = [sum(one["seconds"].values()) for one in runs if one["seed"] in figures["timed"]]
    lone = "" if len(seconds) == len(runs) else f" (seed {listed(map(str, figures['timed']))}, alone on the machine)"
    tokens = [sum(one["tokens"].values()) for one in runs]
    read = _from_to(f"{one:,}" for one in (min(tokens), max(tokens)))
    took = _from_to(duration(one) for one in (min(seconds), max(seconds)))
    memory = size(max(one["peak_memory"] for one in runs))
    machine = first["machine"]
    text = (
        f"Mean and range over seeds {listed(str(one['seed']) for one in runs)}: 200 held-out problems, each answered "
        "once and run in a sandbox; the perplexity of web pages that nothing here reads; nine questions of general "
        f"knowledge. {_beside(runs, controls)}{read} tokens are trained on; the whole takes {took}{lone}, with "
        f"{memory} of memory, on {machine['cores']} cores of {machine['processor']} "
        f"({', '.join(figures['instructions'])}; {first['computing']}; PyTorch {first['versions']['torch']}, "
        f"{figures['date']}). "
        "`python benchmarks/tutor.py` makes this table ([figures](BENCHMARKS/tutor.json))."
    )
    heads = ["after", "pass@1, completing a docstring", "in chat", "perplexity", "it rises by", "questions"]
    heads += ["pass@1 from random weights"] if controls else []
    lines = [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *rows,
        "",
        *wrap(text, WIDTH, break_on_hyphens=False),
    ]
    return "\n".join(lines)


def _from_to(words: Iterable[str]) -> str:
    """The least and the most, once where they read the same."""
    return " to ".join(dict.fromkeys(words))


def _beside(runs: Sequence[Figures], controls: Sequence[Figures]) -> str:
    """What is said of the controls."""
    if not controls:
        return ""
    seeds = [str(one["seed"]) for one in controls]
    which = "" if len(controls) == len(runs) else f" (seed {listed(seeds)})"
    return f"Beside it the same shape from random weights, with the same tokens{which}: what pretraining was worth. "


def _risen(runs: Sequence[Figures], checkpoint: str) -> str:
    """By how much the perplexity is higher than before training, run by run: pages differ from seed to seed."""
    both = zip(_of(runs, checkpoint, "perplexity"), _of(runs, "before", "perplexity"), strict=True)
    return (
        "–"
        if checkpoint == "before"
        else percentages([after / before - 1 if after and before else None for after, before in both])
    )


def _of(runs: Sequence[Figures], checkpoint: str, key: str) -> list[float | None]:
    return [one["scores"].get(checkpoint, {}).get(key) for one in runs]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run or read every seed, then write figures and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="a folder for the runs; none: write the tables again")
    parser.add_argument("--web", type=Path, help="web pages, in a form that `hornbook read` knows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--controls", type=int, nargs="*", help="seeds of controls; the same unless told otherwise")
    parser.add_argument("--read", action="store_true", help="run nothing: every seed is finished")
    parser.add_argument("--timed", type=int, nargs="+", help="seeds whose runs had the machine for themselves; all")
    given = parser.parse_args(arguments)
    if given.runs is not None:
        _gather(given)
    figures = read_json(FIGURES)
    for place in PLACES:
        table = told(figures).replace("BENCHMARKS", "benchmarks" if place.parent == ROOT else "../benchmarks")
        page = place.read_text(encoding="utf-8")
        write_text(place, between(page, BEGIN, END, table, where=place.name, what="the table"))


def _gather(given: argparse.Namespace) -> None:
    controls = given.seeds if given.controls is None else given.controls
    recipes = {"runs": ("tutor", "seed", given.seeds), "controls": ("tutor-control", "control", controls)}
    if not given.read:
        if given.web is None:
            raise UserError("name web pages with --web, or add --read where every seed is finished")
        for recipe, name, seeds in recipes.values():
            for seed in seeds:
                web = [f"sources.1.path={given.web.absolute()}", "sources.1.share=0.05"]
                run(recipe, seed, given.runs / f"{name}-{seed}", *web)
    found = {
        key: [measured(given.runs / f"{name}-{seed}", seed) for seed in seeds]
        for key, (_, name, seeds) in recipes.items()
    }
    told_of = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "instructions": instructions(describe()),
        "timed": given.timed or given.seeds,
    }
    if found["runs"][0]["machine"].get("processor") != describe()["processor"]:
        raise UserError("the runs were made on another processor; read them there")
    write_json(FIGURES, {**told_of, **found})


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
