"""What a stage is: one declaration, which stands beside the function that does the work.

The recipe, `--dry-run`, `plan`, the command line, manifests and the report all read it; nothing else has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.settings import Settings, deciding

S = TypeVar("S", bound=Settings)

EVERY_STAGE = ("*",)  # what every stage before this one makes


@dataclass(frozen=True)
class Key:
    """Where a recipe keeps a stage's setting that has another name there: `Annotated[int, Key("model.context")]`."""

    path: str


@dataclass(frozen=True)
class Input:
    """A folder that a stage reads.

    In a recipe it is what the first of the stages `made_by` that the recipe has left, or the last of EVERY_STAGE: its
    whole folder; with `inside`, that part of it; with `checkpoint`, its last trained checkpoint. `every` is for all of
    these stages at once: their checkpoints, or their folders. An `optional` input may be missing. `when` tells by the
    stage's settings, and by the folder that relative paths start from, whether it is read at all. On the command line
    it is an argument.

    needs: stages without which those in `made_by` don't make it.

    holds: a file or folder that is in every such folder; a user who names another folder is told so.

    reads: the file or folder in it that the stage reads, where that is not all: what else changes there does not make
    a recipe do the stage again. Of `rows` that is so without being said.

    rows: the file or folder in such a folder that holds rows to learn from. The user's own may take its place: the
    setting `data` of the stage's table names them, and so do the words of its command.
    """

    name: str
    made_by: tuple[str, ...]
    help: str = ""
    inside: str = ""
    checkpoint: bool = False
    every: bool = False
    optional: bool = False
    rows: str = ""
    reads: str = ""
    needs: tuple[str, ...] = ()
    holds: str = ""
    when: Callable[[Any, Path], bool] = lambda settings, base: True

    @property
    def part(self) -> str:
        """What of the folder decides the result; empty for all of it."""
        return self.reads or self.rows


@dataclass(frozen=True)
class Checkpoint:
    """A model that a stage leaves in `folder` of its own folder; `title` is what people call it.

    One that is `shrunk` is nothing to train further.
    """

    name: str
    folder: str
    title: str
    shrunk: bool = False


@dataclass(frozen=True)
class Work(Generic[S]):
    """What a stage's function gets.

    inputs: folders by the input's name. several: the folders of an input that is `every`, by checkpoint or stage.
    base: where relative paths of the settings start from. allow_unisolated: the user's word that generated code may
    run where it cannot be isolated.
    """

    settings: S
    inputs: Mapping[str, Path]
    into: Path
    progress: Progress
    several: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    base: Path = Path()
    allow_unisolated: bool = False


@dataclass(frozen=True)
class Look:
    """What a stage would read, for a person to look at before anything is trained.

    examples: each in stretches of text, with whether they are learnt. told: lines of facts. names: of the examples,
    which are numbered unless given.
    """

    examples: Sequence[Sequence[tuple[str, bool]]]
    told: Sequence[str]
    effort: Effort
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Flag:
    """An option of the stage's command for a setting that people set most; what it takes follows from the setting."""

    name: str
    key: str
    help: str


