"""The study file: a recipe, what its arms change, the seeds, and what is measured; validated whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from hornbook.errors import UserError, nearest
from hornbook.files import read_toml
from hornbook.longrope.measure import MEASURED
from hornbook.recipe import STAGES, Recipe, base_of, load, locate
from hornbook.settings import Settings, key_and_value, validated
from hornbook.study.measures import MEASURES

BUILT_IN = Path(__file__).parents[1] / "studies"


class Study(Settings):
    """Everything a study depends on but the recipe itself."""

    name: str = Field("", description="what the page is headed with; the file's name unless told")
    description: str = Field("", description="the question, in a line")
    recipe: str = Field(description="a recipe's name, or its file as seen from the study's folder")
    settings: dict[str, Any] = Field({}, description="settings of the recipe that all arms have, by dotted key")
    arms: dict[str, dict[str, Any]] = Field(description="by name, the settings of the recipe that an arm changes")
    against: str = Field(description="the arm that the others are compared with")
    seeds: tuple[int, ...] = Field((1, 2, 3), min_length=1, description="every arm runs with each of them")
    measures: tuple[str, ...] = Field(("right", "margin", "pass_at_1"), min_length=1, description="what is compared")
    checkpoints: tuple[str, ...] = Field(
        (), description="models that are measured and compared, such as phase2; unset: all, and the last trained"
    )
    problems: int | None = Field(None, ge=1, description="held-out problems, in place of the recipe's")
    until: str = Field("evaluate", description="the last stage that is run")
    worth: dict[str, float] = Field({}, description="by measure, the smallest difference that would matter")

    @field_validator("settings", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        return dict(_flat(value)) if isinstance(value, dict) else value

    @field_validator("arms", mode="before")
    @classmethod
    def _dotted_arms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: dict(_flat(arm)) if isinstance(arm, dict) else arm for name, arm in value.items()}

    @model_validator(mode="after")
    def _names(self) -> Self:
        if len(self.arms) < 2:
            raise ValueError("a study has two arms at least")
        for name in self.arms:
            if not re.fullmatch(r"[A-Za-z][\w.-]*", name, re.ASCII):
                raise ValueError(f"the arm {name!r} becomes a folder's name: letters, digits, ., - and _ only")
        if self.against not in self.arms:
            raise ValueError(f"against names no arm: {self.against!r}{nearest(self.against, self.arms)}")
        for told, names in (("measures", self.measures), ("worth", tuple(self.worth))):
            for name in names:
                if name not in MEASURES:
                    hint = nearest(name, MEASURES) or f"; there are {', '.join(MEASURES)}"
                    raise ValueError(f"{told}: {name!r} is not a measure{hint}")
        if any(worth <= 0 for worth in self.worth.values()):
            raise ValueError("worth: a difference that matters is more than 0")
        if self.until not in STAGES:
            raise ValueError(f"until names no stage: {self.until!r}{nearest(self.until, STAGES)}")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds: each is there once, and none is below 0")
        for arm in (self.settings, *self.arms.values()):
            if "seed" in arm:
                raise ValueError("seed is not for an arm to set; all arms have the study's: seeds=[1, 2, 3]")
        return self


@dataclass(frozen=True)
class Run:
    """One arm with one seed: its recipe and where relative paths in it start."""

    arm: str
    seed: int
    recipe: Recipe
    base: Path

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.arm}-{self.seed}"


def runs_of(study: Study, folder: Path) -> list[Run]:
    """Every run, arm by arm; `folder`: where the file lies that the recipe's path is seen from.

    Two seeds of one arm share little, so runs that are done at once rarely wait for each other.
    Raises UserError with one line for a recipe that is not there, or a wrong setting of an arm.
    """
    beside = folder / study.recipe
    _, path = locate(str(beside) if beside.suffix == ".toml" and beside.is_file() else study.recipe)
    all_arms = dict(study.settings)
    if study.problems is not None:
        all_arms |= {"write.problems": study.problems, "evaluate.problems": study.problems}
    found: list[Run] = []
    left: set[str] = set()
    for arm, changed in study.arms.items():
        for seed in study.seeds:
            settings = {**all_arms, **changed, "seed": seed, "name": arm}
            try:
                recipe = load(path, settings)
                base = base_of(path, recipe)
                steps = recipe.steps(base)
                leaves = [one for step in steps for one in step.checkpoints]
                measured = [one.name for one in leaves if one.name in study.checkpoints and not one.shrunk]
                if measured:
                    recipe = load(path, {"evaluate.checkpoints": measured, **settings})
            except UserError as error:
                raise UserError(f"arm {arm}: {error}") from None
            left.update(one.name for one in leaves)
            if any(step.name == "measure" for step in steps):
                left.update(name for name, _ in MEASURED.values())
            found.append(Run(arm, seed, recipe, base))
    for name in study.checkpoints:
        if name not in left:
            hint = nearest(name, left) or f"; there are {', '.join(sorted(left))}"
            raise UserError(f"checkpoints: no arm leaves {name!r}{hint}")
    return found


def available() -> dict[str, Path]:
    """The studies that come with Hornbook, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))}


def locate_study(study: str) -> Path:
    """The file of a study given by name or by path. Raises UserError when there is none."""
    if study in available():
        return available()[study]
    path = Path(study)
    if path.is_file():
        return path
    raise UserError(
        f"there is no study {study!r}{nearest(study, available())}; `hornbook study` lists them, or give a .toml file"
    )


def read_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read and validate a study file. An override is `key=value`: a key of the study, or else a setting of the recipe,
    which all arms then have. Raises UserError with one line that names the wrong key and the nearest one.
    """
    values: dict[str, Any] = {"name": path.stem, **read_toml(path)}
    given = dict(map(key_and_value, overrides))
    of_all = {key: value for key, value in given.items() if key not in Study.model_fields}
    values |= {key: value for key, value in given.items() if key in Study.model_fields}
    if of_all and isinstance(values.setdefault("settings", {}), dict):
        values["settings"] = dict(_flat(values["settings"])) | of_all
    study = validated(Study, values, "study", f"{path.name}: ")
    known = [*Study.model_fields, *Recipe.model_fields]
    for key in of_all:
        table = key.partition(".")[0]
        if table not in known:
            raise UserError(f"{table} is not a setting of the study or of its recipe{nearest(table, known)}")
        for arm, changed in study.arms.items():
            for one in changed:
                if f"{one}.".startswith(f"{key}.") or f"{key}.".startswith(f"{one}."):
                    raise UserError(f"{key} is not for all arms alike: in {path.name} {arm} sets {one}")
    return study


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Tables within tables as dotted keys; one whose own keys have dots, such as limits of rules, stays a table."""
    for key, value in values.items():
        if isinstance(value, dict) and not any("." in inner for inner in value):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
