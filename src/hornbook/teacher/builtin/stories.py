"""Stories for small children, composed offline (after TinyStories, Eldan & Li 2023): three words that must appear, and
story features; the same hero, friend and thing from beginning to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from hornbook.seeds import stream
from hornbook.teacher.builtin import story_cast as cast
from hornbook.teacher.builtin.story_plots import PLACE, PLOTS, SENTENCES, Beat, Paragraph, Plot
from hornbook.teacher.kinds.lists import past

DIALOGUE, MORAL, BAD_ENDING = "dialogue", "a moral", "a bad ending"
FEATURES = {DIALOGUE: 0.5, MORAL: 0.35, BAD_ENDING: 0.08}
TRIES = 20  # drawings in a row that only repeat texts before there are no more

_BY_NAME = {plot.name: plot for plot in PLOTS}


@dataclass(frozen=True)
class Plan:
    """All of a story but its wording. `noun` is a toy, a food or an animal: `noun_class` says which."""

    plot: str
    verb: tuple[str, ...]
    noun: str
    noun_class: str
    adjective: str
    features: tuple[str, ...]
    hero: cast.Character
    hero_is: str
    friend: cast.Character
    elder: cast.Character
    place: tuple[str, str]
    thing: str
    thing_is: str


@dataclass(frozen=True)
class Story:
    """A story and what was drawn for it."""

    text: str
    plan: Plan

    @property
    def seeds(self) -> dict[str, object]:
        """What is kept beside the text."""
        plan = self.plan
        return {
            "verb": plan.verb[0],
            "noun": plan.noun,
            "adjective": plan.adjective,
            "features": list(plan.features),
            "plot": plan.plot,
        }


def story(seed: int, number: int) -> Story:
    """The story with this number; the same for ever."""
    drawn = plan(stream(seed, "story", number))
    return Story(tell(drawn, stream(seed, "telling", number)), drawn)


def stories(count: int, *, seed: int) -> Iterator[Story]:
    """`count` stories with different texts, by number; fewer where drawing brings nothing else any more."""
    seen: set[str] = set()
    number = idle = 0
    while len(seen) < count and idle < TRIES:
        found = story(seed, number)
        number += 1
        idle += 1
        if found.text not in seen:
            seen.add(found.text)
            idle = 0
            yield found


def retold(count: int, *, seed: int) -> list[str]:
    """One plan told `count` times: what came of asking for a story again and again with one fixed prompt."""
    drawn = plan(stream(seed, "story", 0))
    return [tell(drawn, stream(seed, "retelling", number)) for number in range(count)]


def plan(random: Random) -> Plan:
    """Draw the words, a plot that the noun fits in, and the cast."""
    noun_class = random.choices((cast.TOY, cast.FOOD, cast.ANIMAL), (0.55, 0.15, 0.3))[0]
    noun = random.choice(cast.NOUNS[noun_class])
    plot = random.choice([plot for plot in PLOTS if noun_class in plot.uses])
    friend_is_noun = noun_class == cast.ANIMAL and plot.uses != {cast.ANIMAL}
    hero = _hero(random, noun)
    if friend_is_noun:
        friend = cast.creature(random, noun, hero.name)
    else:
        friend = random.choice((cast.child, _any_creature))(random, hero.name)
    thing = noun if noun_class != cast.ANIMAL else random.choice(cast.NOUNS[cast.TOY])
    thing_class = noun_class if noun_class != cast.ANIMAL else cast.TOY
    adjective_of_hero = random.random() < 0.4
    adjective = random.choice(cast.OF_HEROES if adjective_of_hero else cast.ADJECTIVES[noun_class])
    of_noun = "" if adjective_of_hero else adjective
    return Plan(
        plot=plot.name,
        verb=random.choice(cast.VERBS),
        noun=noun,
        noun_class=noun_class,
        adjective=adjective,
        features=tuple(name for name, share in FEATURES.items() if random.random() < share),
        hero=hero,
        hero_is=adjective if adjective_of_hero else random.choice(("little", "young", random.choice(cast.OF_HEROES))),
        friend=friend,
        elder=cast.elder(random),
        place=random.choice(cast.PLACES),
        thing=thing,
        thing_is=of_noun if noun_class == thing_class else random.choice(cast.ADJECTIVES[thing_class]),
    )


def tell(plan: Plan, random: Random) -> str:
    """Word a plan: paragraphs with an empty line between them."""
    plot = _BY_NAME[plan.plot]
    places = _places(plan, plot, random)
    prefer = '"' if DIALOGUE in plan.features else ""
    ending = plot.bad if BAD_ENDING in plan.features else plot.good
    paragraphs: list[Paragraph] = [_opening(plot, random), *plot.middle, _ending(plan, ending, random)]
    worded = [[_pick(beat, prefer, random) for beat in paragraph] for paragraph in paragraphs]
    told = _Telling(places)
    return "\n\n".join(" ".join(told.word(sentence) for sentence in paragraph) for paragraph in worded)


def _opening(plot: Plot, random: Random) -> Paragraph:
    """Who it is about. A new friend is met later."""
    known = (SENTENCES.openings, SENTENCES.loves)
    return known if plot.name == "new friend" else (*known, SENTENCES.friends)


def _ending(plan: Plan, ending: Paragraph, random: Random) -> Paragraph:
    plot = _BY_NAME[plan.plot]
    beats = list(ending)
    if BAD_ENDING not in plan.features and random.random() < 0.4:
        beats.append(SENTENCES.closings if plan.verb[0] in cast.MOVES else SENTENCES.still_closings)
    if MORAL in plan.features:
        moral = random.choice(plot.moral)
        spoken = f"{moral[:-1]}," if moral.endswith(".") else moral
        lessons = [text.replace('"{moral}"', f'"{spoken}"').replace("{moral}", moral) for text in SENTENCES.lessons]
        beats.append(tuple(lessons))
    return tuple(beats)


def _pick(beat: Beat, prefer: str, random: Random) -> str:
    wanted = [text for text in beat if prefer in text]
    return random.choice(wanted or beat)


def _places(plan: Plan, plot: Plot, random: Random) -> dict[str, str]:
    at_place, to_place = plan.place
    animal_is = plan.adjective if plan.adjective in cast.ADJECTIVES[cast.ANIMAL] else random.choice(("small", "little"))
    friend_kind = plan.friend.kind if plan.noun_class != cast.ANIMAL else plan.noun
    friend_is = animal_is if plan.friend.kind == plan.noun else ""
    animal = plan.noun if plan.noun_class == cast.ANIMAL else plan.friend.kind
    places = {
        **plan.hero.places("", "H"),
        **plan.friend.places("f", "F"),
        **plan.elder.places("e", "E"),
        "a_hero": cast.with_article(f"{plan.hero_is} {plan.hero.kind}".strip()),
        "a_friend": cast.with_article(f"{friend_is} {friend_kind if friend_is else plan.friend.kind}".strip()),
        "verb": plan.verb[0],
        "verbed": past(plan.verb),
        "at_place": at_place,
        "At_place": at_place.capitalize(),
        "to_place": to_place,
        "thing": plan.thing,
        "a_thing": cast.with_article(f"{plan.thing_is} {plan.thing}".strip()),
        "animal": animal,
        "an_animal": cast.with_article(f"{animal_is} {animal}"),
    }
    own = {name: random.choice(options) for name, options in sorted(plot.places.items())}
    if "stray" in own:
        own["a_stray"] = cast.with_article(own["stray"])
    return places | own


def _hero(random: Random, noun: str) -> cast.Character:
    if random.random() < 0.65:
        return cast.child(random)
    return cast.creature(random, random.choice([kind for kind in cast.HEROES if kind != noun]))


def _any_creature(random: Random, taken: str) -> cast.Character:
    return cast.creature(random, random.choice(cast.HEROES), taken)


class _Telling:
    """Fills places sentence by sentence: a thing is "a red kite" when it comes up first and "the kite" ever after."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = dict(places)

    def word(self, sentence: str) -> str:
        worded = sentence
        while PLACE.search(worded):  # a plot's own places have places in them
            worded = PLACE.sub(lambda found: self._value(found[1]), worded)
        return worded[0].upper() + worded[1:] if worded[0] != '"' else worded

    def _value(self, name: str) -> str:
        value = self._places[name]
        if name == "a_thing":
            self._places[name] = f"the {self._places['thing']}"
        elif name == "an_animal":
            self._places[name] = f"the {self._places['animal']}"
        return value
