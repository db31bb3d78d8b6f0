from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from hornbook.corpus.grade.classifier import Features, learn, load
from hornbook.errors import UserError

FEATURES = Features(characters=1_000, columns=2**12)
WORDS = {0: "0x1f 0x2e 77 88 99,", 2: "import os return value if else", 5: "This lesson explains why each step works."}


def texts(count: int, seed: int = 0) -> tuple[list[str], list[int]]:
    chance = random.Random(seed)
    grades = [chance.choice(list(WORDS)) for _ in range(count)]
    return [" ".join(chance.choices(WORDS[grade].split(), k=40)) for grade in grades], grades


def test_it_learns_what_is_plain() -> None:
    classifier = learn(*texts(90), FEATURES, 10.0)
    unseen, grades = texts(60, seed=1)
    assert np.abs(classifier.score(unseen) - grades).max() < 1
    assert classifier.grades(unseen, 3).tolist() == grades
    chances = classifier.at_least(unseen)
    assert chances.shape == (60, 5)
    assert (np.diff(chances, axis=1) <= 0).all()
    assert (chances[:, 2:] == chances[:, 2:3]).all()  # 3 and 4 were never given: 3 or more is 5


def test_the_score_is_the_expected_grade() -> None:
    classifier = learn(*texts(90), FEATURES, 10.0)
    unseen, _ = texts(10, seed=2)
    assert classifier.score(unseen) == pytest.approx(classifier.at_least(unseen).sum(axis=1), abs=1e-4)
    assert classifier.score([]).shape == (0,)


@pytest.mark.parametrize("threshold", [1, 3, 5])
def test_grades_are_on_the_side_of_the_threshold_that_scores_are(threshold: int) -> None:
    chance = random.Random(5)
    lesson, grades = texts(200)
    blurred = [chance.choice([grade, grade, chance.randrange(6)]) for grade in grades]
    classifier = learn(lesson, blurred, FEATURES, 10.0)
    unseen, _ = texts(100, seed=4)
    worth = classifier.score(unseen) >= classifier.cuts[threshold - 1]
    assert ((classifier.grades(unseen, threshold) >= threshold) == worth).all()


def test_only_the_beginning_counts() -> None:
    classifier = learn(*texts(90), FEATURES, 10.0)
    text = ("lesson explains " * 100)[:1_000]
    assert classifier.score([text]) == classifier.score([text + "0x1f, " * 1_000])


@pytest.mark.parametrize("given", [[4], [1, 4]])
def test_few_grades_are_enough(given: list[int]) -> None:
    lesson, grades = texts(60)
    mapped = [given[0] if grade == 0 else given[-1] for grade in grades]
    classifier = learn(lesson, mapped, FEATURES, 10.0)
    assert np.abs(classifier.score(lesson) - mapped).max() < 1
    assert classifier.grades(lesson, 3).tolist() == mapped


def test_three_documents_are_enough() -> None:
    lesson = [" ".join(WORDS[grade].split() * 5) for grade in WORDS]
    classifier = learn(lesson, list(WORDS), FEATURES, 10.0)
    assert classifier.grades(lesson, 3).tolist() == list(WORDS)


def test_learning_twice_and_loading_give_the_same_bytes(tmp_path: Path) -> None:
    lesson = texts(90)
    for name in ("one", "two"):
        learn(*lesson, FEATURES, 10.0).save(tmp_path / name)
    for file in ("classifier.safetensors", "classifier.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    unseen, _ = texts(20, seed=3)
    scores = load(tmp_path / "one").score(unseen)
    assert scores.tolist() == learn(*lesson, FEATURES, 10.0).score(unseen).tolist()


def test_a_damaged_classifier_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"classifier\.json does not exist"):
        load(tmp_path)
    learn(*texts(30), FEATURES, 10.0).save(tmp_path)
    (tmp_path / "classifier.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match=r"classifier\.safetensors"):
        load(tmp_path)
    (tmp_path / "classifier.json").write_text("{}")
    with pytest.raises(UserError, match="another version"):
        load(tmp_path)
