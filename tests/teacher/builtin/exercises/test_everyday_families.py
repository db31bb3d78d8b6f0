"""The docstrings that the pocket model's promises are measured with are none of those that it is taught."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from random import Random

import pytest

from hornbook.teacher.builtin import chatter
from hornbook.teacher.builtin.exercises.catalogue import FAMILIES, compositions
from hornbook.teacher.builtin.exercises.draw import draw
from hornbook.teacher.builtin.exercises.family import Family

BENCHMARK = Path(__file__).parents[4] / "benchmarks" / "pocket_promises.py"
EVERYDAY = [family for family in FAMILIES if family.frames == "everyday"]


def _template(signature: str, docstring: str) -> str:
    """A docstring with its arguments' names numbered."""
    for place, name in enumerate(signature.rstrip(")").partition("(")[2].split(", ")):
        docstring = re.sub(rf"\b{name}\b", f"{{{place}}}", docstring)
    return docstring


@pytest.mark.parametrize("family", EVERYDAY, ids=lambda family: family.name)
def test_no_docstring_of_the_benchmark_is_taught(family: Family) -> None:
    asked = {_template(signature, text) for signature, text, *_ in runpy.run_path(str(BENCHMARK))["PLAIN"]}
    assert len(asked) == 30
    for parts in compositions()[family.name].values():
        for seed in range(100):
            drawn = draw(family, parts, seed)
            assert _template(drawn.signature, drawn.docstring) not in asked


def test_no_question_of_the_benchmark_is_taught() -> None:
    random = Random(1)
    said = {chatter.exchange(topic, random)[0] for topic in chatter.TOPICS for _ in range(2_000)}
    assert not said & set(runpy.run_path(str(BENCHMARK))["BEYOND"])
