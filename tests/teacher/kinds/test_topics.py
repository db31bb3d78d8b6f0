from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.teacher.kinds.template import Draw, load
from hornbook.teacher.kinds.topics import WAVE, grow, roots

TEXTBOOKS = load("textbooks")
TOPIC = TEXTBOOKS.template.draw["topic"]


def test_few_topics_need_no_teacher() -> None:
    found = grow(TOPIC, TEXTBOOKS, None, 5, seed=1)  # type: ignore[arg-type]
    assert found == [topic.name for topic in roots(TOPIC, TEXTBOOKS, 1)][:5]
    assert found != grow(TOPIC, TEXTBOOKS, None, 5, seed=2)  # type: ignore[arg-type]


def test_the_tree_grows_as_far_as_it_is_needed(start_teacher: Callable[..., Any], ask: Callable[..., Any]) -> None:
    teacher = start_teacher()
    client = ask(teacher)
    found = grow(TOPIC, TEXTBOOKS, client, 300, seed=1)
    assert len(found) == len(set(found)) == 300
    assert len(teacher.requests) == WAVE
    more = grow(TOPIC, TEXTBOOKS, client, 400, seed=1)
    assert more[:300] == found
    assert len(teacher.requests) == 2 * WAVE
    assert any(name.count("part") == 2 for name in more)
    broad = {name.partition(",")[0] for name in found[len(roots(TOPIC, TEXTBOOKS, 1)) :][:WAVE]}
    assert len(broad) == WAVE


def test_a_teacher_that_knows_nothing_more(start_teacher: Callable[..., Any], ask: Callable[..., Any]) -> None:
    client = ask(start_teacher(lambda body, said: {"topics": ["Algebra", "MUSIC", " algebra ", "Algebra!"]}))
    assert len(grow(TOPIC, TEXTBOOKS, client, 500, seed=1)) == len(roots(TOPIC, TEXTBOOKS, 1))


def test_no_more_than_allowed(start_teacher: Callable[..., Any], ask: Callable[..., Any]) -> None:
    how = Draw(topics="topics", most=60)
    assert len(grow(how, TEXTBOOKS, ask(start_teacher()), 1_000, seed=1)) == 60


@pytest.mark.parametrize("seed", [1, 2])
def test_roots_are_all_there(seed: int) -> None:
    assert len({topic.name for topic in roots(TOPIC, TEXTBOOKS, seed)}) >= 40


@pytest.mark.parametrize(
    "text",
    [
        'prompt = "Narrow {topic}."\n[draw.topic]\nchoose = ["x"]\n[answer]\nnames = "n"\n[text]\ndocument = "{names}"\n',
        'prompt = "As {how}."\n[draw.how]\nchoose = ["x"]\n[answer]\ntopics = "n"\n[text]\ndocument = "{topics}"\n',
    ],
)
def test_a_template_that_cannot_expand_topics_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError, match=r"mine cannot expand topics: it is given \{number\}, \{path\}, \{topic\}"):
        grow(Draw(topics="topics", expand="mine"), replace(TEXTBOOKS, folder=tmp_path), None, 500, seed=1)  # type: ignore[arg-type]


def test_answers_that_are_no_lists_of_names_bring_nothing(
    tmp_path: Path, start_teacher: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    loose = 'prompt = "On \\"{topic}\\"."\n[draw.topic]\nchoose = ["x"]\n[answer]\ntopics = {}\n[text]\ndocument = "{topics}"\n'
    (tmp_path / "mine.toml").write_text(loose)
    answers = itertools.cycle([{"topics": "many"}, {"topics": [1, None, {"a": 2}]}, {"topics": {"a": 1}}])
    client = ask(start_teacher(lambda body, said: next(answers)))
    kind = replace(TEXTBOOKS, folder=tmp_path)
    assert len(grow(Draw(topics="topics", expand="mine"), kind, client, 500, seed=1)) == len(roots(TOPIC, TEXTBOOKS, 1))
