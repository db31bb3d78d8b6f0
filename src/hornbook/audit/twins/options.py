"""The same question with its choices in another order; the right one always stands under another letter."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.evaluate.exam.declaration import Benchmark
from hornbook.evaluate.exam.questions import number_of

_LETTERS = "ABCDEFGHIJ"
# "All of the above", "both A and B", "neither (i) nor the first": such choices speak of where others stand.
_PLACES = re.compile(
    r"\b(?:above|below|following|preceding|former|latter)\b|\b(?:[A-J](?:,| and| or| nor| &)|all of|both) \(?[A-J]\b"
)
_LETTERED = re.compile(r"^([A-J])([.)] ?)(.*)$", re.MULTILINE)


def twin(page: Benchmark, fields: Mapping[str, Any], chance: random.Random) -> Fields:
    """The row with the choices shuffled. Raises UntwinnableError where they can't be.

    The choices are the list `choices`, or lines "A. .." of `query` where that holds letters alone.
    """
    choices = fields.get("choices")
    if not isinstance(choices, Sequence) or isinstance(choices, str) or len(choices) < 2 or page.gold not in fields:
        raise UntwinnableError("has no list of choices with the right one's number")
    lettered = list(choices) == list(_LETTERS[: len(choices)])
    lines = list(_LETTERED.finditer(str(fields.get("query", "")))) if lettered else []
    texts = [line[3] for line in lines] if lettered else [str(one) for one in choices]
    if len(texts) != len(choices) or (lettered and [line[1] for line in lines] != list(choices)):
        raise UntwinnableError("does not show its choices as lettered lines")
    if any(_PLACES.search(text) for text in texts):
        raise UntwinnableError("has choices that speak of others' places")
    told = fields[page.gold]
    right = number_of(told[0] if isinstance(told, list) and len(told) == 1 else told, choices)
    if right is None or not 0 <= right < len(choices):
        raise UntwinnableError("has no single right choice")
    order = list(range(len(choices)))
    while order.index(right) == right:
        chance.shuffle(order)
    changed = [texts[at] for at in order]
    made = {**fields, page.gold: order.index(right)}
    if not lettered:
        return made | {"choices": changed}
    query = str(fields["query"])
    for line, text in zip(reversed(lines), reversed(changed), strict=True):
        query = query[: line.start(3)] + text + query[line.end(3) :]
    return made | {"query": query}
