"""No pattern that reads what others wrote takes more than linear time, whatever they wrote."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time

import pytest
import regex

import hornbook.corpus
from hornbook.corpus.filter.heuristics import Heuristics
from hornbook.corpus.filter.settings import HeuristicSettings

ROOMS = ("filter", "clean", "decontaminate", "normal_form", "scripts")
PATTERNS = {
    f"{module.name}.{name}": pattern
    for module in pkgutil.walk_packages(hornbook.corpus.__path__, "hornbook.corpus.")
    if module.name.split(".")[2] in ROOMS
    for name, pattern in vars(importlib.import_module(module.name)).items()
    if isinstance(pattern, re.Pattern | regex.Pattern) and isinstance(pattern.pattern, str)
}
UNITS = (
    *("A.a.", "a", "A.", "1", "1.", "1-", ".", "-", "(", "a(", "[", "[1", "\n", "\n ", "\t \n", "```\n", "``", "def "),
    *(
        "  ",
        "async ",
        "http://",
        "www.",
        '!"',
        '"',
        "a@",
        "a@b.",
        "@",
        "+1 ",
        "+491701234567",
        "4111 ",
        "1111",
        "://a:",
    ),
    *("key='", 'key = "aB3', "-----BEGIN PRIVATE KEY-----!", "sk-", "eyJa", "eyJaaaaaaaaaaaa.", "2001:", "93.184."),
    *(
        "#1",
        "é",
        "漢",
        "\u0e2d\u0e47",
        "\u0301",
        "&amp;",
        "_",
        "a-",
        "1,",
        "'s",
        "GB82 WEST ",
        "A1",
        ". ",
        "。",
        "a\u0430",
    ),
)
SIZE = 40_000
SECONDS = 1.5  # what is quadratic takes 3 to 12; what is linear a tenth at most


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_grow_with_the_text(name: str) -> None:
    for unit in UNITS:
        for tail in ("", "x", "!"):
            text = (unit * (SIZE // len(unit) + 1))[:SIZE] + tail
            began = time.process_time()
            for _ in PATTERNS[name].finditer(text):
                pass
            assert time.process_time() - began < SECONDS, (unit, tail)


@pytest.mark.parametrize("unit", ["A.a.", "....", '!"', "。」", "漢"])
def test_rules_judge_hostile_texts_in_time(unit: str) -> None:
    rules = Heuristics(HeuristicSettings(rules=("gopher", "c4", "fineweb")))
    began = time.process_time()
    rules.judge([unit * (160_000 // len(unit))])
    assert time.process_time() - began < 5