@dataclass(frozen=True)
class Stage(Generic[S]):
    """One step of a recipe.

    settings: all that the result depends on, as the recipe has it: a field is the recipe's table or key of that name,
        or what its `Key` names. Where such a key is unset in a recipe, and not here, the stage is not part of it.
    run: does the work; returns figures for the manifest.
    leaves: whether these settings leave this one of its checkpoints. title_of_one: what its checkpoint is called where
        they leave one of several.
    needs: stages without which this one makes no sense, beside those that make its inputs.
    runs_generated_code: whether it runs what models or teachers wrote; runs_code_of: whether it does with these of its
        inputs, by name.
    leave_out: whether a recipe may do without it (`without = ["NAME"]`).
    on_workers: whether processes or a cluster share its work.
    on_ranks: whether it trains a model, which processes that `torchrun` started do together.
    wanted: whether a recipe with these settings has it.
    decides: what of the settings decides the result, where that is not all of them as they stand.
    outside: what else the result depends on (the files of a source, say), as a JSON value.
    reads: files and folders of the user's that the settings name, where nothing may be written.
    headline: what it did, in a line of about 55 characters, from its figures.
    estimate: how much work it is.
    look: what it would read; its command then has --dry-run.
    card: whether its command draws a report card of the training.
    alone: settings of its own table that it has outside a recipe, unless told otherwise.
    """

    name: str
    summary: str
    settings: type[S]
    run: Callable[[Work[S]], dict[str, Any]]
    inputs: tuple[Input, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    leaves: Callable[[S, Checkpoint], bool] = lambda settings, checkpoint: True
    title_of_one: str = ""
    needs: tuple[str, ...] = ()
    leave_out: bool = False
    runs_generated_code: bool = False
    runs_code_of: Callable[[Collection[str]], bool] = lambda inputs: True
    on_workers: bool = False
    on_ranks: bool = False
    wanted: Callable[[S], bool] = lambda settings: True
    decides: Callable[[S, Path], dict[str, Any]] | None = None
    outside: Callable[[S, Path], Any] = lambda settings, base: None
    reads: Callable[[S, Path], Sequence[Path]] = lambda settings, base: ()
    headline: Callable[[dict[str, Any]], str] = lambda figures: ""
    estimate: Callable[[S, Volume], Effort] = lambda settings, volume: Effort()
    flags: tuple[Flag, ...] = ()
    look: Callable[[Work[S]], Look] | None = None
    card: bool = False
    alone: Mapping[str, Any] = field(default_factory=dict)

    def left(self, settings: S) -> tuple[Checkpoint, ...]:
        """The checkpoints that it leaves with these settings."""
        found = tuple(checkpoint for checkpoint in self.checkpoints if self.leaves(settings, checkpoint))
        if len(found) == 1 and self.title_of_one:
            return (replace(found[0], title=self.title_of_one),)
        return found

    def trained(self, settings: S) -> tuple[Checkpoint, ...]:
        """Those of them that one could train further."""
        return tuple(checkpoint for checkpoint in self.left(settings) if not checkpoint.shrunk)

    @property
    def module(self) -> str:
        """Where its function stands: what its code depends on begins there."""
        return self.run.__module__

    def of_recipe(self, recipe: BaseModel) -> S | None:
        """Its settings as a recipe has them; None where the recipe lacks one of them or does not want the stage."""
        values: dict[str, Any] = {}
        for name, described in self.settings.model_fields.items():
            value: Any = recipe
            for step in key_of(self.settings, name).split("."):
                value = None if value is None else getattr(value, step)
            if value is None and described.default is not None:
                return None
            values[name] = value
        settings = self.settings.model_validate(values)
        return settings if self.wanted(settings) else None

    def told(self, settings: S, base: Path) -> dict[str, Any]:
        """What decides the result, as the manifest tells it: the stage's own table flat, all else by its name."""
        if self.decides is not None:
            return self.decides(settings, base)
        return self._flat(deciding(settings))

    def beside(self, settings: S, base: Path) -> dict[str, Any]:
        """Settings that the manifest tells and that do not change the result; see `SAME_RESULT`."""
        told = self.told(settings, base)
        if self.decides is not None:
            return {}
        return _less(self._flat(settings.model_dump(mode="json")), told)

    def _flat(self, values: dict[str, Any]) -> dict[str, Any]:
        own = values.pop(self.name, None)
        return {**values, **(own or {})}

    def in_a_line(self, figures: dict[str, Any]) -> str:
        """The headline; empty where the figures lack what it tells."""
        try:
            return self.headline(figures)
        except (LookupError, TypeError, ValueError):
            return ""


def _less(values: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The first settings without those that the second hold, by their dotted keys."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in told:
            found[name] = value
        elif isinstance(value, dict) and isinstance(told[name], dict):
            found |= {f"{name}.{key}": inner for key, inner in _less(value, told[name]).items()}
    return found


def key_of(settings: type[Settings], name: str) -> str:
    """The recipe's dotted key of one of a stage's settings."""
    marks = [mark for mark in settings.model_fields[name].metadata if isinstance(mark, Key)]
    return marks[0].path if marks else name
