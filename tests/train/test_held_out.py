"""Which rows are held out: by what they say, of every source, and no copy of them is learnt."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.train.test_resume import COMMON

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.train.data import Given
from hornbook.train.held_out import HeldOutSettings, split

QUIET = Progress()


def rows_of(sources: list[Given]) -> list[Any]:
    return [row for source in sources for row in source.rows]


def settings(**chosen: Any) -> HeldOutSettings:
    return HeldOutSettings(**COMMON | chosen)


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=4, max_size=30), min_size=1, max_size=3),
       st.one_of(st.integers(1, 6), st.floats(0.05, 0.6)))  # fmt: skip
def test_what_is_held_out_is_never_learnt(tables: list[list[str]], validation: float) -> None:
    sources = [Given(f"s{at}", rows=rows, where=[f"{at}:{row}" for row in rows]) for at, rows in enumerate(tables)]
    try:
        learnt, held = split(sources, settings(validation=validation), QUIET)
    except UserError:
        return
    assert not set(rows_of(learnt)) & set(rows_of(held))
    assert set(rows_of(learnt)) | set(rows_of(held)) == {row for rows in tables for row in rows}
    assert max(Counter(rows_of(held)).values()) == 1, "each is measured once"
    for source, rows in zip(learnt, tables, strict=True):
        assert source.rows == [row for row in rows if row in source.rows], "the order stays"
        assert source.where == [f"{source.name[1:]}:{row}" for row in source.rows]
    turned = [Given(one.name, rows=one.rows[::-1], where=one.where[::-1]) for one in sources]
    if len(tables) == 1:
        assert rows_of(split(turned, settings(validation=validation), QUIET)[1]) == rows_of(held)


def test_each_source_gives_its_part() -> None:
    few, many = Given("few", rows=[f"f{n}" for n in range(20)]), Given("many", rows=[f"m{n}" for n in range(180)])
    for validation in (0.1, 20):
        _, held = split([few, many], settings(validation=validation), QUIET)
        assert [len(one.rows) for one in held] == [2, 18]


@pytest.mark.parametrize(("rows", "held"), [(199, 0), (200, 10), (1000, 20), (20_000, 100)])
def test_by_itself_a_command_holds_out_a_few_of_many(rows: int, held: int) -> None:
    told: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            told.append(text)

    given = [Given("rows", rows=[str(number) for number in range(rows)])]
    assert len(rows_of(split(given, settings(validation="auto"), Listening())[1])) == held
    assert len(told) == 1
    assert "held out" in told[0]


@pytest.mark.parametrize(("validation", "held"), [("auto", 10), (0.1, 40), (7, 7), (0.001, 1)])
def test_many_small_sources_give_no_more_than_is_told(validation: float, held: int) -> None:
    files = [Given(f"s{at}", rows=[f"{at} {n}" for n in range(4)]) for at in range(100)]
    learnt, out = split(files, settings(validation=validation), QUIET)
    assert len(rows_of(out)) == held
    assert all(len(source.rows) >= 3 for source in learnt)


def test_by_itself_a_command_holds_out_nothing_of_sources_of_one_row() -> None:
    files = [Given(f"s{at}", rows=[str(at)]) for at in range(300)]
    assert split(files, settings(validation="auto"), QUIET) == (files, [])


def test_a_source_of_one_row_keeps_it() -> None:
    """However little is held out, a part of a source that small is all of it."""
    one, many = Given("one", rows=["x"]), Given("many", rows=[str(number) for number in range(400)])
    learnt, held = split([one, many], settings(validation="auto"), QUIET)
    assert [len(source.rows) for source in learnt] == [1, 390]
    assert [len(source.rows) for source in held] == [0, 10]


def test_what_cannot_be_held_out() -> None:
    def tried(rows: list[str], **chosen: Any) -> None:
        split([Given("a", rows=rows)], settings(**chosen), QUIET)

    with pytest.raises(
        UserError, match="nothing can be held out of 9 rows: too few of one source, or too many are equal"
    ):
        tried(["x"] * 9, validation=2)
    with pytest.raises(UserError, match="validation would hold out all of a; lower it"):
        tried(["x", "y"], validation=2)
    with pytest.raises(UserError, match="validation would hold out all of a; lower it"):
        tried(["x", "y"], validation=3)
    with pytest.raises(UserError, match="nothing can be held out of 1 row: too few"):
        tried(["x"], validation=0.1)
    with pytest.raises(ValidationError, match="a share below 1, a whole number of rows, or auto"):
        settings(validation=1.5)
    with pytest.raises(ValidationError, match="set validation, too"):
        settings(patience=2)
