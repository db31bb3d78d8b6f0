"""The recipe file: typed, validated whole before anything starts, with dotted overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from hornbook.corpus.clean import CLEAN
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter import FILTER
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.corpus.grade import GRADE
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.corpus.read import READ
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.errors import UserError, nearest
from hornbook.evaluate.benchmark import EvaluateSettings
from hornbook.evaluate.evaluate import EVALUATE
from hornbook.evaluate.samples import SAMPLES, SamplesSettings
from hornbook.files import expanded, read_toml
from hornbook.longrope.extend import EXTEND
from hornbook.longrope.measure import MEASURE
from hornbook.longrope.search import SEARCH
from hornbook.longrope.settings import LongRopeSettings
from hornbook.model import folder_from
from hornbook.model.config import ModelConfig
from hornbook.model.formats.architectures import architecture_for, read_config
from hornbook.model.registry import find as find_model
from hornbook.quantize.quantize import QuantizeSettings
from hornbook.quantize.stage import QUANTIZE
from hornbook.report.report import REPORT
from hornbook.runs.stage import Stage
from hornbook.runs.steps import Step, steps
from hornbook.settings import NAME_OR_PLACE, PLACE, Settings, apply, assign, validated
from hornbook.teacher.settings import BUILTIN_KINDS, PREFIX, TeacherSettings, WriteSettings, ordered
from hornbook.teacher.texts import TEXTS
from hornbook.teacher.write import WRITE
from hornbook.tokens.settings import TokensSettings
from hornbook.tokens.tokenize import TOKENS
from hornbook.train.dpo import DPO, DpoSettings
from hornbook.train.pretrain import PRETRAIN, PretrainSettings
from hornbook.train.sft import SFT, SftSettings

BUILT_IN = Path(__file__).parent / "recipes"

# Equal to what the rooms say that own them; importing those would load torch and slow down every command.


# The order of a recipe. A recipe has those of them that its settings ask for, but for those it leaves out.
ORDER: tuple[Stage[Any], ...] = (
    READ,
    FILTER,
    GRADE,
    TEXTS,
    WRITE,
    CLEAN,
    TOKENS,
    PRETRAIN,
    SFT,
    DPO,
    EVALUATE,
    QUANTIZE,
    SAMPLES,
    SEARCH,
    EXTEND,
    MEASURE,
    REPORT,
)
STAGES = {stage.name: stage for stage in ORDER}


class Published(Settings):
    """What is told of the original that a recipe follows. Nothing depends on it; `hornbook plan` compares."""

    source: str = Field(min_length=1, description="where it is told")
    tokens: float | None = Field(None, gt=0, description="tokens of pretraining, epochs counted")
    gpu: str | None = Field(None, description="the accelerator, as --gpu names it")
    gpu_hours: float | None = Field(None, gt=0)
    note: str = Field("", description="what to know when comparing")


class Recipe(Settings):
    """Everything a run depends on. Each stage has a table of its own."""

    name: str = Field("", description="what the report card is headed with; the file's name unless told")
    description: str = Field("", description="one line for `hornbook recipes`")
    relative_to: str = Field("", description="where relative paths start, seen from the recipe's folder; unset: there")
    seed: int = Field(1, ge=0)
    sources: tuple[Source, ...] = Field(min_length=1)
    without: tuple[str, ...] = Field((), description="stages that are left out")
    initial_model: Annotated[str, NAME_OR_PLACE] = Field(
        "", description="what `[model] from` names: pretraining goes on from it"
    )
    teacher: TeacherSettings | None = Field(None, description="an LLM that grades and writes; unset: the built-in one")
    read: ReadSettings = ReadSettings()
    filter: FilterSettings = FilterSettings()
    grade: GradeSettings = GradeSettings()
    write: WriteSettings = WriteSettings()
    clean: CleanSettings = CleanSettings()
    tokens: TokensSettings = TokensSettings()
    model: ModelConfig = ModelConfig()
    pretrain: PretrainSettings
    sft: SftSettings = SftSettings()
    dpo: DpoSettings = DpoSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    quantize: QuantizeSettings = QuantizeSettings()
    samples: SamplesSettings | None = None
    longrope: LongRopeSettings | None = None
    published: Published | None = None
    control: Annotated[str, PLACE] = Field(
        "", description="the folder of another run, which the report card holds this one against"
    )

    @field_validator("without")
    @classmethod
    def _may_be_left_out(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        can = [stage.name for stage in ORDER if stage.leave_out]
        for name in names:
            if name not in can:
                raise ValueError(f"{name} can't be left out{nearest(name, can)}; what can is {', '.join(can)}")
        return names

    @field_validator("model", mode="before")
    @classmethod
    def _like(cls, value: Any) -> Any:
        """`like = "phi-1.5"` in the model's table: that model's shape, but for what the table itself sets."""
        if not isinstance(value, dict) or "like" not in value:
            return value
        changes = {key: setting for key, setting in value.items() if key != "like"}
        try:
            return find_model(str(value["like"])).config.model_dump() | changes
        except UserError as error:
            raise ValueError(f"like: {error}") from None

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        written = set() if "write" in self.without else {"exercises", "tasks"}
        for name in sorted(written.intersection(names)):
            raise ValueError(f"the source name {name!r} is the teacher's own")
        for name in names:
            if not re.fullmatch(r"[\w-]+", name):
                raise ValueError(f"the source name {name!r} becomes a file's name: use letters, digits, - and _ only")
        for name in ("families", "names"):
            if self.teacher is not None and self.teacher.exercises and getattr(self.write, name) is not None:
                raise ValueError(
                    f"write.{name} is of the built-in teacher's exercises: leave it out, or set teacher.exercises to "
                    "false"
                )
        self._left_out()
        self._sizes()
        self._named({*names, *written})
        return self

    def steps(self, base: Path, *, allow_unisolated: bool = False) -> list[Step]:
        """Its stages in order, bound to its settings. `base`: the folder that relative paths start from."""
        return steps(ORDER, self, without=self.without, base=base, allow_unisolated=allow_unisolated)

    def _needs(self, stage: Stage[Any]) -> set[str]:
        """The stages that one can't do without; with rows of one's own it does without what is written."""
        settings = stage.of_recipe(self)
        read = [one for one in stage.inputs if settings is not None and one.when(settings, Path())]
        return {*stage.needs, *(name for one in read for name in one.needs)}

    def _named(self, known: set[str]) -> None:
        """Sources that settings name must be among those that there are."""
        for phase_name, phase in self.pretrain.phases.items():
            for component in phase.mixture:
                for source in component.sources:
                    if source not in known:
                        hint = nearest(source, known)
                        raise ValueError(f"pretrain.{phase_name}.mixture names the unknown source {source!r}{hint}")
                if component.languages and not self.filter.language.active:
                    raise ValueError(
                        f"pretrain.{phase_name}.mixture asks for languages, which nothing identifies; "
                        "set filter.language.identify to true"
                    )
        lists = {"filter.heuristics.sources": self.filter.heuristics.sources}
        if self.longrope is not None:
            lists["longrope.sources"] = self.longrope.sources
        for key, listed in lists.items():
            for source in listed:
                if source not in known:
                    raise ValueError(f"{key} names the unknown source {source!r}{nearest(source, known)}")

    def _left_out(self) -> None:
        """What stages and sources need of each other."""
        for name in self.without:
            kept = [stage.name for stage in ORDER if name in self._needs(stage) and stage.name not in self.without]
            if kept:
                raise ValueError(f"without: {', '.join(kept)} can't be done without {name}; leave out both")
        for source in self.sources:
            if source.path.startswith(PREFIX):
                try:
                    kind, _ = ordered(source.path)
                except UserError as error:
                    raise ValueError(f"source {source.name!r}: {error}") from None
                if self.teacher is None and kind not in BUILTIN_KINDS:
                    raise ValueError(
                        f"source {source.name!r}: the built-in teacher writes {', '.join(BUILTIN_KINDS)}; "
                        f"for {kind} name an LLM in [teacher]"
                    )

    def _sizes(self) -> None:
        """What the model's shape must obey so that the tokenizer before it and what is written after it work."""
        try:
            architecture_for(self.model)
            self.pretrain.times_wider(self.model)
            self.tokens.check_model(self.model.vocabulary, self.model.context, self.initial_model)
        except UserError as error:
            raise ValueError(str(error)) from None
        form = self.quantize.form
        shrunk = "quantize" not in self.without
        for name, columns in (
            ("width", self.model.width),
            ("heads times their size", self.model.heads * self.model.head_size),
            ("mlp_width", self.model.mlp_width),
        ):
            if shrunk and not form.fits(columns):
                raise ValueError(
                    f"model.{name} is {columns}, not a multiple of {form.group}: {form.bits}-bit weights come in groups"
                )
        if self.longrope is not None and self.longrope.context <= self.model.context:
            raise ValueError(
                f"longrope.context is {self.longrope.context}, the model's is {self.model.context} already"
            )


