"""Facts: each is told once, none is another's, and the same number is the same day for ever."""

from __future__ import annotations

import re
from collections import Counter

from hornbook.teacher.builtin import facts


def test_no_day_and_no_result_is_told_twice() -> None:
    told = list(facts.days(2_000, seed=1))
    assert told[7] == facts.day(1, 7) != facts.day(2, 7)
    headings = [text.splitlines()[0] for text in told]
    assert headings[:2] == ["Football on 1 January 1900", "Football on 2 January 1900"]
    assert len(set(headings)) == len(told)
    sentences = [line for text in told for line in text.splitlines()[1:]]
    assert len(sentences) == facts.MATCHES * len(told)
    assert Counter(sentences).most_common(1)[0][1] <= 2  # by chance
    assert len(list(facts.days(10**9, seed=1))) == facts.DAYS


def test_results_agree_with_their_verbs_and_no_town_plays_twice_a_day() -> None:
    seen = set()
    for text in facts.days(500, seed=3):
        towns = re.findall("|".join(sorted(facts.TOWNS, key=len, reverse=True)), text)
        assert len(towns) == len(set(towns)) == 2 * facts.MATCHES, text
        for verb, ours, theirs in re.findall(r"(beat|lost to|drew with) \w+ (\d)-(\d)", text):
            assert {"beat": ours > theirs, "lost to": ours < theirs, "drew with": ours == theirs}[verb], text
            seen.add(verb)
    assert seen == {"beat", "lost to", "drew with"}


def test_one_day_replayed_has_the_same_matches() -> None:
    first, second = facts.replayed(2, seed=1)
    assert first != second
    assert [line.split()[0] for line in first.splitlines()] == [line.split()[0] for line in second.splitlines()]
