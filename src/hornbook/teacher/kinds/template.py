"""A template file: what is asked, what is drawn for it, what comes back, and how that is checked. One for each kind.

The files that come with Hornbook lie in `hornbook/teacher/templates`; docs/write.md tells what each key means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from hornbook.errors import UserError, nearest
from hornbook.files import digest_value, expanded, read_toml
from hornbook.settings import Settings, where_and_what
from hornbook.teacher.client.schema import check_schema
from hornbook.teacher.kinds import lists
from hornbook.teacher.kinds.fill import places

FOLDER = Path(__file__).parent.parent / "templates"
PLAIN = "answer"  # the name of an answer without fields


class Draw(Settings):
    """Where one placeholder's value comes from: exactly one of choose, lists, topics, extract."""

    choose: tuple[str, ...] = Field((), description="one of these")
    lists: tuple[str, ...] = Field((), description="an entry of these files; in turn, until all were used")
    topics: str = Field("", description="a topic of the tree that grows from this list")
    expand: str = Field("topics", description="the template that the tree is grown with")
    most: int = Field(20_000, ge=1, description="topics that the tree may have")
    extract: int = Field(0, ge=0, description="so many characters of a document of the seed corpus")
    count: tuple[int, int] = Field((1, 1), description="how many at once: from, to")
    join: str = Field(", ", description="what stands between several")
    chance: float = Field(1.0, ge=0, le=1, description="how often there is a value at all; else it is empty")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [name for name in ("choose", "lists", "topics", "extract") if getattr(self, name)]
        if len(origins) != 1:
            raise ValueError("give exactly one of choose, lists, topics, extract")
        low, high = self.count
        if not 0 <= low <= high or high == 0:
            raise ValueError("count is from, to, such as [1, 3]")
        if self.count != (1, 1) and origins[0] in ("topics", "extract"):
            raise ValueError(f"{origins[0]} gives one at a time")
        return self


class Layout(Settings):
    """What a row is made of. A document; or a conversation: turns, or user and assistant; or user, chosen, rejected."""

    document: str = ""
    turns: str = Field("", description="the field of the answer that holds a list of user and assistant")
    user: str = ""
    assistant: str = ""
    chosen: str = ""
    rejected: str = ""
    label: str = Field("", description="what conversations and preferences call their kind; the template's name")
    chance: dict[str, float] = Field({}, description="how often a value is shown in the document")

    @property
    def form(self) -> Literal["document", "conversation", "preference", ""]:
        """Which of the three it is; empty when it is none."""
        used = {
            name for name in ("document", "turns", "user", "assistant", "chosen", "rejected") if getattr(self, name)
        }
        if used == {"document"}:
            return "document"
        if used in ({"turns"}, {"user", "assistant"}):
            return "conversation"
        return "preference" if used == {"user", "chosen", "rejected"} else ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.form:
            raise ValueError("give document, or turns, or user and assistant, or user, chosen and rejected")
        return self

    def parts(self) -> Iterator[str]:
        """Every layout text."""
        yield from (self.document, self.user, self.assistant, self.chosen, self.rejected, self.label)


class Check(Settings):
    """What an answer must be besides fitting its schema."""

    words: tuple[str, ...] = Field((), description="draws whose words the text must use, in any form")
    run: Literal["", "function", "program"] = Field("", description="run the code in the sandbox")
    code: str = Field("code", description="the field with the code")
    function: str = Field("", description="the draw with the function's name; a program defines solution()")
    examples: str = Field("examples", description="the field with calls and their values, as Python literals")
    result: str = Field("", description="the field with the number that a program must come to")
    least: int = Field(0, ge=0, description="characters that the text must have")
    without: tuple[str, ...] = Field((), description="phrases that no text may have; case does not count")


