"""README's table and picture: the pocket recipe with several seeds, as mean and range, on a machine that is named.

python benchmarks/readme_figures.py [--runs runs/readme] [--seeds 1 2 3]
python benchmarks/readme_figures.py --recipe benchmarks/pocket_bars.toml --seeds 11 12 13 14 15 --runs runs/bars \
    --figures-only --figures runs/bars.json

Runs the recipe once for each seed into RUNS/seed-N (what is finished is read), writes what was measured to
benchmarks/readme_figures.json, the section of README.md between its marks, and docs/images/report.png, the report card
of the run that is the median by pass@1. The picture needs Chromium. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from browser import NAMES, Browser, chromium
from pages import between, percentages

from hornbook.errors import UserError
from hornbook.files import read_json, write_json, write_text
from hornbook.machine import describe
from hornbook.report.figures import collect
from hornbook.report.run import Run
from hornbook.report.wording import duration, listed, size

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "benchmarks" / "readme_figures.json"
UNSEEN = ROOT / "benchmarks" / "pocket_bars.json"  # the same of seeds that nothing was chosen by
BEGIN, END = "<!-- figures: benchmarks/readme_figures.py writes what stands here -->", "<!-- /figures -->"
WIDTH = 124  # columns of README's text
PICTURE = (1100, 1560)  # pixels: the head of the page and the score table

Figures = dict[str, Any]


def instructions(machine: Mapping[str, Any]) -> list[str]:
    """The machine's instructions that `describe` names, one by one."""
    return [name for name in str(machine.get("instructions", "")).split(", ") if name]


def run(recipe: str, seed: int, into: Path, *settings: str) -> None:
    """Run the recipe, or what is left of it. Raises UserError when that fails."""
    command = [sys.executable, "-m", "hornbook", "run", recipe, f"seed={seed}", *settings, "--into", str(into)]
    command.append("--no-reuse")  # what another run left would take no time
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"{' '.join(command[1:])} failed")


def measured(folder: Path, seed: int) -> Figures:
    """What README tells of one finished run. Raises UserError where a stage is missing."""
    found, figures = Run.at(folder), collect(folder)
    if "report" not in found.manifests or not figures["scores"]:
        raise UserError(f"{folder} holds no finished run with scores")
    last = found.manifests["report"]
    quantized = found.figures("quantize")
    return {
        "seed": seed,
        "scores": {name: _scores(scores) for name, scores in figures["scores"].items()},
        "checkpoints": [
            {key: one[key] for key in ("name", "title", "shrunk")}
            for manifest in found.manifests.values()
            for one in manifest.checkpoints
            if one["name"] in figures["scores"]
        ],
        "problems": found.figures("evaluate")["problems"],
        "parameters": found.figures("pretrain")["parameters"],
        "shrunk_bytes": quantized.get("bytes_after"),
        "seconds": figures["seconds"],
        "peak_memory": figures["peak_memory"],
        "disk": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "machine": last.machine,
        "computing": found.figures("pretrain")["computing"],
        "precision": found.figures("evaluate").get("precision"),
        "versions": last.versions,
        "code": {name: one.code for name, one in found.manifests.items()},
    }


def _scores(scores: Mapping[str, Any]) -> Figures:
    refusals = scores.get("refusals") or {}
    return {
        "completion": scores["completion"]["pass_at_1"],
        "chat": scores["chat"]["pass_at_1"] if scores.get("chat") else None,
        "harmful": refusals.get("harmful_refused"),
        "harmless": refusals.get("harmless_refused"),
    }


def together(runs: Sequence[Figures], date: str, processor: Mapping[str, Any]) -> Figures:
    """The runs as one table's figures. `processor`: this machine, as `describe` has it.

    Raises UserError where they were not made by the same code on the same machine, or not on this one.
    """
    first = runs[0]
    for other in runs[1:]:
        for key, what in (
            ("machine", "on another machine"),
            ("versions", "with other libraries"),
            ("code", "by other code"),
        ):
            if other[key] != first[key]:
                raise UserError(f"seed {other['seed']} was made {what} than seed {first['seed']}; make them alike")
    if first["machine"].get("processor") != processor.get("processor"):
        raise UserError(f"the runs were made on {first['machine'].get('processor')}; read them there")
    shared = ("checkpoints", "problems", "parameters", "machine", "computing", "precision", "versions")
    own = ("seed", "scores", "shrunk_bytes", "seconds", "peak_memory", "disk")
    return {
        "date": date,
        **{key: first[key] for key in shared},
        "instructions": instructions(processor),
        "median": median(runs)["seed"],
        "runs": [{key: one[key] for key in own} for one in runs],
    }


