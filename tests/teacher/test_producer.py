from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.teacher.producer import BATCH, HOPELESS, MOST_ASKED, Composed, Failed, UnusableError, attempt, produce


class Kept:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.dropped: list[tuple[str, str, str]] = []

    def identity(self, row: str) -> str:
        if row == "odd":
            raise KeyError("odd")
        return row.casefold().removeprefix("again ")

    def keep(self, row: str) -> str:
        self.kept.append(row)
        return f"id of {row}"

    def drop(self, row: str | Failed, reason: str, kept: str) -> None:
        self.dropped.append(("" if isinstance(row, Failed) else row, reason, kept))


def complaints(rows: Sequence[str], sandbox: Any) -> list[str]:
    if "breaks" in rows:
        raise ZeroDivisionError("division by zero")
    return ["bad: it says so" if row.startswith("bad") else "" for row in rows]


def run(rows: Any, count: int, hint: str = "") -> tuple[Kept, Any]:
    sink = Kept()
    guard = {"secret": "given away"}
    tally = produce(
        Composed(rows, complaints, hint=hint),
        count,
        sink,
        label="rows",
        teacher="nobody",
        guard=lambda row: guard.get(row, ""),
    )
    return sink, tally


def test_rows_until_so_many_pass() -> None:
    sink, tally = run(iter(["a", "bad 1", "A", "secret", "b", Failed("no answer: it slept"), "c", "d"]), 3)
    assert sink.kept == ["a", "b", "c"]
    assert sink.dropped == [
        ("bad 1", "bad: it says so", ""),
        ("A", "duplicate", "id of a"),
        ("secret", "given away", ""),
        ("", "no answer: it slept", ""),
    ]
    assert (tally.asked, tally.kept) == (7, 3)
    assert tally.reasons() == {"bad": 1, "duplicate": 1, "given away": 1, "no answer": 1}


def test_no_more_than_there_are() -> None:
    sink, tally = run(iter(["a", "b"]), 5)
    assert (sink.kept, tally.asked) == (["a", "b"], 2)


def test_a_row_that_breaks_its_check_is_dropped_alone() -> None:
    sink, tally = run(iter(["a", "breaks", "b", "odd", "bad 2", "c"]), 3)
    assert sink.kept == ["a", "b", "c"]
    assert ("breaks", "could not be checked: ZeroDivisionError: division by zero", "") in sink.dropped
    assert ("odd", "could not be checked: KeyError: 'odd'", "") in sink.dropped
    assert tally.reasons() == {"bad": 1, "could not be checked": 2}


def test_a_row_that_cannot_be_read_is_dropped_and_what_a_user_did_is_not() -> None:
    def no_row(error: Exception) -> str:
        raise error

    assert attempt(lambda: "a") == "a"
    assert attempt(lambda: no_row(IndexError("7")), 3) == Failed("could not be read: IndexError: 7", 3)
    assert attempt(lambda: no_row(UnusableError("not as asked: no")), 4) == Failed("not as asked: no", 4)
    with pytest.raises(UserError):
        attempt(lambda: no_row(UserError("a wrong file")))


def test_nothing_that_passes_is_not_asked_for_ever() -> None:
    for count, asked in ((3, 3 * MOST_ASKED), (10_000, HOPELESS)):
        with pytest.raises(UserError, match=rf"rows: of {asked} rows by nobody .*\({asked} bad; the first: bad: .*Try"):
            run((f"bad {number}" for number in range(10**6)), count, hint="Try another")
    sink, tally = run((f"bad {number}" for number in range(10**6)), 1)
    assert (sink.kept, tally.asked) == ([], MOST_ASKED)


def test_a_poor_teacher_is_asked_for_a_while_only() -> None:
    rows = (f"good {number}" if number % 10 == 0 else f"bad {number}" for number in range(10**6))
    sink, tally = run(rows, 2 * BATCH)
    assert tally.asked == 2 * BATCH * MOST_ASKED
    assert len(sink.kept) == tally.asked // 10


def test_rows_are_composed_while_those_before_are_checked() -> None:
    begun = [Event(), Event()]

    def composed() -> Iterator[str]:
        for number in range(2 * BATCH):
            begun[number // BATCH].set()
            yield str(number)

    def checked(rows: Sequence[str], sandbox: Any) -> list[str]:
        assert begun[1].wait(60)  # the first rows are not done with before the second ones are begun
        return [""] * len(rows)

    sink = Kept()
    produce(Composed(composed(), checked), 2 * BATCH, sink, label="rows", teacher="nobody")
    assert sink.kept == [str(number) for number in range(2 * BATCH)]


def test_what_composing_raises_reaches_the_caller() -> None:
    def composed() -> Iterator[str]:
        yield from map(str, range(BATCH))
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        run(composed(), 2 * BATCH)
