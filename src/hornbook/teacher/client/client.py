"""Requests in, answers out: the face that stages see. Whatever happens on the way, each request gets one answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from rich.markup import escape

from hornbook.progress import Progress, Task
from hornbook.teacher.client.cache import Cache, CacheWriter
from hornbook.teacher.client.engine import Engine, Job
from hornbook.teacher.client.figures import Figures
from hornbook.teacher.client.messages import Answer, Request, settled
from hornbook.teacher.client.settings import ClientSettings
from hornbook.terminal import in_markup

TICK = 0.25  # seconds after which a waiting asker looks at the progress, and Ctrl-C is heard at the latest


@dataclass(eq=False)
class _Place:
    """One request's place in the order of answers: its answer from the cache, or the job that will bring it.

    That a job is done is heard from a `SimpleQueue`. To wait for its future would take locks in Python's own code: an
    interrupt between two instructions there leaves one held, and the engine's thread then waits for it for ever.
    """

    request: Request
    answer: Answer | None = None
    job: Job | None = None
    shared: bool = False
    done: bool = False


class Client:
    """Asks a teacher behind endpoints. Use it in a `with` block; one client may be asked again and again.

    A request whose answer is in the cache reaches no endpoint and needs no key. Identical requests in flight are one.
    """

    def __init__(self, settings: ClientSettings, progress: Progress | None = None) -> None:
        self.settings = settings
        self.figures = Figures(addresses=tuple(endpoint.base_url for endpoint in settings.endpoints))
        self._progress = progress or Progress()
        self._cache = Cache(settings.cache)
        self._writer = CacheWriter(self._cache)
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._asked = 0
        self._news: deque[str] = deque()
        self._told: set[str] = set()
        self._closed = False

    @property
    def name(self) -> str:
        """Who answers: goes into manifests and the report."""
        return self.settings.model

    def ask(
        self,
        requests: Iterable[Request],
        *,
        ordered: bool = True,
        total: int | None = None,
        label: str = "ask the teacher",
    ) -> Generator[Answer, None, None]:
        """One answer for each request: in the requests' order, or as they come.

        Requests are drawn as needed, `settings.window` ahead of the answers; neither is ever held in full. Raises
        BudgetError when a budget ends the run and UserError when no endpoint can be used, in both cases after the
        answers that came before; the cache holds everything that was paid for. Whoever leaves the loop early, or is
        interrupted, has nothing further sent.
        """
        if self._closed:
            raise ValueError("the client is closed")
        places: dict[_Place, None] = {}  # in the order of the requests
        ready: SimpleQueue[_Place] = SimpleQueue()
        source = iter(requests)
        try:
            with self._progress.task(label, total=total) as task:
                while True:
                    self._draw(source, places, ready, ordered)
                    if not places:
                        return
                    place = self._next_in_order(places, ready, task) if ordered else self._next_ready(ready, task)
                    answer = self._answer(place)
                    del places[place]
                    task.advance()
                    self._show(task)
                    yield answer
        finally:
            self._tell_news()  # what ended it is often told in the moment before
            for place in places:
                self._leave(place)

    def close(self, *, finish: bool = False) -> None:
        """Stop everything; what arrived whole is kept. Harmless when done twice.

        With `finish` the answers under way are waited for, and kept: endpoints count them all the same. An interrupt
        ends the waiting, not the keeping.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if finish and self._engine is not None:
                self._finish(self._engine)
        finally:
            if self._engine is not None:
                self._engine.close()
            self._writer.close()
            self._cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finish=isinstance(error, KeyboardInterrupt))

    def _finish(self, engine: Engine) -> None:
        finished, told = engine.finish(), False
        while True:
            try:
                return finished.get(timeout=TICK)
            except Empty:
                count = engine.under_way
            if not told and count:
                told = True
                self._progress.say(
                    f"  waiting for {count:,} answers under way, to keep them; Ctrl-C again does not wait"
                )

    def _draw(
        self, source: Iterator[Request], places: dict[_Place, None], ready: SimpleQueue[_Place], ordered: bool
    ) -> None:
        """Draw requests until the window is full, or until there is an answer to hand out first."""
        while len(places) < self.settings.window:
            request = next(source, None)
            if request is None:
                return
            places[self._place(request, ready)] = None
            while ordered and not ready.empty():
                ready.get().done = True
            if next(iter(places)).done if ordered else not ready.empty():
                return

    def _place(self, request: Request, ready: SimpleQueue[_Place]) -> _Place:
        """Look a request up, join an identical one, or send it off. `ready` hears when the answer is there."""
        key = request.key(self.settings.model)
        place = _Place(request)
        with self._lock:
            job = self._jobs.get(key)
            if job is not None and not job.future.done():
                job.waiting += 1
                place.job, place.shared = job, True
            else:
                replies = self._cache.get(key)
                self.figures.damaged = self._cache.damaged
                place.answer = settled(replies, request, self.settings.attempts)
                if place.answer is None:
                    place.job = self._send(Job(self._asked, request, key, replies))
        if place.job is None:
            ready.put(place)
        else:
            place.job.future.add_done_callback(lambda _: ready.put(place))
        return place

    def _send(self, job: Job) -> Job:
        """Send a job off; the first one starts the engine, which raises UserError where a key is missing."""
        if self._engine is None:
            self._engine = Engine(self.settings, self._writer, self.figures, self._news.append)
        self._asked += 1
        self._jobs[job.key] = job
        job.future.add_done_callback(lambda _: self._forget(job))
        self._engine.submit(job)
        return job

    def _forget(self, job: Job) -> None:
        """Its reply is in the cache, where the next identical request finds it."""
        if self._jobs.get(job.key) is job:
            self._jobs.pop(job.key, None)

    def _leave(self, place: _Place) -> None:
        """An asker goes away; a job that nobody else waits for begins nothing further."""
        job = place.job
        if job is None or job.future.done() or self._engine is None:
            return
        with self._lock:
            job.waiting -= 1
            unwanted = job.waiting == 0
            if unwanted:
                self._forget(job)  # so that nobody joins it any more
        if unwanted:
            self._engine.drop(job)

    def _answer(self, place: _Place) -> Answer:
        if place.job is None:
            assert place.answer is not None
            answer = replace(place.answer, cached=True)
        else:
            try:
                answer = replace(place.job.future.result(), request=place.request, cached=place.shared)
            except CancelledError:
                raise RuntimeError("the client was closed while it was asked") from None
        with self._lock:
            self.figures.cached += place.job is None
            self.figures.shared += place.shared
            self.figures.count(answer)
        return answer

    def _next_in_order(self, places: dict[_Place, None], ready: SimpleQueue[_Place], task: Task) -> _Place:
        place = next(iter(places))
        while not place.done:
            self._next_ready(ready, task).done = True
            self._show(task)
        return place

    def _next_ready(self, ready: SimpleQueue[_Place], task: Task) -> _Place:
        while True:
            try:
                return ready.get(timeout=TICK)
            except Empty:
                self._show(task)

    def _tell_news(self) -> None:
        """Tell the news that the engine had, once each."""
        while self._news:
            text = self._news.popleft()
            if text not in self._told:
                self._told.add(text)
                self._progress.say(in_markup(text))

    def _show(self, task: Task) -> None:
        """Tell the news, and the figures beside the bar."""
        self._tell_news()
        figures = self.figures
        if figures.replies:
            parts = [f"{figures.rate:.1f}/s"]
        else:
            parts = ["no answer yet"] if figures.sent else ["from the cache"]
        parts += [f"{count:,} sent again ({reason})" for reason, count in sorted(figures.retried.items())]
        parts += [f"{figures.failed.total():,} failed"] if figures.failed else []
        parts += [f"{figures.money:.2f} spent"] if figures.money else []
        task.note(", ".join(parts))


@contextmanager
def asking(settings: ClientSettings, progress: Progress) -> Iterator[Client]:
    """A client for as long as the block lasts, and behind it a line of what it asked."""
    with Client(settings, progress) as client:
        yield client
        progress.say(escape(f"  {client.name}: {client.figures.line()}"))
