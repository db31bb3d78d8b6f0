"""The same question with its choices in another order; the right one always stands under another letter."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.evaluate.exam.declaration import Benchmark
from hornbook.evaluate.exam.questions import number_of

_LETTERS = "ABCDEFGHIJ"
# "All of the above", "both A and B", "neither (i) nor the first": such choices speak of where others stand.
_PLACES = re.compile(
    r"\b(?:above|below|following|preceding|former|latter)\b|\b(?:[A-J](?:,| and| or| nor| &)|all of|both) \(?[A-J]\b"
)
_LABEL = re.compile(r"\(([A-J])\)")
_LETTERED = re.compile(r"^([A-J])([.)] ?)(.*)$", re.MULTILINE)


def twin(page: Benchmark, fields: Mapping[str, Any], chance: random.Random) -> Fields:
    """The row with the choices shuffled. Raises UntwinnableError where they can't be.

    The choices are the list `choices`; lines "A. .." of `query` where that holds letters alone; or, where each begins
    with its label, "(A)..", they stand in `query` as they are, one behind another.
    """
    choices = fields.get("choices")
    if not isinstance(choices, Sequence) or isinstance(choices, str) or len(choices) < 2 or page.gold not in fields:
        raise UntwinnableError("has no list of choices with the right one's number")
    texts, put = _shown(fields, [str(one) for one in choices])
    if any(_PLACES.search(text) for text in texts):
        raise UntwinnableError("has choices that speak of others' places")
    told = fields[page.gold]
    right = number_of(told[0] if isinstance(told, list) and len(told) == 1 else told, choices)
    if right is None or not 0 <= right < len(choices):
        raise UntwinnableError("has no single right choice")
    order = list(range(len(choices)))
    while order.index(right) == right:
        chance.shuffle(order)
    return {**fields, page.gold: order.index(right)} | put([texts[at] for at in order])


def _shown(fields: Mapping[str, Any], choices: list[str]) -> tuple[list[str], Callable[[list[str]], Fields]]:
    """The texts of the choices without labels, and what makes fields of other texts in their places."""
    query = str(fields.get("query", ""))
    labels = [match[0] for match in map(_LABEL.match, choices) if match]
    if choices == list(_LETTERS[: len(choices)]):
        lines = list(_LETTERED.finditer(query))
        if [line[1] for line in lines] != choices:
            raise UntwinnableError("does not show its choices as lettered lines")

        def in_lines(texts: list[str]) -> Fields:
            made = query
            for line, text in zip(reversed(lines), reversed(texts), strict=True):
                made = made[: line.start(3)] + text + made[line.end(3) :]
            return {"query": made}

        return [line[3] for line in lines], in_lines
    if query and len(labels) == len(choices):
        shown = " ".join(choices)
        if query.count(shown) != 1:
            raise UntwinnableError("does not show its choices one behind another")

        def labelled(texts: list[str]) -> Fields:
            made = [label + text for label, text in zip(labels, texts, strict=True)]
            return {"query": query.replace(shown, " ".join(made)), "choices": made}

        return [choice[len(label) :] for choice, label in zip(choices, labels, strict=True)], labelled
    return choices, lambda texts: {"choices": texts}