class Template(Settings):
    """A template file as it was read."""

    description: str = ""
    system: str = ""
    prompt: str = Field(min_length=1)
    draw: dict[str, Draw] = Field({}, description="placeholders of the prompt")
    answer: dict[str, Any] = Field({}, description="fields: what each is, or its JSON schema; one text, or none: plain")
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(1024, ge=1)
    expected_tokens: int = Field(400, ge=1, description="tokens of a usual answer, for estimates")
    text: Layout
    check: Check = Check()

    @field_validator("answer")
    @classmethod
    def _fields(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, field in value.items():
            if not isinstance(field, str | dict):
                raise ValueError(f"{name} is neither a description nor a JSON schema")
            if isinstance(field, dict):
                check_schema(field, name)
        return value

    @model_validator(mode="after")
    def _names(self) -> Self:
        fields = set(self.answer) or {PLAIN}
        both = fields.intersection(self.draw)
        if both:
            raise ValueError(f"{min(both)} is drawn and answered; give one of them another name")
        for text in (self.system, self.prompt):
            _known(places(text), self.draw, "asked with")
        everything = {*self.draw, *fields}
        for text in self.text.parts():
            _known(places(text), everything, "laid out")
        _known(self.text.chance, everything, "text.chance")
        _known([self.text.turns] if self.text.turns else [], fields, "text.turns")
        _known(self.check.words, self.draw, "check.words")
        _known([self.check.function] if self.check.function else [], self.draw, "check.function")
        _known([self.check.result] if self.check.result else [], fields, "check.result")
        if self.check.run:
            needed = [self.check.code, *([self.check.examples] if self.check.run == "function" else [])]
            _known(needed, fields, "check.run")
        if self.check.run == "function" and not self.check.function:
            raise ValueError("check.function must name the draw that holds the function's name")
        return self

    @property
    def plain(self) -> str:
        """The name of the one field that is plain text, which needs no JSON around it; empty where there are more."""
        if not self.answer:
            return PLAIN
        name, field = next(iter(self.answer.items()))
        return name if len(self.answer) == 1 and isinstance(field, str) else ""

    def answer_schema(self) -> dict[str, Any] | None:
        """The JSON schema of an answer, or None for plain text. Every field is required, in the file's order."""
        if self.plain:
            return None
        fields = {
            name: {"type": "string", "description": field} if isinstance(field, str) else field
            for name, field in self.answer.items()
        }
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


@dataclass(frozen=True)
class Kind:
    """A template with its name, and the folder that its own lists lie in."""

    name: str
    template: Template
    folder: Path

    @property
    def digest(self) -> str:
        """One hash of the template and of everything that it draws from."""
        drawn = {
            name: [lists.entries(one, self.folder) for one in (*draw.lists, *([draw.topics] if draw.topics else []))]
            for name, draw in self.template.draw.items()
        }
        grown = [load(one, self.folder).digest for one in self.expansions()]
        return digest_value([self.name, self.template.model_dump(mode="json"), drawn, grown])

    def expansions(self) -> list[str]:
        """The templates that this one's trees of topics are grown with."""
        return sorted({draw.expand for draw in self.template.draw.values() if draw.topics})


def available() -> dict[str, Path]:
    """The kinds that come with Hornbook, by name. What only serves others is not among them."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml")) if path.stem != "topics"}


def load(name: str, beside: Path | None = None) -> Kind:
    """The kind of this name, or of a template file. Raises UserError with one line that names the wrong key."""
    path = _locate(name, beside)
    values = read_toml(path, "the template ")
    try:
        return Kind(path.stem, Template.model_validate(values), path.parent)
    except ValidationError as error:
        raise UserError(f"the template {path.name}: {'; '.join(_explain(error))}") from None


def _locate(name: str, beside: Path | None) -> Path:
    if beside is not None and (beside / f"{name}.toml").is_file():
        return beside / f"{name}.toml"
    if (FOLDER / f"{name}.toml").is_file():
        return FOLDER / f"{name}.toml"
    path = (beside or Path()) / expanded(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    if path.suffix == ".toml":
        raise UserError(f"there is no template {name}")
    raise UserError(f"there is no kind {name!r}{nearest(name, available())}; there are {', '.join(available())}")


def _known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    for name in sorted(names):
        if name not in known:
            there = f"; there are {', '.join(sorted(known))}" if known else ""
            raise ValueError(f"{where} {{{name}}}, which nothing gives a value{nearest(name, known)}{there}")


def _explain(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        where, message = where_and_what(problem)
        if problem["type"] == "extra_forbidden":
            yield f"{where} is not a setting{_hint(problem)}"
        elif problem["type"] == "missing":
            yield f"{where} is missing"
        else:
            yield f"{where}: {message}" if where else message


def _hint(problem: Any) -> str:
    tables: Mapping[str, type[Settings]] = {"draw": Draw, "text": Layout, "check": Check}
    location = problem["loc"]
    model = tables.get(str(location[0]), Template) if len(location) > 1 else Template
    return nearest(str(location[-1]), model.model_fields)
