"""Rubric files: how an LLM is asked what a document is worth. docs/grade.md tells what each key means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from hornbook.errors import UserError, nearest
from hornbook.files import digest_value, expanded, read_toml
from hornbook.settings import Settings, where_and_what
from hornbook.teacher.client.messages import Request
from hornbook.teacher.client.schema import reasoned
from hornbook.teacher.interface import Message
from hornbook.teacher.kinds.fill import fill, places

FOLDER = Path(__file__).parent / "rubrics"
LOWEST, HIGHEST = 0, 5

SCHEMA = reasoned(100, score={"type": "integer", "minimum": LOWEST, "maximum": HIGHEST})


class RubricFile(Settings):
    """A rubric file as it was read."""

    description: str = ""
    system: str = "You judge texts by how much can be learned from them. You are strict, and you know no favourites."
    prompt: str = Field(min_length=1, description="with {text} where the document goes")
    characters: int = Field(3_000, ge=100, description="so much of a document's beginning is read")
    max_tokens: int = Field(400, ge=16)

    @model_validator(mode="after")
    def _place(self) -> Self:
        if places(self.prompt) != {"text"} or places(self.system):
            raise ValueError("the prompt needs {text} where the document goes, and no other place")
        return self


@dataclass(frozen=True)
class Rubric:
    """A rubric with its name."""

    name: str
    file: RubricFile

    @property
    def digest(self) -> str:
        """One hash of all that decides what is asked."""
        return digest_value(self.file.model_dump(mode="json"))

    def request(self, text: str, about: Any = None) -> Request:
        """What is asked about one document."""
        shown = text[: self.file.characters].strip()
        messages = (
            Message("system", self.file.system),
            Message("user", fill(self.file.prompt, {"text": shown or " "})),
        )
        return Request(messages, schema=SCHEMA, temperature=0.0, max_tokens=self.file.max_tokens, about=about)


def available() -> dict[str, Path]:
    """The rubrics that come with Hornbook, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def load(name: str, base: Path = Path()) -> Rubric:
    """The rubric of this name, or in this file, relative to `base`. Raises UserError with one line."""
    path = available().get(name) or base / expanded(name)
    if path.suffix != ".toml" or not path.is_file():
        hint = nearest(name, available())
        raise UserError(f"there is no rubric {name!r}{hint}; there are {', '.join(available())}, or give a .toml file")
    values = read_toml(path, "the rubric ")
    try:
        return Rubric(path.stem, RubricFile.model_validate(values))
    except ValidationError as error:
        where, message = where_and_what(error.errors()[0])
        raise UserError(f"the rubric {path.name}: {f'{where}: ' if where else ''}{message}") from None