def median(runs: Sequence[Figures]) -> Figures:
    """The run in the middle by pass@1 of its last model at full precision; of two the lower one."""
    ordered = sorted(runs, key=lambda one: (one["scores"][last_trained(one)["name"]]["completion"], one["seed"]))
    return ordered[(len(ordered) - 1) // 2]


def last_trained(figures: Figures) -> Figures:
    """The last checkpoint that is not shrunk: its `name` and `title`."""
    return next(one for one in reversed(figures["checkpoints"]) if not one["shrunk"])


def section(figures: Figures) -> str:
    """README's section: the table, and how it came about."""
    runs = figures["runs"]
    seeds = listed(str(one["seed"]) for one in runs)
    rows = [_row(checkpoint, figures) for checkpoint in figures["checkpoints"]]
    last = last_trained(figures)
    each = ", ".join(f"{one['scores'][last['name']]['completion']:.1%} with seed {one['seed']}" for one in runs)
    machine = figures["machine"]
    computed = f"trained on {figures['computing']}"
    if figures.get("precision"):
        computed += f"; measured in {figures['precision']}"
    told = (
        f"Mean and range over seeds {seeds}; after {last['title']} {each}. The picture is of seed {figures['median']}, "
        f"the median; `make pocket` is seed 1. pass@1 counts {figures['problems']} held-out problems, new compositions "
        "of known parts, each answered once and run in a sandbox. "
        f"Measured on {figures['date']} with Hornbook {figures['versions']['hornbook']}, PyTorch "
        f"{figures['versions']['torch']} and Python {figures['versions']['python']} on {machine['cores']} cores of "
        f"{machine['processor']} ({', '.join(figures['instructions'])}; {computed}): "
        f"{_range(runs, 'seconds', duration)} a run, {_range(runs, 'peak_memory', size)} of memory, "
        f"{_range(runs, 'disk', size)} of disk. `python benchmarks/readme_figures.py` makes this section."
    )
    return "\n".join(
        [
            f"![The report card of the pocket recipe with seed {figures['median']}](docs/images/report.png)",
            "",
            "| after | pass@1, completing a docstring | pass@1, asked in chat | declines harmful / harmless requests |",
            "|---|---|---|---|",
            *rows,
            "",
            *wrap(told, WIDTH, break_long_words=False, break_on_hyphens=False),
            "",
            *wrap(unseen(read_json(UNSEEN)), WIDTH, break_long_words=False, break_on_hyphens=False),
        ]
    )


def unseen(figures: Figures) -> str:
    """What the seeds come to that nothing was chosen by: mean and range, in a sentence."""
    runs = figures["runs"]
    first = next(one for one in figures["checkpoints"] if one["name"] == "phase2")
    last, small = last_trained(figures), figures["checkpoints"][-1]

    def spread(checkpoint: Figures, key: str, digits: int = 1) -> str:
        return percentages([one["scores"][checkpoint["name"]][key] for one in runs], digits)

    return (
        f"Seeds {listed(str(one['seed']) for one in runs)}, by which nothing was chosen, with {figures['problems']:,} "
        f"problems held out of what is learnt: {spread(first, 'completion')} after {first['title']}, "
        f"{spread(last, 'completion')} after {last['title']} and {spread(last, 'chat')} in chat, "
        f"{spread(small, 'completion')} and {spread(small, 'chat')} in {small['title']}; declined are "
        f"{spread(last, 'harmful', 0)} of harmful and {spread(last, 'harmless', 0)} of harmless requests "
        f"(`hornbook run benchmarks/pocket_bars.toml seed={runs[0]['seed']}` and so on; "
        f"[figures](benchmarks/pocket_bars.json), {figures['date']})."
    )


def _row(checkpoint: Figures, figures: Figures) -> str:
    scores = [one["scores"][checkpoint["name"]] for one in figures["runs"]]
    small = f", {_range(figures['runs'], 'shrunk_bytes', size)}" if checkpoint["shrunk"] else ""
    passed = " | ".join(percentages([one[style] for one in scores]) for style in ("completion", "chat"))
    refused = " / ".join(percentages([one[kind] for one in scores], 0) for kind in ("harmful", "harmless"))
    return f"| {checkpoint['title']}{small} | {passed} | {refused} |"


def _range(runs: Sequence[Figures], key: str, words: Any) -> str:
    low, high = (words(choose(one[key] for one in runs)) for choose in (min, max))
    return low if low == high else f"{low} to {high}"


def written(readme: str, text: str) -> str:
    """README with `text` between its marks. Raises UserError where it has none."""
    return between(readme, BEGIN, END, text, where="README", what="figures")


def picture(page: Path, image: Path) -> None:
    """The head of a page as a PNG, by a browser without a window or a network. Raises UserError where there is none."""
    if chromium() is None:
        raise UserError(f"no {' or '.join(NAMES)} for the picture: install one, or add --without-picture")
    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile), size=PICTURE, scale=1) as browser:
        browser.open(page.absolute().as_uri())
        browser.picture(image)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run or read every seed, then write figures, section and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "readme", help="a folder for the runs")
    parser.add_argument("--recipe", default="pocket")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--read", action="store_true", help="run nothing: every seed is finished")
    parser.add_argument(
        "--rewrite", action="store_true", help="look at no run: write README from the figures there are"
    )
    parser.add_argument("--date", help="of the runs; today unless told")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--figures", type=Path, default=FIGURES)
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "images" / "report.png")
    parser.add_argument("--without-picture", action="store_true")
    parser.add_argument("--figures-only", action="store_true", help="neither README nor its picture is touched")
    given = parser.parse_args(arguments)
    figures = json.loads(given.figures.read_text(encoding="utf-8")) if given.rewrite else _gather(given)
    if not given.figures_only:
        write_text(given.readme, written(given.readme.read_text(encoding="utf-8"), section(figures)))
    print(json.dumps({one["seed"]: one["scores"] for one in figures["runs"]}, indent=2))


def _gather(given: argparse.Namespace) -> Figures:
    """Run or read every seed; figures and picture are written."""
    folders = {seed: given.runs / f"seed-{seed}" for seed in given.seeds}
    if not given.read:
        for seed, folder in folders.items():
            run(given.recipe, seed, folder)
    runs = [measured(folder, seed) for seed, folder in folders.items()]
    figures = together(runs, given.date or datetime.datetime.now(datetime.UTC).date().isoformat(), describe())
    if not (given.without_picture or given.figures_only):
        [page] = folders[figures["median"]].glob("[0-9]*-report/report.html")
        picture(page, given.picture)
    write_json(given.figures, figures)
    return figures


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
