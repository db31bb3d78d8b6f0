"""What a finished study found, kept in docs/evidence and told in docs/evidence.md.

hornbook study phases --into STUDY
python benchmarks/evidence.py STUDY [STUDY ...]

Keeps a study's page, its figures and their comparisons as docs/evidence/NAME.html, .parquet and .json, and writes the
table between NAME's marks in docs/evidence.md. Prose around the marks is written by hand. What the first measure and
pass@1 say goes to src/hornbook/studies/found.json, which the report card reads.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from pages import between

from hornbook.files import read_json, whole, write_json, write_text
from hornbook.recipe import STAGES
from hornbook.study.compare import comparable
from hornbook.study.measures import Measure, measure_of, title_of

ROOT = Path(__file__).parents[1]
EVIDENCE = ROOT / "docs" / "evidence"
PAGE = ROOT / "docs" / "evidence.md"
FOUND = ROOT / "src" / "hornbook" / "studies" / "found.json"
COPIED = {"study.html": ".html", "figures.parquet": ".parquet"}


def marks(name: str) -> tuple[str, str]:
    """Between which lines of the page a study's table stands."""
    return f"<!-- {name}: benchmarks/evidence.py writes what stands here -->", f"<!-- /{name} -->"


def table(result: Mapping[str, Any]) -> str:
    """A study's comparisons as Markdown, of what its JSON holds: a row for each arm of each figure."""
    against, seeds = result["study"]["against"], len(result["study"]["seeds"])
    lines = [
        f"| figure | arm | mean of {seeds} seeds (range) | against `{against}` (95%) | found |",
        "|---|---|---|---|---|",
    ]
    for one in result["comparisons"]:
        lines += _rows(one, result["titles"][one["checkpoint"]], against)
    return "\n".join(lines)


def _rows(compared: Mapping[str, Any], checkpoint: str, against: str) -> Iterator[str]:
    measure = measure_of(compared["measure"])
    title = f" {title_of(compared['measure'])}, after {checkpoint}"
    for one in _told(compared, against):
        values = compared["values"][one["arm"]].values()
        spread = f"{measure.shown(min(values))}–{measure.shown(max(values))}".replace("%–", "–")
        found = "| | |" if one["arm"] == against else f"| {one['difference']} | {one['verdict']} |"
        yield f"|{title} | `{one['arm']}` | {one['mean']} ({spread}) {found}"
        title = ""


def _difference(measure: Measure, one: Mapping[str, Any]) -> str:
    if one["low"] is None or not comparable(one):
        return "–"
    low, high = measure.difference(one["low"]), measure.difference(one["high"])
    return f"{measure.difference(one['mean'])} {measure.unit} ({low} to {high})"


def finding(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the report card tells of a study: beside the stage that makes what is measured first where that is one by
    itself, otherwise beside the one that most of what the arms change is of.
    """
    study = result["study"]
    changed = Counter(_stage_of(key) for arm in study["arms"].values() for key in arm)
    return {
        "stage": next((name for name in study["checkpoints"] if name in STAGES), changed.most_common(1)[0][0]),
        "question": study["description"],
        "recipe": study["recipe"],
        "seeds": len(study["seeds"]),
        "found": [
            {
                "figure": f"{title_of(one['measure'])}, after {result['titles'][one['checkpoint']]}",
                "arms": _told(one, study["against"]),
            }
            for one in result["comparisons"]
            if measure_of(one["measure"]).name in (study["measures"][0], "pass_at_1")
        ],
    }


def _stage_of(key: str) -> str:
    """The stage whose setting this is: that of a table, of a table within one, or the one that trains the model."""
    return next((part for part in key.split(".")[:2] if part in STAGES), "pretrain")


def _told(compared: Mapping[str, Any], against: str) -> list[dict[str, str]]:
    """The arms of a comparison, that which the others are held against first: mean, difference and verdict in words."""
    measure = measure_of(compared["measure"])
    differences = {one["arm"]: one for one in compared["arms"]}
    told = []
    for arm, by_seed in sorted(compared["values"].items(), key=lambda item: item[0] != against):
        one = {"arm": arm, "mean": measure.shown(fmean(by_seed.values())), "difference": "", "verdict": ""}
        if arm != against:
            one |= {"difference": _difference(measure, differences[arm]), "verdict": differences[arm]["verdict"]}
        told.append(one)
    return told


def without_places(value: Any) -> Any:
    """A study's settings with the bare names of files and folders that lie somewhere on this machine."""
    if isinstance(value, Mapping):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def with_table(page: str, name: str, told: str) -> str:
    """The page with a study's table between its marks. Raises UserError where it has no such marks."""
    return between(page, *marks(name), f"\n{told}\n", where="docs/evidence.md", what=name)


def main() -> None:
    """Keep and tell what each study found."""
    parser = argparse.ArgumentParser(description="What finished studies found, kept and told.")
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY", help="the folder of a study")
    for folder in parser.parse_args().studies:
        result = read_json(folder / "study.json")
        name = result["study"]["name"]
        write_text(PAGE, with_table(PAGE.read_text(encoding="utf-8"), name, table(result)))
        known = read_json(FOUND) if FOUND.is_file() else {}
        write_json(FOUND, dict(sorted({**known, name: finding(result)}.items())))
        write_json(EVIDENCE / f"{name}.json", {**result, "study": without_places(result["study"])})
        for source, ending in COPIED.items():
            with whole(EVIDENCE / f"{name}{ending}") as temporary:
                shutil.copyfile(folder / source, temporary)


if __name__ == "__main__":
    main()
