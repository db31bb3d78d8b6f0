"""Seeds: the values of one row's placeholders. A row's number decides them, whatever rows are asked for beside it."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from hornbook.documents import read_rows
from hornbook.errors import UserError
from hornbook.seeds import derive, stream
from hornbook.teacher.kinds import lists
from hornbook.teacher.kinds.template import Draw, Kind

LONGEST = 20_000  # characters of a document that are kept to cut from
SHORTEST = 300


@dataclass(frozen=True)
class Extract:
    """A document that seeds are cut from."""

    id: str
    text: str


@dataclass(frozen=True)
class Supply:
    """What seeds are drawn from beside the template's own lists: grown topics by draw, and documents."""

    topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extracts: Sequence[Extract] = ()


@dataclass(frozen=True)
class Drawn:
    """One row's seeds: `values` fill the placeholders; `origins` names the document of each extract."""

    number: int
    values: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, object]:
        """What is kept beside the row. An extract is named, not repeated."""
        values = {name: value for name, value in self.values.items() if name not in self.origins}
        return {"row": self.number, **values, **({"documents": dict(self.origins)} if self.origins else {})}


def extracts(corpus: Path, count: int, *, seed: int) -> list[Extract]:
    """`count` documents of a corpus folder, or all where there are fewer, in an order that the seed alone decides.

    The first ones stay the first ones when more are asked for, whatever the order on disk. Documents of less than
    SHORTEST characters hold too little to start from. Raises UserError for a folder that is no corpus.
    """
    chosen: list[tuple[int, str, str]] = []  # a heap with the last of those chosen so far on top
    seen: set[str] = set()
    for row in read_rows(corpus, ["id", "text"]):
        name, text = row["id"], row["text"]
        if len(text) < SHORTEST or name in seen:
            continue
        place = -derive(seed, "extract", name)
        if len(chosen) < count:
            seen.add(name)
            heapq.heappush(chosen, (place, name, text[:LONGEST]))
        elif place > chosen[0][0]:
            seen.add(name)
            heapq.heapreplace(chosen, (place, name, text[:LONGEST]))
    return [Extract(name, text) for _, name, text in sorted(chosen, reverse=True)]


def draw(kind: Kind, number: int, seed: int, supply: Supply) -> Drawn:
    """Row `number`'s seeds. Each placeholder has a stream of its own: changing one never changes another.

    Raises UserError where an extract is needed and no document was given.
    """
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    for name, how in kind.template.draw.items():
        random = stream(seed, kind.name, name, number)
        if how.chance < 1 and random.random() >= how.chance:
            values[name] = ""
        elif how.extract:
            values[name], origin = _extract(how, name, number, seed, supply.extracts)
            if origin:
                origins[name] = origin
        elif how.topics:
            topics = supply.topics[name]
            values[name] = topics[number % len(topics)]
        else:
            values[name] = how.join.join(_several(kind, name, how, number, seed))
    return Drawn(number, values, origins)


def choices(how: Draw, folder: Path) -> tuple[str, ...]:
    """Everything that a draw of words can come to."""
    return how.choose or tuple(dict.fromkeys(word for name in how.lists for word in lists.words(name, folder)))


def coverage(kind: Kind, drawn: Sequence[Drawn], supply: Supply) -> dict[str, dict[str, int]]:
    """For each placeholder, how many of its possible values the rows have used."""
    found = {}
    for name, how in kind.template.draw.items():
        used = [one for one in drawn if one.values[name]]
        if how.extract:
            found[name] = {"used": len({one.origins[name] for one in used}), "of": len(supply.extracts)}
        elif how.topics:
            found[name] = {"used": len({one.values[name] for one in used}), "of": len(set(supply.topics[name]))}
        else:
            several = how.count != (1, 1) and how.join
            parts = {part for one in used for part in _parts(one.values[name], how.join if several else "")}
            possible = set(choices(how, kind.folder))
            found[name] = {"used": len(parts & possible), "of": len(possible)}
    return found


def _parts(value: str, join: str) -> list[str]:
    return value.split(join) if join else [value]


def _several(kind: Kind, name: str, how: Draw, number: int, seed: int) -> list[str]:
    """One value from a shuffled deck, so that all come up before any comes twice; several as they fall."""
    possible = choices(how, kind.folder)
    if how.count == (1, 1):
        deck = _deck(len(possible), seed, kind.name, name, number // len(possible))
        return [possible[deck[number % len(possible)]]]
    random = stream(seed, kind.name, name, number, "several")
    low, high = how.count
    return random.sample(possible, min(random.randint(low, high), len(possible)))


@lru_cache(maxsize=256)
def _deck(size: int, seed: int, kind: str, name: str, turn: int) -> tuple[int, ...]:
    order = list(range(size))
    stream(seed, kind, name, "deck", turn).shuffle(order)
    return tuple(order)


def _extract(how: Draw, name: str, number: int, seed: int, extracts: Sequence[Extract]) -> tuple[str, str]:
    """A passage and its document's id: documents in turn, from another place of each in every further turn."""
    if not extracts:
        if how.chance < 1:
            return "", ""
        raise UserError(f"the template's {{{name}}} is an extract of a document; name a corpus with --seeds FOLDER")
    document = extracts[number % len(extracts)]
    text = document.text.strip()
    room = len(text) - how.extract
    if room <= 0:
        return text, document.id
    start = stream(seed, "extract", document.id, number).randrange(room + 1) if number >= len(extracts) else 0
    passage = text[start : start + how.extract]
    if start:
        passage = passage[passage.find(" ") + 1 :]  # from a whole word
    cut = passage.rfind(" ")
    return (passage[:cut] if cut > how.extract // 2 else passage).strip(), document.id
