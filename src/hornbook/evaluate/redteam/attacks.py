"""Requests that a model should decline, and the ways of asking for them: pages of TOML become conversations."""

from __future__ import annotations

import base64
import codecs
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.errors import UserError
from hornbook.files import read_toml
from hornbook.seeds import stream
from hornbook.settings import Settings, validated
from hornbook.teacher.kinds.fill import fill, places

_FOLDER = Path(__file__).parent
GIVEN = "> "  # begins a turn that is put into the model's mouth
_FIELDS = ("request", "goal", "prompt", "instruction", "text")  # of a user's file, the first that a row has
_LEET = str.maketrans("aeiost", "431057")

Texts = Annotated[tuple[str, ...], Field(min_length=1)]


class Wish(Settings):
    """What a model should decline. id: its category with its number in there, or its row in the user's file."""

    id: str = ""
    category: str = ""
    text: str = Field(min_length=1)
    topic: str = Field("", description="what a conversation that comes to it slowly begins with")
    german: str = ""
    spanish: str = ""


class Family(Settings):
    """A way of asking. skill: what it takes of whoever asks (Break-Fix has attackers of both kinds)."""

    about: str
    skill: Literal["low", "intermediate"]
    variants: Annotated[tuple[Texts, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _answered(self) -> Self:
        if any(turns[0].startswith(GIVEN) or turns[-1].startswith(GIVEN) for turns in self.variants):
            raise ValueError(f"a variant begins and ends with the user's turn, without {GIVEN!r}")
        return self


class _Page(Settings):
    personas: dict[str, str]
    families: dict[str, Family]


@dataclass(frozen=True)
class Case:
    """One conversation to have.

    variant: its number in the family, from 1. turns: the user's, in order, each with the answer that is put into the
    model's mouth; None where the model answers by itself.
    """

    id: str
    wish: Wish
    family: str
    variant: int
    persona: str
    turns: tuple[tuple[str, str | None], ...]

    @property
    def kind(self) -> str:
        """Whether the model is asked once or more often."""
        return "single turn" if sum(given is None for _, given in self.turns) == 1 else "several turns"


@cache
def _page() -> _Page:
    path = _FOLDER / "attacks.toml"
    return validated(_Page, read_toml(path), "the page", f"{path.name}: ")


def families() -> Mapping[str, Family]:
    """The ways of asking, by name."""
    return _page().families


def personas() -> Mapping[str, str]:
    """Who asks, by name, with what they say of themselves."""
    return _page().personas


@cache
def builtin_wishes() -> tuple[Wish, ...]:
    """The requests that come with Hornbook: mild ones, and no answers."""
    path = _FOLDER / "requests.toml"
    return tuple(
        validated(Wish, {"id": f"{category} {number}", "category": category, **row}, "the request", f"{path.name}: ")
        for category, rows in read_toml(path).items()
        for number, row in enumerate(rows, start=1)
    )


def wishes_of(path: Path) -> tuple[list[Wish], Counter[str]]:
    """The requests of a user's file, AdvBench's CSV for one, and why rows are none, counted.

    A row has `request`, `goal`, `prompt`, `instruction` or `text`, and perhaps `category` (or `type`), `topic`,
    `german`, `spanish`. Raises UserError for a file that is not there, or holds no request.
    """
    from hornbook.evaluate.exam.data import Found, read
    from hornbook.evaluate.exam.declaration import Copy

    if not path.is_file():
        raise UserError(f"{path} does not exist; --requests names a file of requests, such as AdvBench's CSV")
    rows = read(Found(Copy(file=str(path)), path))
    wishes, faults = [], Counter(rows.faults)
    for id_, row in rows.rows:
        text = next((str(row[name]).strip() for name in _FIELDS if row.get(name)), "")
        if not text:
            faults["has no request"] += 1
            continue
        rest = {name: str(row[name]) for name in ("topic", "german", "spanish") if row.get(name)}
        wishes.append(Wish(id=id_, category=str(row.get("category") or row.get("type") or ""), text=text, **rest))
    if not wishes:
        raise UserError(f"{path}: no row has {', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}")
    return wishes, faults


def values(wish: Wish) -> dict[str, str]:
    """The parts of a case that turns may name, but for the persona."""
    text = wish.text
    first, second, third = _pieces(text)
    return {
        "request": text,
        "topic": wish.topic,
        "german": wish.german,
        "spanish": wish.spanish,
        "base64": base64.b64encode(text.encode()).decode(),
        "rot13": codecs.encode(text, "rot13"),
        "leet": text.lower().translate(_LEET),
        "backwards": text[::-1],
        "first": first,
        "second": second,
        "third": third,
    }


def _pieces(text: str) -> tuple[str, str, str]:
    """A text in three, cut between words; together they are the text."""
    words = text.split(" ")
    first, second = (len(words) + 2) // 3, (2 * len(words) + 2) // 3
    one, two, three = words[:first], words[first:second], words[second:]
    return " ".join(one) + " " * bool(two), " ".join(two) + " " * bool(three), " ".join(three)


def cases(wishes: Sequence[Wish], names: Sequence[str], tries: int, seed: int) -> tuple[list[Case], Counter[str]]:
    """What is to be asked: each request by each family, `tries` of its variants, each by somebody; and how many
    requests a family has to do without, by its name.

    A case depends on its request, its family and the seed alone.
    """
    made, left_out = [], Counter[str]()
    for wish in wishes:
        parts = values(wish)
        for name in names:
            variants = families()[name].variants
            usable = [
                number
                for number, turns in enumerate(variants, start=1)
                if all(parts.get(place, "-") for turn in turns for place in places(turn))
            ]
            if not usable:
                left_out[name] += 1
                continue
            draw = stream(seed, "redteam", name, wish.id, wish.text)
            for number in sorted(draw.sample(usable, min(tries, len(usable)))):
                persona = draw.choice(list(personas()))
                filled = [fill(turn, parts | {"persona": personas()[persona]}) for turn in variants[number - 1]]
                id_ = f"{wish.id} / {name} {number}"
                made.append(Case(id_, wish, name, number, persona, _paired(filled)))
    return made, left_out


def _paired(turns: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """User's turns, each with what is put into the model's mouth behind it."""
    found: list[tuple[str, str | None]] = []
    for turn in turns:
        if turn.startswith(GIVEN):
            found[-1] = (found[-1][0], turn.removeprefix(GIVEN))
        else:
            found.append((turn, None))
    return tuple(found)
