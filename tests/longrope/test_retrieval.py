from __future__ import annotations

import re
from pathlib import Path

import pytest

from hornbook.evaluate.long.passkey import passkey_prompt
from hornbook.evaluate.long.prompt import Prompter
from hornbook.longrope import retrieval
from hornbook.longrope.retrieval import FORM
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def made(tokenizer: Tokenizer, row: int, count: int = 30, seed: int = 1) -> list[str]:
    filler = "".join(f"line {chr(97 + number % 26)} of the filler\n" for number in range(300))
    table = retrieval.rows([tokenizer.encode(filler)], tokenizer, count, row, seed=seed, progress=Progress())
    assert table.shape == (count, row)
    return [tokenizer.decode(ids.tolist()) for ids in table]


@pytest.mark.parametrize("row", [129, 500, 1025])
def test_the_number_is_given_once_and_then_asked_for(tokenizer: Tokenizer, row: int) -> None:
    texts = made(tokenizer, row)
    keys = [re.findall(r"^ *# the pass key is (\d{5})$", text, re.MULTILINE) for text in texts]
    assert all(2 <= len(found) <= 1 + row // 16 and len(set(found)) == 1 for found in keys)
    assert min(map(len, keys)) <= 6
    assert len({found[0] for found in keys}) == len(texts)


def test_the_words_are_those_that_are_measured_with(tokenizer: Tokenizer) -> None:
    prompt, key = passkey_prompt(Prompter(tokenizer, chat=False), 400, 50.0, 1, form=FORM)
    shown = tokenizer.decode(prompt)
    assert re.search(rf"^ *# the pass key is {key}$", shown, re.MULTILINE)
    assert shown.endswith("\n# the pass key is")


def test_depths_and_distances_are_many(tokenizer: Tokenizer) -> None:
    texts = made(tokenizer, 1025, count=60)
    depths = [text.index("# the pass key") / len(text) for text in texts]
    assert min(depths) < 0.1
    assert max(depths) > 0.35
    last = [text.rindex("# the pass key") / len(text) for text in texts]
    assert max(last) > 0.9


def test_equal_seeds_equal_rows(tokenizer: Tokenizer) -> None:
    assert made(tokenizer, 200) == made(tokenizer, 200)
    assert made(tokenizer, 200) != made(tokenizer, 200, seed=2)


def test_the_shortest_row_that_fits(tokenizer: Tokenizer) -> None:
    shortest = next(row for row in range(200) if retrieval.fits(tokenizer, row))
    assert shortest > 20
    assert all(text.count("# the pass key is") == 2 for text in made(tokenizer, shortest))
