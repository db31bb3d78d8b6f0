"""What a benchmark is: where its rows are, how a row becomes a prompt, how an answer is scored; a page of TOML."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from hornbook.errors import UserError, nearest
from hornbook.evaluate.exam.forms import FORMS
from hornbook.evaluate.exam.rules import RULES
from hornbook.files import read_toml
from hornbook.settings import Settings, validated

PAGES = Path(__file__).parents[1] / "benchmarks"
SUITES = Path(__file__).parents[1] / "suites"
TwinKind = Literal["numbers", "options", "program"]
State = Literal["whole", "part", "unwrapped", "altered"]


class Copy(Settings):
    """A file that holds a benchmark's rows."""

    file: str = Field(description="its name in the data folder, without endings of packing")
    form: str = Field("plain", description="the form of its records, see `forms.py`")
    part: str = Field("", description="of an archive only files whose place holds this")
    skip: int = Field(0, ge=0, description="so many records at the beginning of each file are left out")
    first: int = Field(0, ge=0, description="only so many of each file; 0 for all")
    state: State = Field("whole", description="whether it is the benchmark, a part, the same otherwise put, or altered")
    note: str = Field("", description="what is different about it, in words")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.form not in FORMS:
            raise ValueError(f"there is no form {self.form!r}{nearest(self.form, FORMS)}; there are {', '.join(FORMS)}")
        return self


class Shots(Settings):
    """Examples in front of each question: of files, spelled here, or texts of which each has those of one task."""

    count: int = Field(ge=0)
    files: tuple[Copy, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    texts: str = Field(
        "", description="a folder of texts as they stand in front, NAME.txt, apart by blank lines, the first describes"
    )
    same: str = Field("", description="a field that an example has in common with the question, such as the subject")
    prompt: str = Field("", description="how an example asks; as the question does unless told")
    target: str = Field("", description="how an example answers; with its right choice unless told")


class Rubric(Settings):
    """What an LLM is asked about each answer: grades from 1 to 10, and classes by which answers are told apart."""

    prompt: str = Field(description="Jinja over `asked`, `answer`, the exchanges `before`, a `reference` where one is")
    grades: dict[str, str] = Field(min_length=1, description="what is graded, each in words")
    classes: dict[str, tuple[str, ...]] = Field({}, description="what else is said, one of some texts each")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [*self.grades, *self.classes]
        taken = next((name for name in names if name in ("grade", "reason", "why") or names.count(name) > 1), None)
        if taken is not None:
            raise ValueError(f"{taken!r} is the name of something else; call the grade or the class otherwise")
        return self


class Benchmark(Settings):
    """One benchmark. Prompts, choices and right answers are Jinja templates over a row's fields."""

    name: str
    title: str
    about: str
    source: str = Field(description="where the whole of it comes from")
    files: tuple[Copy, ...] = Field((), description="copies of it, the best first; the first that is there is taken")
    rows: int = Field(0, description="of the whole benchmark; 0 where nobody counts")
    score: str = Field(description="how answers are scored, see `rules.py`")
    metric: str = Field("", description="the figure that stands for it; the rule's own unless told")
    group: str = Field("", description="a field by which scores are told apart, too")
    facts: tuple[str, ...] = Field((), description="what else of a row its score takes, fields")
    description: str = Field("", description="what stands in front of all")
    prompt: str
    turns: str = Field("", description="the field that lists what the user says, each answered before the next")
    choices: str | tuple[str, ...] = Field((), description="a template of each choice, or the field that is a list")
    gold: str = Field("", description="the right one: its number from 0, its letter or its text; or a field")
    target: str = Field("", description="the right continuation or answer, where there are no choices")
    delimiter: str = Field(" ", description="between a prompt and what follows it")
    between: str = Field("\n\n", description="behind each example")
    shots: Shots = Shots(count=0)
    until: tuple[str, ...] = Field((), description="texts that end a generated answer")
    new_tokens: int = Field(256, ge=1, description="of a generated answer, at most")
    extract: str = Field("", description="what of a generated answer counts: a regular expression, its last match")
    strict: str = Field("", description="the same for the strict score: the first match")
    ignore: tuple[str, ...] = Field((), description="what of an answer and of a right one is not compared, patterns")
    ignore_punctuation: bool = Field(False, description="signs are not compared")
    program: str = Field("", description="the program that an answer makes")
    tests: str = Field("", description="Python that fails when the program is wrong")
    entry: str = Field("", description="the function that the tests call")
    code: str = Field("", description="what the tests may use beside")
    judge: Rubric | None = Field(None, description="what an LLM is asked about each answer")
    twin: TwinKind | None = Field(None, description="what `hornbook audit` changes to make a twin of it")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.score not in RULES:
            raise ValueError(
                f"there is no score {self.score!r}{nearest(self.score, RULES)}; there are {', '.join(RULES)}"
            )
        missing = [name for name in RULES[self.score].needs if not getattr(self, name)]
        if missing:
            raise ValueError(f"the score {self.score} needs {', '.join(missing)}")
        idle = [name for name in ("judge", "turns") if getattr(self, name) and name not in RULES[self.score].needs]
        if idle:
            raise ValueError(f"the score {self.score} takes no {' and no '.join(idle)}")
        return self

    @property
    def headline(self) -> str:
        """The metric that stands for the benchmark."""
        return self.metric or RULES[self.score].metric


class Published(Settings):
    """A row of a paper's table, in shares; of several benchmarks with a plus between them, the mean."""

    benchmark: str
    scores: dict[str, float] = Field(description="by model")
    protocol: str = Field("", description="how the paper asked, as far as that is told and another way than ours")

    @property
    def of(self) -> tuple[str, ...]:
        """The benchmarks that it is about."""
        return tuple(self.benchmark.split("+"))


class Suite(Settings):
    """A paper's table: its benchmarks in order, with the published rows."""

    name: str
    title: str
    source: str
    rows: tuple[Published, ...]
    missing: tuple[str, ...] = Field((), description="what the table has and Hornbook does not ask")

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the table tells of."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.scores))

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names, each once."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.of))


@cache
def benchmarks() -> Mapping[str, Benchmark]:
    """Hornbook's own pages by name."""
    return {path.stem: read_page(path) for path in sorted(PAGES.glob("*.toml"))}


@cache
def suites() -> Mapping[str, Suite]:
    """The papers' tables by name."""
    found = {}
    for path in sorted(SUITES.glob("*.toml")):
        values = {"name": path.stem, **read_toml(path)}
        found[path.stem] = validated(Suite, values, "the page", f"{path}: ")
    return found


def read_page(path: Path) -> Benchmark:
    """A page of TOML. Raises UserError that names the page and the key."""
    return validated(Benchmark, {"name": path.stem, **read_toml(path)}, "the page", f"{path}: ")


def find(name: str, data: Path | None = None) -> Benchmark:
    """A benchmark by its name, or a page of the user's: a file, or one of that name in the data folder."""
    if name.endswith(".toml"):
        return read_page(Path(name))
    if data is not None and (data / f"{name}.toml").is_file():
        return read_page(data / f"{name}.toml")
    if name not in benchmarks():
        raise UserError(
            f"there is no benchmark {name!r}{nearest(name, benchmarks())}; `hornbook evaluate --list` tells of all, "
            "and a page of your own is a file that ends in .toml"
        )
    return benchmarks()[name]
