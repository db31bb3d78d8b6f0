"""The sandbox: programs in, outcomes out, in order.

Nothing that a program is compared with ever goes in: whoever calls compares the values that come out. So a program
can end its process, patch equality or write what it likes to any descriptor, and has gained nothing.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hornbook.errors import UserError
from hornbook.sandbox import answers
from hornbook.sandbox.inside import wire
from hornbook.sandbox.program import Limits, Outcome, Program, may_share
from hornbook.sandbox.supervisor import LostError, RefusedError, Supervisor

_GRACE_SECONDS = 10.0
"""How much longer than a program's own time the supervisor may take before it counts as hung."""


@dataclass(frozen=True)
class Isolation:
    """Whether this machine can isolate, and by what means or why not, in words for people."""

    isolated: bool
    how: str


@functools.cache
def isolation() -> Isolation:
    """Find out, by starting a sandbox once, whether this machine can isolate."""
    if sys.platform != "linux":
        return Isolation(False, f"isolation needs Linux namespaces, and this platform is {sys.platform}")
    try:
        Supervisor(Limits(), isolated=True).stop()
    except RefusedError as error:
        return Isolation(False, str(error))
    return Isolation(True, "Linux namespaces + seccomp")


class Sandbox:
    """Runs programs in processes of their own, without network or files, within limits. A context manager.

    Raises UserError where the platform cannot isolate. With `allow_unisolated` it then runs programs in plain
    processes that have the limits and nothing else: they can read files and use the network, so ask the user first.
    """

    def __init__(self, limits: Limits = Limits(), *, allow_unisolated: bool = False) -> None:  # noqa: B008 (frozen)
        self.isolation = isolation()
        if not self.isolation.isolated and not allow_unisolated:
            raise UserError(
                f"programs cannot be isolated here: {self.isolation.how}; "
                "allow it (allow_unisolated=True) to run them as plain processes with limits only"
            )
        self._limits = limits
        self._lock = threading.Lock()
        self._closed = False
        self._supervisor: Supervisor | None = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the supervisor and everything in it."""
        self._closed = True
        if self._supervisor:
            self._supervisor.stop()

    def run(self, programs: Sequence[Program], *, together: int = 1) -> Iterator[Outcome]:
        """Run every program and yield its outcome, in order.

        With `together` above 1, up to so many programs share one process and one time limit, which costs a tenth;
        only such as are `ours` do (see `may_share`), and when anything at all goes wrong with a group, its members run
        again alone. Raises TypeError or ValueError for an argument that is no plain literal.
        """
        for start in range(0, len(programs), together):
            yield from self._run_batch(programs[start : start + together])

    def _run_batch(self, batch: Sequence[Program]) -> Iterator[Outcome]:
        sharing = [number for number, program in enumerate(batch) if may_share(program)]
        shared = self._exchange([batch[number] for number in sharing]) if len(sharing) > 1 else None
        known = dict(zip(sharing, shared, strict=True)) if shared else {}
        for number, program in enumerate(batch):
            yield known.get(number) or self._run_alone(program)

    def _run_alone(self, program: Program) -> Outcome:
        outcomes = self._exchange([program])
        assert outcomes is not None, "an outcome of one program is never ambiguous"
        return outcomes[0]

    def _exchange(self, group: Sequence[Program]) -> list[Outcome] | None:
        """The outcomes of one group, or None when its members have to be run alone."""
        request = _request(group)
        with self._lock:
            if self._closed:
                raise RuntimeError("this sandbox is closed")
            supervisor = self._supervisor or self._start()
            self._supervisor = None  # unless all goes well: an interrupted exchange leaves nothing to go on with
            try:
                answer = supervisor.exchange(request, self._limits.seconds * self._limits.patience + _GRACE_SECONDS)
            except LostError as lost:
                supervisor.stop()
                return _lost(lost) if len(group) == 1 else None
            except BaseException:
                supervisor.stop()
                raise
            self._supervisor = supervisor
        return answers.outcomes(answer, [len(program.calls) for program in group])

    def _start(self) -> Supervisor:
        try:
            return Supervisor(self._limits, isolated=self.isolation.isolated)
        except RefusedError as error:
            raise UserError(f"the sandbox does not start: {error}") from None


def _request(group: Sequence[Program]) -> bytes:
    for program in group:
        for arguments in program.calls:
            answers.check_argument(tuple(arguments))
    return wire.pack(
        [(program.source, program.function, [wire.pack(tuple(call)) for call in program.calls]) for program in group]
    )


def _lost(lost: LostError) -> list[Outcome]:
    if lost.hung:
        return [Outcome("timeout", message="the supervisor stopped answering and was started again")]
    return [Outcome("died", message="the supervisor ended and was started again")]
