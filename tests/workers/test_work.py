from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.workers import runner
from hornbook.workers import work as workers
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through, workers_memory


def work(log: Path, number: int, folder: Path, advance: Advance) -> dict[str, Any]:
    """What tests have done: told in a log, with the process that did it."""
    if number == 13:
        raise UserError("number 13 is unlucky: leave it out")
    if number == 14:
        os._exit(1)
    if number == 15:
        raise ValueError("a mistake of ours")
    if number > 15:
        time.sleep(60)
    (folder / "result").write_text(str(number))
    with log.open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
    advance(1)
    return {"number": number, "square": (number, number * number)}


def portions(folder: Path, numbers: list[int], size: int = 10) -> list[Portion]:
    return [
        Portion(folder / f"part-{place}", f"work on {number}", partial(work, folder / "log", number), size, 1)
        for place, number in enumerate(numbers)
    ]


def done(folder: Path) -> list[tuple[int, int]]:
    lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    return [(int(number), int(process)) for number, process in (line.split() for line in lines)]


@pytest.fixture(autouse=True)
def _as_for_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another test chose."""
    monkeypatch.setattr(runner, "_chosen", "native")
    monkeypatch.setattr(runner, "_workers", 1)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes, for however little."""
    monkeypatch.setattr(runner, "_workers", 2)
    monkeypatch.setattr(workers, "_WORTH", 0)
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # where processes find this very file


def answers(numbers: list[int]) -> list[dict[str, Any]]:
    return [{"number": number, "square": [number, number * number]} for number in numbers]


def test_one_after_the_other_unless_told(tmp_path: Path) -> None:
    assert work_through(portions(tmp_path, [3, 1, 2], 1 << 40), "work", Progress()) == answers([3, 1, 2])
    assert done(tmp_path) == [(number, os.getpid()) for number in (3, 1, 2)]


def test_what_is_done_is_not_done_again_and_what_is_other_is(tmp_path: Path) -> None:
    work_through(portions(tmp_path, [1, 2]), "work", Progress())
    with pytest.raises(UserError, match="unlucky"):
        work_through(portions(tmp_path, [1, 5, 13, 6]), "work", Progress())
    assert work_through(portions(tmp_path, [1, 5, 7, 6]), "work", Progress()) == answers([1, 5, 7, 6])
    assert [number for number, _ in done(tmp_path)] == [1, 2, 5, 7, 6]
    assert (tmp_path / "part-2/result").read_text() == "7"


def test_processes_share_the_work(tmp_path: Path, two: None) -> None:
    numbers = list(range(12))
    assert work_through(portions(tmp_path, numbers), "work", Progress()) == answers(numbers)
    assert {number for number, _ in done(tmp_path)} == set(numbers)
    assert os.getpid() not in {process for _, process in done(tmp_path)}
    assert workers_memory() > 20_000_000, "of two interpreters"
    assert workers_memory() == 0, "since it was last asked"


def test_little_work_stays_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_workers", 2)
    work_through(portions(tmp_path, [1, 2]), "work", Progress())
    work_through(portions(tmp_path, [1, 3], 1 << 40), "work", Progress())
    assert {process for _, process in done(tmp_path)} == {os.getpid()}, "one portion alone needs no second process"


def test_mistakes_arrive_as_what_they_are(tmp_path: Path, two: None) -> None:
    with pytest.raises(UserError, match=r"^number 13 is unlucky: leave it out$"):
        work_through(portions(tmp_path, [1, 13]), "work", Progress())
    with pytest.raises(ValueError, match="a mistake of ours"):
        work_through(portions(tmp_path, [1, 15]), "work", Progress())


def test_a_worker_that_dies_is_told_in_one_line_and_what_is_done_is_kept(tmp_path: Path, two: None) -> None:
    with pytest.raises(UserError, match=r"a worker died, perhaps for lack of memory; .* fewer --workers"):
        work_through(portions(tmp_path, [1, 2, 3, 4, 5, 14, 14]), "work", Progress())
    before = {json.loads(file.read_text())["result"]["figures"]["number"] for file in tmp_path.glob("*/finished.json")}
    assert work_through(portions(tmp_path, [1, 2, 3, 4, 5, 6, 7]), "work", Progress()) == answers(list(range(1, 8)))
    again = [number for number, _ in done(tmp_path)]
    assert all(again.count(number) == 1 for number in before)


SLEEPERS = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
if __name__ == "__main__":
    from hornbook.workers import runner, work as workers
    from hornbook.progress import Progress
    from test_work import portions
    runner.choose("native", 2)
    workers._WORTH = 0
    workers.work_through(portions(pathlib.Path(sys.argv[1]), [1, 2, 16, 17]), "work", Progress())
"""


def wait_for(found: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.05)
    return found()


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks processes up in /proc")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_without_their_parent_workers_end(tmp_path: Path, kind: signal.Signals) -> None:
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), str(Path(__file__).parent)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_for(lambda: len(done(tmp_path)) == 2 and all((tmp_path / f"part-{n}").exists() for n in (2, 3)))
        processes = {process for _, process in done(tmp_path)}
        assert all(alive(process) for process in processes)
        parent.send_signal(kind)
        assert wait_for(lambda: not any(alive(process) for process in processes), 20)
        _, told = parent.communicate(timeout=20)
    finally:
        parent.kill()
    assert parent.returncode != 0
    if kind == signal.SIGINT:
        assert told.strip().endswith("KeyboardInterrupt")
    assert json.loads((tmp_path / "part-0/finished.json").read_text())["key"] == "work on 1"
    assert not (tmp_path / "part-2/finished.json").exists()


def test_a_call_gets_its_part_of_the_largest_machine_of_a_cluster() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0}},
        {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 96.0}},
    ]
    assert workers._part(nodes, 4) == {"num_cpus": 4, "num_gpus": 1}
    assert workers._part(nodes[:1], 3) == {"num_cpus": 2, "num_gpus": 0}
    assert workers._part([], 4) == {"num_cpus": 1, "num_gpus": 0}, "machines come when they are asked for"
