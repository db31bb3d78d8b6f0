"""The thread that computes: it alone uses the scheduler; requests come in and pieces of answers go out."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from hornbook.inference.scheduler import Answer, Finish, Request, Scheduler, Token
from hornbook.inference.spoken import Spoken


@dataclass(frozen=True)
class Piece:
    """What a step has added to an answer: text that is certain, tokens, and why it ended if it did."""

    text: str
    tokens: tuple[Token, ...]
    finish: Finish | None = None


class Job:
    """A request under way. `tell` hears each piece, in the worker's thread; `answer` is there from the first on."""

    def __init__(self, request: Request, spoken: Spoken, tell: Callable[[Piece], None]) -> None:
        self.request, self.spoken, self.tell = request, spoken, tell
        self.answer: Answer | None = None
        self.cancelled = False
        self.error: Exception | None = None
        self._told = 0

    def report(self) -> bool:
        """Tell what is new; True where nothing more will come."""
        answer = self.answer
        assert answer is not None
        finish, tokens = answer.finish, tuple(answer.tokens[self._told :])
        if finish is None and not tokens:
            return False
        self._told += len(tokens)
        if finish is not None:
            self.spoken.end()
            self.error = answer.error
        self.tell(Piece(self.spoken.take(), tokens, finish))
        return finish is not None


class Worker(threading.Thread):
    """Runs the scheduler while there is something to do."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(name="hornbook-worker", daemon=True)
        self._scheduler = scheduler
        self._something = threading.Condition()
        self._arrived: list[Job] = []
        self._jobs: list[Job] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        """Requests without a place."""
        return len(self._arrived) + self._scheduler.waiting

    @property
    def running(self) -> int:
        """Requests with one."""
        return self._scheduler.running

    @property
    def used(self) -> float:
        """The share of the cache that is held."""
        return self._scheduler.used

    def submit(self, job: Job) -> None:
        """Take a request in; may be called from any thread."""
        with self._something:
            self._arrived.append(job)
            self._something.notify()

    def cancel(self, job: Job) -> None:
        """Let a request go; may be called from any thread."""
        job.cancelled = True
        if job.answer is not None:
            job.answer.cancel()
        with self._something:
            self._something.notify()

    def close(self) -> None:
        """End the thread after the step it is at."""
        with self._something:
            self._closed = True
            self._something.notify()
        self.join()

    def run(self) -> None:
        """The thread's work."""
        while True:
            with self._something:
                while not (self._arrived or self._jobs or self._closed):
                    self._something.wait()
                if self._closed:
                    return
                arrived, self._arrived = self._arrived, []
            for job in arrived:
                self._begin(job)
            try:
                self._scheduler.step()
            except Exception as error:  # a fault of ours: those that are under way hear of it, the next may do better
                traceback.print_exc()
                self._scheduler.fail(error)
            self._jobs = [job for job in self._jobs if not job.report()]

    def _begin(self, job: Job) -> None:
        try:
            job.answer = self._scheduler.submit(job.request)
        except Exception as error:
            job.error = error
            job.tell(Piece("", (), "error"))
            return
        if job.cancelled:
            job.answer.cancel()
        self._jobs.append(job)
