from __future__ import annotations

import re
from collections import Counter

import pytest

from hornbook.teacher.builtin import stories
from hornbook.teacher.builtin.stories import BAD_ENDING, DIALOGUE, MORAL, Story
from hornbook.teacher.builtin.story_plots import PLOTS
from hornbook.teacher.diversity import compare
from hornbook.teacher.kinds import lists

CLASSES = {
    "verb": ("verbs-actions",),
    "noun": ("nouns-things", "nouns-animals"),
    "adjective": ("adjectives-things", "adjectives-people"),
}
ENTRIES = {
    (kind, entry[0]): entry
    for kind, names in CLASSES.items()
    for name in names
    for entry in lists.entries(name, lists.FOLDER)
}


@pytest.fixture(scope="module")
def many() -> list[Story]:
    return list(stories.stories(1_500, seed=1))


def test_a_number_decides_a_story(many: list[Story]) -> None:
    assert stories.story(1, 0) == many[0]
    assert stories.story(2, 0) != many[0]
    assert len({story.text for story in many}) == 1_500


def test_the_three_words_appear(many: list[Story]) -> None:
    for story in many:
        for kind in CLASSES:
            word = str(story.seeds[kind])
            assert lists.uses(story.text, ENTRIES[kind, word]), (word, story.text)


def test_one_cast_from_beginning_to_end(many: list[Story]) -> None:
    for story in many:
        plan = story.plan
        assert plan.hero.name in story.text
        assert plan.hero.name != plan.friend.name
        others = {one.plan.hero.name for one in many} - {plan.hero.name, plan.friend.name}
        capitals = set(re.findall(r"[A-Z][a-z]+", story.text))
        assert not capitals & (others - {"May", "Joe"}), story.text


def test_features(many: list[Story]) -> None:
    for story in many:
        last = story.text.rsplit("\n\n", 1)[1]
        plot = next(plot for plot in PLOTS if plot.name == story.plan.plot)
        told = any(moral.rstrip(".") in last for moral in plot.moral)
        assert (MORAL in story.plan.features) == told
        assert DIALOGUE not in story.plan.features or '"' in story.text
    assert 0.03 < sum(BAD_ENDING in story.plan.features for story in many) / len(many) < 0.15


def test_whole_sentences(many: list[Story]) -> None:
    for story in many:
        assert not re.search(r"[{}]|  |\ba [aeiou]|\ban [^aeiouh]|(?<!\.)\.\.(?!\.)| ,", story.text), story.text
        for paragraph in story.text.split("\n\n"):
            assert re.match(r'["A-Z]', paragraph)
            assert paragraph[-1] in '.!?"'
            assert paragraph.count('"') % 2 == 0


def test_every_plot_is_told(many: list[Story]) -> None:
    told = Counter(story.plan.plot for story in many)
    assert set(told) == {plot.name for plot in PLOTS}
    assert min(told.values()) > 20


def test_seeds_make_them_differ(many: list[Story]) -> None:
    found = compare([story.text for story in many[:150]], stories.retold(150, seed=1))
    assert found["drawn"]["near_duplicates"] < 0.02
    assert found["fixed"]["near_duplicates"] > 0.5
    assert found["drawn"]["distinct_3_grams"] > 5 * found["fixed"]["distinct_3_grams"]
    assert found["drawn"]["compression_ratio"] > 2 * found["fixed"]["compression_ratio"]
