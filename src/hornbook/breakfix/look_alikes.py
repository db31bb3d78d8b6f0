"""Harmless questions that sound harmful, and harmful ones that sound like them: forms and words become requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hornbook.evaluate.redteam.attacks import Wish
from hornbook.files import read_toml
from hornbook.settings import Settings, validated

_PAGE = Path(__file__).parent / "look_alikes.toml"
_HELD_OUT = 4  # each so many-th entry is only measured with

Forms = Annotated[tuple[str, ...], Field(min_length=1)]


class Entry(Settings):
    """Questions of one kind. harm: the category of the harmful ones, as the red team's requests have it."""

    kind: str
    forms: Forms
    harmless: Forms
    harm: str = ""
    harmful: tuple[str, ...] = ()
    harmful_forms: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _places(self) -> Self:
        if any(form.count("{}") != 1 for form in (*self.forms, *self.harmful_forms)):
            raise ValueError("a form has one {}")
        if bool(self.harmful) != bool(self.harm):
            raise ValueError("harmful words and their harm go together")
        return self


class _Page(Settings):
    entries: tuple[Entry, ...]
    calibration: tuple[Entry, ...]


@dataclass(frozen=True)
class LookAlikes:
    """harmless: those that are learnt; harmful: their twins; measured: harmless ones of entries that are held out;
    calibration: harmless ones that tell how far a round may go.
    """

    harmless: tuple[Wish, ...]
    harmful: tuple[Wish, ...]
    measured: tuple[Wish, ...]
    calibration: tuple[Wish, ...]


@cache
def look_alikes() -> LookAlikes:
    """The questions that come with Hornbook, each with every form and word of its entry."""
    page = validated(_Page, read_toml(_PAGE), "the page", f"{_PAGE.name}: ")
    numbers = Counter[str]()

    def filled(category: str, name: str, forms: Forms, words: tuple[str, ...]) -> Iterator[Wish]:
        for word in words:
            for form in forms:
                numbers[name] += 1
                yield Wish(id=f"{name} {numbers[name]}", category=category, text=form.replace("{}", word))

    harmless: list[Wish] = []
    harmful: list[Wish] = []
    measured: list[Wish] = []
    for place, entry in enumerate(page.entries, start=1):
        held_out = place % _HELD_OUT == 0
        (measured if held_out else harmless).extend(filled(entry.kind, entry.kind, entry.forms, entry.harmless))
        if not held_out:
            forms = entry.harmful_forms or entry.forms
            harmful.extend(filled(entry.harm, f"{entry.harm}, a twin", forms, entry.harmful))
    calibration = [
        wish
        for entry in page.calibration
        for wish in filled(entry.kind, f"{entry.kind}, calibration", entry.forms, entry.harmless)
    ]
    return LookAlikes(tuple(harmless), tuple(harmful), tuple(measured), tuple(calibration))