def available() -> dict[str, Path]:
    """The recipes that come with Hornbook, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"), key=lambda path: path.stem)}


def described(path: Path) -> str:
    """A recipe's own line about itself; what it goes on from need not be on this machine."""
    return str(_values(path, ()).get("description", ""))


def locate(recipe: str) -> tuple[str, Path]:
    """Name and file of a recipe given by name or by path. Raises UserError when there is none."""
    if recipe in available():
        return recipe, available()[recipe]
    path = expanded(recipe)
    if path.suffix == ".toml" and path.is_file():
        return path.stem, path
    if path.suffix == ".toml":
        raise UserError(f"there is no recipe file {recipe}")
    if (path / "recipe.toml").is_file():
        raise UserError(f"{recipe} is a folder; the run in it kept its recipe: `hornbook run {path / 'recipe.toml'}`")
    hint = nearest(recipe, available())
    raise UserError(f"there is no recipe {recipe!r}{hint}; `hornbook recipes` lists them, or give a .toml file")


def base_of(path: Path, recipe: Recipe) -> Path:
    """Where relative paths of a recipe start: in the recipe's folder unless it says otherwise, or here for one that
    comes with Hornbook.
    """
    return Path.cwd() if path in available().values() else path.parent / recipe.relative_to


def text_of(recipe: Recipe, base: Path, folder: Path) -> str:
    """A recipe as the text of a file in `folder` that makes the same; `base` is where its relative paths start."""
    import tomli_w

    values = recipe.model_dump(mode="json", exclude_none=True)
    values["relative_to"] = Path(os.path.relpath(base.resolve(), folder.resolve())).as_posix()
    if recipe.initial_model:
        values["model"] = {"from": values.pop("initial_model")}
    return tomli_w.dumps(values)


