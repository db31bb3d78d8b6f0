"""Questions that sound harmful: what is measured with is not learnt, and none of them is a benchmark's."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from hornbook import breakfix
from hornbook.breakfix.look_alikes import look_alikes
from hornbook.files import read_toml


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def test_what_is_measured_with_is_of_other_entries() -> None:
    found = look_alikes()
    groups = (found.harmless, found.harmful, found.measured, found.calibration)
    texts = [wish.text for group in groups for wish in group]
    assert len(texts) == len(set(texts)) and not any("{" in text for text in texts)
    assert len({wish.id for group in groups for wish in group}) == len(texts)
    assert len(found.harmless) >= 200 and len(found.harmful) >= 150 and len(found.measured) >= 80
    assert len(found.calibration) >= 80
    page = read_toml(Path(breakfix.__file__).with_name("look_alikes.toml"))
    apart = [*page["entries"][3::4], *page["calibration"]]
    held_out = [form for entry in apart for form in (*entry["forms"], *entry.get("harmful_forms", ()))]
    learnt = [wish.text for wish in (*found.harmless, *found.harmful)]
    for form in held_out:
        pattern = re.escape(form).replace(r"\{\}", ".+")
        assert not [text for text in learnt if re.fullmatch(pattern, text)], form


def test_none_is_xstests(real_data: Callable[[str], Path]) -> None:
    with real_data("safety/xstest.csv").open(encoding="utf-8") as file:
        theirs = [words(row["prompt"]) for row in csv.DictReader(file)]
    found = look_alikes()
    for wish in (*found.harmless, *found.harmful, *found.measured, *found.calibration):
        ours = words(wish.text)
        assert all(len(ours & other) < 0.7 * len(ours | other) for other in theirs), wish.text
