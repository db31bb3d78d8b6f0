"""The plots of the built-in stories: paragraphs of beats, each beat a choice of sentences with places to fill.

They lie in `templates/builtin/story-plots.toml`, which tells what the places are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.settings import Settings
from hornbook.teacher.builtin import content

Beat = Annotated[tuple[str, ...], Field(min_length=1)]
Paragraph = Annotated[tuple[Beat, ...], Field(min_length=1)]

PLACE = re.compile(r"\{(\w+)\}")
_PRONOUNS = ("he", "him", "his", "himself")
PLACES = frozenset(
    {
        *("H", "F", "E", "a_hero", "a_friend", "verb", "verbed", "at_place", "At_place", "to_place"),
        *("thing", "a_thing", "animal", "an_animal"),
        *(f"{of}{word}" for of in ("", "f", "e", "F", "E") for word in _PRONOUNS),
        *(word.capitalize() for word in _PRONOUNS),
    }
)


class Plot(Settings):
    """A plot: how it goes, and how it ends well or badly. `places` are its own, drawn once a story."""

    name: str
    uses: frozenset[Literal["toy", "food", "animal"]] = Field(description="what its noun can be")
    middle: tuple[Paragraph, ...]
    good: Paragraph
    bad: Paragraph
    moral: Beat
    places: dict[str, Beat] = Field({})

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        known = PLACES | self.places.keys() | ({"a_stray"} if "stray" in self.places else set())
        beats = [beat for paragraph in (*self.middle, self.good, self.bad) for beat in paragraph]
        _check(self.name, (*beats, self.moral, *self.places.values()), known)
        return self


class Sentences(Settings):
    """What any story may have: who it is about, and how it ends."""

    openings: Beat
    loves: Beat
    friends: Beat
    closings: Beat
    still_closings: Beat
    lessons: Beat

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        _check("sentences", self.model_dump().values(), PLACES | {"moral"})
        return self


class _File(Settings):
    sentences: Sentences
    plots: tuple[Plot, ...] = Field(min_length=1)


def _check(where: str, beats: Iterable[Beat], known: Iterable[str]) -> None:
    for beat in beats:
        for sentence in beat:
            unknown = sorted(set(PLACE.findall(sentence)).difference(known))
            if unknown:
                raise ValueError(f"{where} has {{{unknown[0]}}}, which nothing fills: {sentence}")


_file = content.load("story-plots", _File)
SENTENCES, PLOTS = _file.sentences, _file.plots
