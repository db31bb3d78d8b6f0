"""Portions of work done at once: in this process, in several processes of this machine, or as tasks on a Ray cluster.

Every portion writes a folder of its own and has figures; who does it, and when, changes nothing in either. What an
interrupted run finished is not done again.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import chdir, closing
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, TypeVar

from hornbook import machine
from hornbook.errors import UserError
from hornbook.progress import Progress, Task
from hornbook.workers import runner
from hornbook.workers.portion import Portion, begin, finish, finished

T = TypeVar("T")

_WORTH = 16_000_000  # bytes on disk: for less, processes take longer to start than the work does
_WATCH = 0.2  # seconds between looks at whether the parent still wants the work


@dataclass(frozen=True)
class _Done:
    """What a worker sends back: figures, or the one line of a mistake that the user can mend."""

    figures: Any = None
    mistake: str | None = None
    memory: int = 0  # the worker's largest resident size so far, bytes


def work_through(portions: Sequence[Portion], label: str, progress: Progress) -> list[Any]:
    """Do every portion that is not done. Returns the figures of all, in order, as JSON gives them back.

    Raises UserError for the first that a portion raises, and when a worker died.
    """
    figures: dict[int, Any] = {}
    for number, portion in enumerate(portions):
        before = finished(portion.folder, portion.key)
        if before is not None:
            figures[number] = before.result
    left = [number for number in range(len(portions)) if number not in figures]
    total = sum(portion.units for portion in portions)
    done = total - sum(portions[number].units for number in left)
    with progress.task(label, total=total, done=done) as task:
        for number, found in _each([portions[number] for number in left], task):
            figures[left[number]] = found
    return [figures[number] for number in range(len(portions))]


def _each(portions: Sequence[Portion], task: Task) -> Iterator[tuple[int, Any]]:
    """The number and the figures of each portion, in the order in which they become ready."""
    if runner.chosen() == "ray":
        yield from _on_ray(portions, task)
    elif _processes(portions) > 1:
        yield from _in_processes(portions, _processes(portions), task)
    else:
        for number, portion in enumerate(portions):
            yield number, _do(portion, task.advance)


def _processes(portions: Sequence[Portion]) -> int:
    """How many processes of this machine share the work: this one alone where it is little."""
    worth = sum(portion.size for portion in portions) >= _WORTH
    return min(runner.workers(), len(portions)) if worth else 1


def done_here(portions: Sequence[Portion]) -> bool:
    """Whether this process itself will do some of these portions: none where all are done, or others share them."""
    left = [portion for portion in portions if finished(portion.folder, portion.key) is None]
    return bool(left) and runner.chosen() != "ray" and _processes(left) <= 1


def _do(portion: Portion, advance: Callable[[float], None]) -> Any:
    begin(portion.folder)
    return finish(portion.folder, portion.key, portion.work(portion.folder, advance))


def _do_elsewhere(portion: Portion, place: Path) -> _Done:
    """A portion in a process that is not the user's, whose errors must travel."""
    runner.choose("native")  # a worker is one machine's, whatever the cluster is
    with chdir(place):
        try:
            return _Done(_do(portion, lambda _: None), memory=machine.peak_memory())
        except UserError as error:
            return _Done(mistake=str(error))


def _figures(done: _Done) -> Any:
    if done.mistake is not None:
        raise UserError(done.mistake)
    return done.figures


_held = 0


def workers_memory() -> int:
    """Bytes that this machine's workers held together at most since this was last asked; 0 where there were none."""
    global _held
    held, _held = _held, 0
    return held


def _in_processes(portions: Sequence[Portion], processes: int, task: Task) -> Iterator[tuple[int, Any]]:
    global _held  # noqa: PLW0603 (one measurement a process)
    threads = max(1, machine.cores() // processes)
    calls = [partial(_do_elsewhere, portion, Path.cwd()) for portion in portions]
    with closing(in_processes(calls, processes, threads)) as ended:
        for number, done in ended:
            _held = max(_held, processes * done.memory)
            yield number, _figures(done)
            task.advance(portions[number].units)


def in_processes(
    calls: Sequence[Callable[[], T]], processes: int, threads: int
) -> Generator[tuple[int, T], None, None]:
    """Make calls in so many processes of their own, each with so many threads; gives the number and the result of each
    as it ends. Close it where you leave it early: the processes end then.

    Raises what a call raises, and UserError where a process died.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of libraries' threads
    stop = context.Event()
    pool = ProcessPoolExecutor(processes, context, _enlist, (stop, threads))
    try:
        numbers: dict[Future[T], int] = {pool.submit(call): number for number, call in enumerate(calls)}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker died, perhaps for lack of memory; what is done is kept: try again with fewer --workers"
        ) from None
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _enlist(stop: Event, threads: int) -> None:
    """Prepare a worker: Ctrl-C is the parent's to answer, and without the parent there is nothing to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()


def _watch(stop: Event) -> None:
    parent = multiprocessing.parent_process()
    while not stop.wait(_WATCH):
        if parent is not None and not parent.is_alive():
            break
    os._exit(1)


def _on_ray(portions: Sequence[Portion], task: Task) -> Iterator[tuple[int, Any]]:
    """Each portion as a task for one processor. The machines of the cluster share a disk, where paths are the same."""
    for number, done in on_cluster([partial(_do_elsewhere, portion, Path.cwd()) for portion in portions]):
        yield number, _figures(done)
        task.advance(portions[number].units)


def on_cluster(calls: Sequence[Callable[[], T]], share: int | None = None) -> Generator[tuple[int, T], None, None]:
    """Make calls as tasks on a Ray cluster; gives the number and the result of each as it ends.

    share: how many a machine makes at once, each with its part of the processors, and a GPU where machines have any;
    unless told, a call takes one processor.
    Raises what a call raises, and UserError where a worker died.
    """
    if not calls:
        return
    ray = runner.cluster()
    remote = ray.remote(_make).options(**({"num_cpus": 1} if share is None else _part(ray.nodes(), share)))
    numbers = {remote.remote(call): number for number, call in enumerate(calls)}
    waiting = list(numbers)
    while waiting:
        ready, waiting = ray.wait(waiting)
        for one in ready:
            yield numbers[one], _got(ray, one)


def _part(nodes: Sequence[dict[str, Any]], share: int) -> dict[str, int]:
    """What one of so many calls takes of the largest machine of a cluster."""
    found = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = max((int(one.get("CPU", 0)) for one in found), default=0)
    return {"num_cpus": max(1, cpus // share), "num_gpus": int(any(one.get("GPU", 0) >= 1 for one in found))}


def _make(call: Callable[[], T]) -> T:
    return call()


def _got(ray: Any, reference: Any) -> Any:
    errors = importlib.import_module("ray.exceptions")
    try:
        return ray.get(reference)
    except errors.WorkerCrashedError:
        raise UserError("a worker of the cluster died; what is done is kept: run the same command again") from None
