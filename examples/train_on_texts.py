"""Train a tokenizer and a model on a list of strings, and let it write.

    python examples/train_on_texts.py [INTO]

What comes out is a run like any other: `hornbook report INTO` opens its report card.
"""

from __future__ import annotations

import random
import sys
from itertools import product
from pathlib import Path
from typing import Any

from hornbook import ConsoleProgress, ModelConfig, complete, open_model, train_on_texts

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ida", "Jon")
THINGS = {
    "apple": "eats",
    "book": "reads",
    "song": "sings",
    "letter": "writes",
    "ball": "throws",
    "boat": "sails",
    "kite": "flies",
    "drum": "beats",
    "door": "opens",
    "coat": "wears",
    "horse": "rides",
    "wall": "paints",
}
PLACES = ("at home", "at school", "in the garden", "by the river", "on the hill", "in the wood")


def stories(count: int) -> list[str]:
    """Different stories that end as they began, so that a small model has something to get right."""
    every = [
        f"{name} has a {thing}. {other} is {place}. So {name} {does} the {thing} {place} with {other}."
        for name, other, (thing, does), place in product(NAMES, NAMES, THINGS.items(), PLACES)
        if name != other
    ]
    return random.Random(1).sample(every, count)


def main(into: Path, count: int = 3_000, settings: dict[str, Any] | None = None) -> None:
    """Train on `count` stories, and print what the model makes of the first words of one."""
    shape = ModelConfig(vocabulary=512, layers=2, width=64, heads=4, mlp_width=192, context=64)
    folder = train_on_texts(stories(count), into, shape, epochs=4, settings=settings, progress=ConsoleProgress())
    model, tokenizer = open_model(folder)
    beginning = "Ada has a book."
    print(beginning + "".join(complete(model, tokenizer, beginning, limit=40)))
    print(f"{model.config.parameters():,} parameters: {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/stories-of-mine"))
