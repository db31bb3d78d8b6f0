"""Real functions of held-out documents, to be completed as problems are: the body, from the docstring on."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hornbook.documents import is_held_out, shards
from hornbook.study.likelihood import Pair
from hornbook.teacher.write import SOURCE, TASKS

LONGEST = 240  # characters: what a context of 128 tokens holds, whatever text its tokenizer was trained on


def library_functions(clean: Path, settings: Mapping[str, Any]) -> list[Pair]:
    """The functions of documents that no arm learns from, exercises aside: whatever is read, the same ones.

    clean: the clean stage's folder. settings: of the tokens stage, its `held_out` and `seed` among them.
    """
    return functions(_held_out(clean, settings["held_out"], settings["seed"]))


def _held_out(clean: Path, share: float, seed: int) -> Iterator[str]:
    for shard in shards(clean):
        for batch in shard.batches(("id", "source", "text")):
            for row in batch.to_pylist():
                if row["source"] not in (SOURCE, TASKS) and is_held_out(row["id"], share, seed):
                    yield row["text"]


def functions(texts: Iterable[str]) -> list[Pair]:
    """Functions and methods with a docstring and a body, none longer than LONGEST, in order and each once."""
    found: dict[str, Pair] = {}
    for text in texts:
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what old code escapes is its own affair
            for pair in _of_module(text):
                found.setdefault(pair.prompt + pair.right, pair)
    return list(found.values())


def _of_module(text: str) -> Iterator[Pair]:
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)  # as the parser counts them
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef) or ast.get_docstring(node) is None or len(node.body) < 2:
            continue
        told, first, end = node.body[0].end_lineno, node.body[1].lineno, node.end_lineno
        assert told is not None
        begin = node.lineno - 1
        if not begin + 1 < told < first:  # something shares a line with the docstring
            continue
        inner = [line[node.col_offset :] if line.strip() else "\n" for line in lines[begin:end]]
        whole = "".join(inner)
        if len(whole) <= LONGEST and all(not line[: node.col_offset].strip() for line in lines[begin:end]):
            opening = "".join(inner[: told - begin])
            yield Pair(opening, whole[len(opening) :].rstrip("\n") + "\n", None)
