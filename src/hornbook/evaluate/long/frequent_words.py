"""Frequent words: which three of a coded text come most often? (RULER's frequent words extraction)"""

from __future__ import annotations

import math
import random

from hornbook.evaluate.long.prompt import Prompter, Question, fit
from hornbook.evaluate.long.synthetic import distinct, letters
from hornbook.seeds import derive, stream

ROOM = 64
_BEGINS = "The three words that come most often in the coded text are:"


def frequent_words(prompter: Prompter, length: int, seed: int) -> Question:
    """Made-up words whose frequencies fall as 1/rank^2 (Zipf, exponent 2); a right answer names three.

    The most frequent "word" of all is a row of dots that does not count, as in RULER.
    """
    source = stream(seed, "frequent words", length)
    words = ["...", *distinct(lambda: letters(source, 6), max(length // 50, 8))]

    def build(count: int) -> Question:
        drawn = [word for word, often in zip(words, frequencies(count, len(words)), strict=True) for _ in range(often)]
        random.Random(derive(seed, "order of frequent words", length, count)).shuffle(drawn)
        text = (
            "Here is a text in code. Count how often each word of it comes; the dots do not count.\n\n"
            f"{' '.join(drawn)}\n\nWhich three words come most often in the coded text above? Name only the words."
        )
        expected = tuple(words[1:4])
        return Question(prompter.ids(text, _BEGINS), f"{text}\n{_BEGINS}", expected, ROOM)

    return fit(build, length, length, least=1)


def frequencies(total: int, ranks: int) -> list[int]:
    """How often each rank comes among about `total` words; ranks 2 to 4 come more often than every later one."""
    share = 6 / math.pi**2  # 1 / zeta(2)
    counts = [int(total * share / rank**2) for rank in range(1, ranks + 1)]
    for rank in (3, 2, 1):
        counts[rank] = max(counts[rank], counts[rank + 1] + 1)
    return counts