def load(path: Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read and validate a recipe; an override is `dotted.key=value` with a TOML value or plain text, or such a key
    with its value.

    A recipe with `base = "name or file"` has all settings of that one but those that it sets itself.
    Raises UserError with one line that names the wrong key, where it is, and the nearest right one.
    """
    values = {"name": path.stem, **_values(path, ())}
    keys = {override.partition("=")[0] for override in overrides}
    if "model.from" in keys:
        values.pop("model", None)  # its own shape, in place of the recipe's
    if "model.like" in keys and isinstance(values.get("model"), dict):
        values["model"].pop("from", None)
    if isinstance(overrides, Mapping):
        for key, value in overrides.items():
            assign(values, key, value)
    else:
        for override in overrides:
            apply(values, override)
    _begin_with(values, path)
    recipe = validated(Recipe, values, "recipe", f"{path.name}: ")
    _refuse_without_template(recipe, path)
    return recipe


def _begin_with(values: dict[str, Any], path: Path) -> None:
    """`from = "name or folder"` in the model's table: that model's shape and weights, tokenizer, template and context.
    `like` with a folder is its shape alone.

    path: of the recipe.
    """
    table = values.get("model")
    if not isinstance(table, dict) or not table.keys() & {"from", "like"}:
        return
    start = Path.cwd() if path in available().values() else path.parent / str(values.get("relative_to", ""))
    if "from" not in table:
        folder = start / expanded(str(table["like"]))
        if (folder / "config.json").is_file():
            own = {key: value for key, value in table.items() if key != "like"}
            values["model"] = read_config(folder).model_dump() | own
        return
    name = table["from"]
    others = sorted(table.keys() - {"from"})
    if others:
        raise UserError(f"{path.name}: model.{others[0]} can't be set beside model.from, whose shape it is")
    if not isinstance(name, str):
        raise UserError(f"{path.name}: model.from is the name or the folder of a model (given: {name!r})")
    values["model"] = read_config(folder_from(name, start)).model_dump()
    values["initial_model"] = name


def _refuse_without_template(recipe: Recipe, path: Path) -> None:
    """A model that knows no turns learns nothing of conversations: told before hours of pretraining, not behind them.

    path: of the recipe.
    """
    if not recipe.initial_model or "sft" in recipe.without or recipe.sft.data:
        return
    from hornbook.model.tokenizers import Tokenizer

    if Tokenizer(folder_from(recipe.initial_model, base_of(path, recipe))).template is None:
        raise UserError(
            f"{path.name}: {recipe.initial_model} has no chat template, so it can't learn conversations: go on from a "
            'chat model, or leave out what needs one: without=["sft", "dpo"]'
        )


def _values(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A recipe file's settings upon those of its base. above: the files that led here."""
    if path in above:
        raise UserError(f"{path.name}: base leads back to {path.name} itself")
    values = read_toml(path)
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise UserError(f"{path.name}: base is the name or the file of another recipe (given: {base!r})")
    beside = path.parent / base
    found = beside if beside.suffix == ".toml" and beside.is_file() else locate(base)[1]
    return _upon(_values(found, (*above, path)), values)


def _upon(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """`values` over `base`: tables key by key, all else (lists too) in place of what was there. A model to go on from
    has its own shape, in place of the base's; a shape like another's is no model to go on from.
    """
    merged = dict(base)
    model, below = values.get("model"), base.get("model")
    if isinstance(model, dict) and "from" in model:
        merged.pop("model", None)
    elif isinstance(model, dict) and "like" in model and isinstance(below, dict):
        merged["model"] = {key: value for key, value in below.items() if key != "from"}
    for key, value in values.items():
        before = merged.get(key)
        merged[key] = _upon(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
