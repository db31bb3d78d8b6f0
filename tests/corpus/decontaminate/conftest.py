from __future__ import annotations

import random

import pytest

from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item

NAMES = ("Ada", "Bao", "Chidi", "Dana", "Emeka", "Farah", "Goran", "Hana", "Imre", "Jorge")
FAMILIES = (
    "Abe",
    "Brandt",
    "Castro",
    "Dube",
    "Evans",
    "Fischer",
    "Gupta",
    "Haddad",
    "Ito",
    "Jansen",
    "Kovacs",
    "Lopez",
)
THINGS = ("apples", "lanterns", "tickets", "marbles", "stamps", "candles", "bricks", "ribbons", "seashells", "coins")
PLACES = ("market", "harbour", "school", "attic", "orchard", "station", "museum", "bakery", "island", "library")
DEEDS = ("collects", "buys", "paints", "carries", "finds", "sells", "trades", "counts", "repairs", "borrows")
KINDS = (
    "red",
    "old",
    "tiny",
    "heavy",
    "spare",
    "broken",
    "wooden",
    "golden",
    "muddy",
    "paper",
    "green",
    "striped",
    "round",
)
STORY = (
    "{n} {d} {x} {t} near the {p} every morning.",
    "On the way to the {p}, {n} {d} {x} more {t} than {m} had.",
    "{m} gives away half of the {t} and then {d} another {x} {s}.",
    "A friend from the {p} {d} {x} boxes with {y} {t} in each.",
    "Before lunch {n} swaps {x} {s} for {y} {t} at the {p}.",
    "Rain at the {p} ruins {x} of the {s} that {m} {d}.",
    "Each of the {x} {s} costs {y} dollars at the {p}.",
    "When the {p} closes, {n} {d} {x} {t} and {y} {s}.",
)
ASKED = (
    "How many {t} are left for {m} at the {p}?",
    "What do {n} and {m} earn with {t} at the {p}?",
    "How many {s} does {n} own beside the {t}?",
)
STEPS = (
    "{a} = [{i} for {i} in {v} if {i} % {x} != {y}]",
    "for {i} in range(len({v})):\n        if {v}[{i}] > {a}:\n            {a} += {v}[{i}] {o} {x}",
    "{a} = sorted(set({v}), reverse=True)[:{x}]",
    "while len({v}) > {x}:\n        {v}.pop()\n        {a} = {a} {o} {y}",
    "{a} = sum({i} {o} {x} for {i} in {v})",
    "{b} = {{{i}: {v}.count({i}) for {i} in {v}}}",
    "if {a} and not {v}:\n        return {x}",
    "{v} = list(map(str, {v}))",
    "{a}, {b} = {b}, {a} {o} {x}",
    "for {i}, {j} in enumerate({v}):\n        {b}[{j}] = {i} {o} {y}",
    "{v}.append(max({v}) {o} {x})",
    "try:\n        {a} = int({a})\n    except ValueError:\n        {a} = {x}",
    "{a} = min({a}, abs({b} {o} {x}))",
    "{v} = {v}[{x}:] + {v}[:{y}]",
    "{b} = dict(zip({v}, reversed({v}), strict=True))",
    "{a} = ({a} {o} {x}) // {y} if {a} % {y} else {a}",
    "print(f'{{{a}}} and {{{b}}}', end='')",
    "{v}.sort(key=lambda {i}: ({i} % {x}, -{i}))",
    "{b} = [({i}, {j}) for {i} in {v} for {j} in {v} if {i} < {j}]",
    "for {i} in {v}:\n        if {i} in ({x}, {y}):\n            continue\n        {a} = max({a}, {i})\n        break",
    "assert isinstance({v}, list) and len({v}) < {x}",
    "{a} = ''.join(chr({i} % {x} + {y}) for {i} in {v}).upper()",
    "{b} = set({v}) & set(range({x})) | {{{y}}}",
    "del {v}[{x}:{y}]",
    "{b} = any({i} < {x} for {i} in {v}) or all({i} {o} {y} for {i} in {v})",
)


class Maker:
    """Makes questions, functions and prose, endlessly different."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def story(self) -> str:
        chance = self.chance
        lines = [*chance.sample(STORY, 4), chance.choice(ASKED)]
        filled = []
        for line in lines:
            n, m = (f"{name} {chance.choice(FAMILIES)}" for name in chance.sample(NAMES, 2))
            t, s, p = (
                " ".join([*chance.sample(KINDS, 2), noun])
                for noun in [*chance.sample(THINGS, 2), chance.choice(PLACES)]
            )
            words = {"n": n, "m": m, "t": t, "s": s, "d": chance.choice(DEEDS), "p": p}
            filled.append(line.format(**words, x=chance.randrange(2, 90), y=chance.randrange(2, 90)))
        return " ".join(filled)

    def function(self) -> str:
        chance = self.chance
        name = "_".join(chance.sample(("take", "fold", "mix", "scan", "pack", "turn", "join", "trim"), 2))
        lines = []
        for step in chance.sample(STEPS, 8):
            values = {"x": chance.randrange(2, 30), "y": chance.randrange(2, 30), "o": chance.choice("+-*")}
            lines.append("    " + step.format(a="total", b="seen", v="values", i="one", j="other", **values))
        told = f"{chance.choice(DEEDS)} {chance.choice(THINGS)} from the {chance.choice(PLACES)}"
        body = "\n".join(lines)
        return f'def {name}(values, total, seen):\n    """It {told}."""\n{body}\n    return values, total, seen\n'

    def prose(self, count: int = 80) -> str:
        syllables = ("ba", "ke", "ro", "min", "ta", "lu", "sor", "ven", "pi", "dal")
        return " ".join("".join(self.chance.choices(syllables, k=3)) for _ in range(count)) + "."


@pytest.fixture(scope="session")
def make() -> type[Maker]:
    return Maker


@pytest.fixture(scope="session")
def benchmarks() -> list[Benchmark]:
    """A hundred word problems, a hundred functions, a hundred questions with choices."""
    maker = Maker(1)
    sums = [Item("sums", str(number), maker.story(), f"#### {number}") for number in range(100)]
    code = [maker.function() for _ in range(100)]
    functions = [
        Item("functions", str(number), text.split("\n")[1].strip(), text, code=text) for number, text in enumerate(code)
    ]
    quiz = [
        Item("quiz", str(number), maker.prose(18), choices=tuple(maker.prose(3) for _ in range(4)), right=0)
        for number in range(100)
    ]
    return [
        Benchmark("functions", "code", tuple(functions)),
        Benchmark("quiz", "text", tuple(quiz)),
        Benchmark("sums", "mathematics", tuple(sums)),
    ]
