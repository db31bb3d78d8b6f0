"""Who and what the built-in stories are about: names, kinds of heroes, places, and which words fit what.

They lie in `templates/builtin/story-cast.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from hornbook.settings import Settings
from hornbook.teacher.builtin import content
from hornbook.teacher.kinds.lists import FOLDER, entries, words

Words = Annotated[tuple[str, ...], Field(min_length=1)]
FOOD, TOY, ANIMAL = "food", "toy", "animal"


class _Verbs(Settings):
    loved: Words
    moves: Words


class _Nouns(Settings):
    too_large: Words
    foods: Words
    dishes: Words
    no_friends: Words


class _Adjectives(Settings):
    not_of_toys: Words
    of_food: Words
    of_animals: Words
    of_heroes: Words


class _File(Settings):
    girls: Words
    boys: Words
    animals: Words
    heroes: Words
    elders: tuple[tuple[str, Literal["he", "she"]], ...]
    places: tuple[tuple[str, str], ...]
    verbs: _Verbs
    nouns: _Nouns
    adjectives: _Adjectives


_file = content.load("story-cast", _File)
_PRONOUNS = {"he": ("him", "his", "himself"), "she": ("her", "her", "herself")}

HEROES, PLACES, MOVES = _file.heroes, _file.places, frozenset(_file.verbs.moves)
VERBS = tuple(entry for entry in entries("verbs-actions", FOLDER) if entry[0] in _file.verbs.loved)


def _not(listed: str, *without: Words) -> tuple[str, ...]:
    return tuple(word for word in words(listed) if all(word not in one for one in without))


def _only(listed: str, among: Words) -> tuple[str, ...]:
    return tuple(word for word in words(listed) if word in among)


NOUNS = {
    TOY: _not("nouns-things", _file.nouns.too_large, _file.nouns.foods),
    FOOD: _only("nouns-things", _file.nouns.dishes),
    ANIMAL: _not("nouns-animals", _file.nouns.no_friends),
}
ADJECTIVES = {
    TOY: _not("adjectives-things", _file.adjectives.not_of_toys),
    FOOD: _only("adjectives-things", _file.adjectives.of_food),
    ANIMAL: _only("adjectives-things", _file.adjectives.of_animals),
}
OF_HEROES = _only("adjectives-people", _file.adjectives.of_heroes)


@dataclass(frozen=True)
class Character:
    """Somebody in a story. `kind` is girl, boy or an animal; `he` is he or she."""

    name: str
    kind: str
    he: str

    def places(self, prefix: str, name: str) -> dict[str, str]:
        """The places that speak of this character: name, he, him, his, himself, and He, His at a sentence's start."""
        him, his, himself = _PRONOUNS[self.he]
        plain = {"he": self.he, "him": him, "his": his, "himself": himself}
        starts = {word.capitalize(): value.capitalize() for word, value in plain.items()}
        lower = {f"{prefix}{word}": value for word, value in plain.items()}
        upper = {f"{prefix.capitalize()}{word}": value for word, value in plain.items()} if prefix else {}
        capital = {key: value.capitalize() for key, value in upper.items()} if prefix else starts
        return {name: self.name, **lower, **capital}


def child(random: Random, taken: str = "") -> Character:
    """A girl or a boy with another name than `taken`."""
    girl = random.random() < 0.5
    name = random.choice([name for name in (_file.girls if girl else _file.boys) if name != taken])
    return Character(name, "girl" if girl else "boy", "she" if girl else "he")


def creature(random: Random, kind: str, taken: str = "") -> Character:
    """An animal that talks."""
    name = random.choice([name for name in _file.animals if name != taken])
    return Character(name, kind, random.choice(("he", "she")))


def elder(random: Random) -> Character:
    """Somebody grown up whom the hero trusts."""
    name, he = random.choice(_file.elders)
    return Character(name, "grown-up", he)


def with_article(phrase: str) -> str:
    """a or an before a phrase: a red kite, an old boat, an honest boy."""
    return f"{'an' if phrase[0] in 'aeiou' or phrase.startswith('honest') else 'a'} {phrase}"
