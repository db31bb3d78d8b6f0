from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.evaluate.exam.conftest import Parrot, own_data  # noqa: F401 (a fixture)

from hornbook.audit.twins.make import make_twin, write_twin
from hornbook.evaluate.exam.data import locate, read
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.questions import questions
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress


def test_a_twin_is_a_benchmark_like_any_other(own_data: Path, tmp_path: Path) -> None:  # noqa: F811
    """It is asked by name from its own folder, with its examples, and its rows know whose twins they are."""
    page = find("mmlu")
    found = locate(page.files, own_data)
    assert found is not None
    rows = dict(read(found).rows)
    twin = make_twin(page, rows, own_data, seed=1)
    assert twin is not None and not twin.left_out
    write_twin(twin, tmp_path / "twins")
    figures = examine(
        Parrot(wrong=("2",)),
        ExamSettings(benchmarks=("mmlu-twin",), data=tmp_path / "twins"),
        Progress(),
        tmp_path / "r",
    )
    one = figures["benchmarks"]["mmlu-twin"]
    assert (one["n"], one["state"], one["metrics"]["acc"]["value"]) == (6, "altered", pytest.approx(5 / 6))
    own = find("mmlu-twin", tmp_path / "twins")
    there = locate(own.files, tmp_path / "twins")
    assert there is not None
    asked, unknown = questions(own, read(there), None)
    assert not unknown and [twin.originals[each.id] for each in asked] == list(rows)
    assert all(each.shots and "Question" not in each.shots[0] for each in asked)
    before = questions(page, read(found), own_data)[0]
    assert [each.shared() for each in asked] == [each.shared() for each in before]
    assert [each.gold for each in asked] != [each.gold for each in before]
    again = make_twin(page, dict(list(rows.items())[3:]), own_data, seed=1)
    assert again is not None and list(again.rows.values()) == list(twin.rows.values())[3:], "a row's twin is its own"


def test_programs_that_do_not_pass_and_benchmarks_without_a_twin(own_data: Path) -> None:  # noqa: F811
    page = find("humaneval")
    found = locate(page.files, own_data)
    assert found is not None
    rows = dict(read(found).rows)
    rows["2"] = {**rows["2"], "canonical_solution": "    return 0\n"}
    twin = make_twin(page, rows, own_data, seed=1, allow_unisolated=True)
    assert twin is not None and list(twin.rows) == ["1", "3"]
    assert twin.left_out == {"own solution does not pass the tests": 1}
    assert make_twin(find("arc_easy"), rows, own_data, seed=1) is None


@pytest.mark.parametrize(
    ("name", "asked", "least"), [("gsm8k", 200, 80), ("humaneval", 30, 28), ("mmlu", 14_042, 13_000)]
)
def test_real_benchmarks(real_data: Callable[[str], Path], name: str, asked: int, least: int) -> None:
    """How many rows have a twin; every program's own solution passes."""
    folder = real_data("benchmarks")
    page = find(name)
    found = locate(page.files, folder)
    assert found is not None
    twin = make_twin(page, dict(read(found).rows[:asked]), folder, seed=1, allow_unisolated=True)
    assert twin is not None and len(twin.rows) >= least
