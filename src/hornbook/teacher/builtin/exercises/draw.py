"""Draw exercises: constants, wordings, names and cases for a composition from one number; and whole sets of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hornbook.seeds import derive, stream
from hornbook.teacher.builtin.exercises import arguments
from hornbook.teacher.builtin.exercises.catalogue import FAMILIES, compositions, held_out
from hornbook.teacher.builtin.exercises.family import Family, Sketch, Style, key_of
from hornbook.teacher.builtin.exercises.names import ARGUMENTS, NAME_WORDS, PLAIN, SUBJECTS, is_free
from hornbook.teacher.builtin.exercises.parts import Bound, Part
from hornbook.teacher.builtin.exercises.phrasing import FRAMES
from hornbook.teacher.interface import Case, Exercise

LONGEST = 330  # characters: what fits a context of 128 tokens with room to spare
FORMS = 12
_MISSES = 1_000  # draws of each family, none of which was another one, after which there is none


def body_text(sketch: Sketch) -> str:
    """A function's body, indented."""
    return "".join([f"    {line}\n" for line in sketch.body])


@dataclass(frozen=True)
class Drawn:
    """Everything that was sampled for one exercise, and the sketch that follows from it."""

    family: Family
    parts: tuple[Bound, ...]
    style: Style
    name: str
    frame: int
    sketch: Sketch
    seed: int

    @property
    def composition(self) -> str:
        """The canonical name of the composition."""
        return key_of(self.family.name, [bound.part for bound in self.parts])

    @property
    def seeds(self) -> dict[str, Any]:
        """What was sampled, for JSON."""
        return {
            "family": self.family.name,
            "composition": self.composition,
            "name": self.name,
            "arguments": list(self.style.names),
            "numbers": [bound.k for bound in self.parts if bound.k is not None],
            "wordings": [bound.wording for bound in self.parts],
            "form": self.style.form,
            "noun": self.style.noun,
            "frame": self.frame,
            "seed": self.seed,
        }

    @property
    def docstring(self) -> str:
        """The docstring's one line."""
        return FRAMES[self.family.frames][self.frame].format(x=self.sketch.phrase)

    @property
    def signature(self) -> str:
        """`name(arguments)`."""
        return f"{self.name}({', '.join(self.style.names)})"

    @property
    def prompt(self) -> str:
        """The function up to and with the newline after its docstring."""
        return f'def {self.signature}:\n    """{self.docstring}"""\n'

    @property
    def body(self) -> str:
        """The function's body, indented."""
        return body_text(self.sketch)

    @property
    def hints(self) -> arguments.Hints:
        """Values worth trying."""
        return arguments.hints_of([bound.k for bound in self.parts])

    def case(self, values: tuple[Any, ...]) -> Case:
        """A case for these arguments."""
        return Case(values, self.sketch.meaning(*values))


def _argument_names(family: Family, random: Random, most: int | None) -> tuple[str, ...]:
    names: list[str] = []
    few = max(most, len(family.kinds)) if most is not None else None
    while len(names) < len(family.kinds):
        name = random.choice(ARGUMENTS[family.kinds[len(names)]][:few])
        if name not in names:
            names.append(name)
    return tuple(names)


def _function_name(
    family: Family, parts: Sequence[Part], taken: Sequence[str], random: Random, most: int | None
) -> str:
    """A plain name, one made of words that say little, or one built from the family's verb and what it deals with.

    most: of so many plain names one; see `draw`.
    """
    if most is not None:
        return random.choice(PLAIN[:most])
    slugs = [part.slug for part in parts if part.slug]
    while True:
        kind = random.random()
        if kind < 0.2:
            name = random.choice(PLAIN)
        elif kind < 0.45 or not slugs:
            name = "_".join(random.sample(NAME_WORDS, random.choice((1, 2, 2, 2, 3))))
        elif kind < 0.6:
            name = f"{random.choice(family.verbs)}_{random.choice(SUBJECTS[family.kinds[0]])}"
        elif kind < 0.8:
            name = f"{random.choice(family.verbs)}_{random.choice(slugs)}"
        else:
            name = "_".join(dict.fromkeys(slugs[:3]))
        if name not in taken and is_free(name):
            return name


def draw(family: Family, parts: Sequence[Part], seed: int, names: int | None = None) -> Drawn:
    """Sample everything about one exercise of a composition. The same seed gives the same exercise.

    names: of how many plain names a function has one, and of how many of its kind an argument; unset: all names, those
    that say what a function does among them.
    """
    random = Random(seed)
    bound = tuple(
        [
            part.bind(random.choice(part.constants) if part.constants else None, random.randrange(len(part.words)))
            for part in parts
        ]
    )
    style = Style(_argument_names(family, random, names), random.randrange(FORMS), random.randrange(FORMS))
    name = _function_name(family, parts, style.names, random, names)
    frame = random.randrange(len(FRAMES[family.frames]))
    return Drawn(family, bound, style, name, frame, family.sketch(style, bound), seed)


def exercise(drawn: Drawn) -> Exercise:
    """The exercise with its cases: one or two edge cases and three random ones."""
    random = Random(drawn.seed + 1)
    kinds, hints = drawn.family.kinds, drawn.hints
    edges = arguments.edges(kinds)
    tried = [random.choice(edges), *(arguments.arguments(kinds, random, hints) for _ in range(3))]
    return Exercise(
        name=drawn.name,
        parameters=drawn.style.names,
        docstring=drawn.docstring,
        phrase=drawn.sketch.phrase,
        body=drawn.body,
        text=drawn.prompt + drawn.body,
        family=drawn.family.name,
        composition=drawn.composition,
        cases=tuple([drawn.case(values) for values in tried]),
        seeds=drawn.seeds,
        ours=True,
    )


def _of_family(family: Family, seed: int, names: int | None) -> Iterator[Drawn | None]:
    """Draws of one family without end: each training composition once in a shuffled order, then each again, ...

    None stands for a draw that is too long.
    """
    keyed = compositions()[family.name]
    keys = sorted(keyed.keys() - held_out(seed)[family.name])
    for turn in itertools.count():
        stream(seed, "exercises", family.name, turn).shuffle(keys)
        for key in keys:
            drawn = draw(family, keyed[key], derive(seed, "exercise", key, turn), names)
            yield drawn if len(drawn.prompt) + len(drawn.body) <= LONGEST else None


def some_families(seed: int, count: int | None) -> Sequence[Family]:
    """All families, or as many, drawn by the seed: those that hold compositions out first, the others after them."""
    if count is None:
        return FAMILIES
    held, drawn = held_out(seed), list(FAMILIES)
    stream(seed, "families").shuffle(drawn)
    chosen = sorted(drawn, key=lambda family: not held[family.name])[:count]
    return [family for family in FAMILIES if family in chosen]


def drawings(seed: int, families: int | None = None, names: int | None = None) -> Iterator[Drawn]:
    """Draws with different texts, one of each family in turn; it ends where no family has another one.

    families: of how many the draws are, all unless given. names: see `draw`.
    """
    sources = [_of_family(family, seed, names) for family in some_families(seed, families)]
    seen: set[tuple[str, str]] = set()
    misses = 0
    while misses < _MISSES * len(sources):
        for source in sources:
            drawn = next(source)
            misses += 1
            if drawn is None or (drawn.signature, drawn.docstring) in seen:
                continue
            seen.add((drawn.signature, drawn.docstring))
            misses = 0
            yield drawn
