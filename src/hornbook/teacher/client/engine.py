"""An event loop in a thread of its own that gets each job answered: attempts, retries, pauses and budgets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue

from hornbook.errors import UserError
from hornbook.teacher.client.budget import Budget
from hornbook.teacher.client.cache import CacheWriter
from hornbook.teacher.client.figures import Figures
from hornbook.teacher.client.messages import Answer, Reply, Request, Usage, judge, settled
from hornbook.teacher.client.protocol import (
    BrokenError,
    BusyError,
    ExchangeError,
    UnreachableError,
    UnsupportedError,
)
from hornbook.teacher.client.rate_limiter import LoadBalancer, RateLimiter, pause_before
from hornbook.teacher.client.settings import ClientSettings
from hornbook.teacher.client.transport import Transport

UNSUPPORTED = 8  # parts of the protocol that one request may be sent without, one after another
FIRST = 6  # exchanges that fail before any answer, after which the run ends: as many as start at once, and 3, at least
TOLD = 3  # kinds of trouble that are told in an endpoint's own words while nothing was answered
CLOSING = 0.5  # seconds that connections get to close


@dataclass(eq=False)
class Job:
    """A request on its way: `number` is its place in the run, `replies` are those that came in earlier runs."""

    number: int
    request: Request
    key: str
    replies: list[Reply]
    future: Future[Answer] = field(default_factory=Future)
    waiting: int = 1  # how many askers want it
    under_way: bool = False  # whether an endpoint is at it, who will have it paid for
    unwanted: bool = False  # nobody waits for it any more: what is under way is its last exchange


class Engine:
    """Runs jobs. Everything but `submit`, `drop` and `close` happens in its thread."""

    def __init__(
        self, settings: ClientSettings, writer: CacheWriter, figures: Figures, say: Callable[[str], None]
    ) -> None:
        """Raises UserError for an endpoint whose key is missing."""
        self._settings, self._writer, self._figures, self._say = settings, writer, figures, say
        self._transports = [Transport(endpoint, settings, say) for endpoint in settings.endpoints]
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._error: UserError | None = None
        self._last_good = 0.0
        self._told: set[str] = set()
        self._vain = 0  # exchanges that broke before the first answer
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="hornbook-teacher", daemon=True)
        self._thread.start()
        ready.wait()

    def submit(self, job: Job) -> None:
        """Get a job answered: its future gets an Answer, or the UserError that ended the run."""
        self._loop.call_soon_threadsafe(self._start, job)

    def drop(self, job: Job) -> None:
        """Nobody wants this job any more. What an endpoint is already at goes on until it is kept, or `close`."""
        self._loop.call_soon_threadsafe(self._cancel, job)

    def finish(self) -> SimpleQueue[None]:
        """Begin no exchange any more; the queue has None once those under way are over and their replies are kept."""
        finished: SimpleQueue[None] = SimpleQueue()
        asyncio.run_coroutine_threadsafe(self._finish(finished), self._loop)
        return finished

    @property
    def under_way(self) -> int:
        """How many exchanges endpoints are at."""
        return sum(job.under_way for job in list(self._tasks))

    def close(self) -> None:
        """Stop everything at once. Replies that arrived whole are handed to the writer before this returns."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._set_up())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._tear_down())
        self._loop.close()

    async def _set_up(self) -> None:
        settings = self._settings
        self._balancer = LoadBalancer(
            [
                RateLimiter(settings.start, settings.most, settings.backoff, settings.longest_pause)
                for _ in settings.endpoints
            ]
        )
        self._budget = Budget(settings)

    async def _tear_down(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(*(transport.close() for transport in self._transports), return_exceptions=True)

    def _start(self, job: Job) -> None:
        if self._error is not None:
            job.future.set_exception(self._error)
            return
        if not self._tasks:
            self._last_good = self._loop.time()
        self._tasks[job] = self._loop.create_task(self._work(job))

    def _cancel(self, job: Job) -> None:
        task = self._tasks.get(job)
        job.unwanted = True
        if task is not None and not job.under_way:
            task.cancel()

    async def _finish(self, finished: SimpleQueue[None]) -> None:
        try:
            while self._tasks:
                for job in list(self._tasks):
                    self._cancel(job)
                await asyncio.wait(list(self._tasks.values()))
        finally:
            finished.put(None)

    def _fail(self, error: UserError) -> None:
        """End the run: the same would happen to every request."""
        self._error = error
        for job in list(self._tasks):
            if not job.future.done():
                job.future.set_exception(error)
            self._cancel(job)

    async def _work(self, job: Job) -> None:
        """One job to its end, whatever that is: its future is always done afterwards."""
        try:
            answer = await self._answer(job)
            if not job.future.done():
                job.future.set_result(answer)
        except asyncio.CancelledError:
            job.future.cancel()
            raise
        except UserError as error:
            self._fail(error)
        except Exception as error:  # a mistake of ours: whoever waits gets the traceback
            if not job.future.done():
                job.future.set_exception(error)
        finally:
            del self._tasks[job]

    async def _answer(self, job: Job) -> Answer:
        """Ask until a reply fits, the attempts are used up, or the request fails for another reason."""
        while True:
            answer = settled(job.replies, job.request, self._settings.attempts)
            if answer is not None:
                return answer
            if job.replies:
                self._figures.retried[judge(job.replies[-1], job.request).failure or "invalid"] += 1
            try:
                reply = await self._reply(job)
            except ExchangeError as trouble:
                usage = sum((reply.usage for reply in job.replies), Usage())
                return Answer(job.request, usage=usage, failure=trouble.reason, detail=trouble.detail)
            job.replies.append(reply)

    async def _reply(self, job: Job) -> Reply:
        """One reply, whole and kept. Raises the `ExchangeError` after which the request is given up."""
        since = self._loop.time()
        pauses = broken = unsupported = 0
        while True:
            if job.unwanted:
                raise asyncio.CancelledError
            try:
                return await self._exchange(job)
            except UnsupportedError as trouble:
                unsupported += 1
                if unsupported > UNSUPPORTED:
                    raise
                found: ExchangeError = trouble
            except BrokenError as trouble:
                broken += 1
                if broken > self._settings.retries:
                    raise
                found = trouble
            except (BusyError, UnreachableError) as trouble:
                if self._loop.time() - since > 2 * self._settings.patience:  # others are served, this one never is
                    raise
                found = trouble
            self._figures.retried[found.reason] += 1
            if not self._figures.replies:
                self._nothing_yet(found)
            self._check_silence(found)
            if isinstance(found, BrokenError) or (isinstance(found, BusyError) and found.wait is None):
                pauses += 1
                settings = self._settings
                await asyncio.sleep(
                    pause_before(pauses, settings.backoff, settings.longest_pause, settings.seed, job.key)
                )

    async def _exchange(self, job: Job) -> Reply:
        """One exchange with whichever endpoint has room."""
        slot = await self._balancer.acquire(job.number)
        transport = self._transports[slot.endpoint]
        trouble, reply, reserved = None, None, None
        try:
            reserved = await self._budget.reserve(job.request)
            self._begin()
            job.under_way = True
            reply = await transport.send(job.request, job.replies)
            # The slot is held until the reply is on disk: a kill then loses no more than there are slots.
            await self._writer.put((job.key, len(job.replies), reply))
        except ExchangeError as found:
            trouble = found
            raise
        finally:  # the budget after that too, so that whoever ends the run because of it finds the answer there
            job.under_way = False
            if reserved is not None:
                self._budget.settle(reserved, reply.usage if reply else None, transport.endpoint)
            if reply is not None:
                self._end(reply)
            self._balancer.release(slot, trouble, good=reply is not None)
        return reply

    def _begin(self) -> None:
        now = self._loop.time()
        self._figures.sent += 1
        self._figures.began = now if self._figures.began is None else self._figures.began

    def _end(self, reply: Reply) -> None:
        now = self._loop.time()
        self._last_good = now
        self._figures.replies += 1
        self._figures.seconds = now - (self._figures.began or now)
        self._figures.tokens_in += reply.usage.prompt
        self._figures.tokens_out += reply.usage.answer
        self._figures.money = self._budget.money

    def _nothing_yet(self, trouble: ExchangeError) -> None:
        """Before the first answer: tell an endpoint's own words at once, and end what is in vain.

        Raises UserError where the first few exchanges all failed: the next ones would as well.
        """
        if not isinstance(trouble, UnsupportedError) and trouble.detail not in self._told and len(self._told) < TOLD:
            self._told.add(trouble.detail)
            self._say(f"no answer yet: {trouble.detail}")
        if isinstance(trouble, BrokenError):
            self._vain += 1
            if self._vain >= max(FIRST, self._settings.start + 3) * len(self._transports):
                raise UserError(
                    f"the first {self._vain} requests that were sent brought no answer (last: {trouble.detail}); "
                    "put right what it says, or name another endpoint"
                )

    def _check_silence(self, trouble: ExchangeError) -> None:
        """Raise UserError when no endpoint is of use: never reached any, or no good answer for too long."""
        never_reached = [one.unreachable for one in self._transports if one.unreachable and not one.answered]
        if len(never_reached) == len(self._transports):
            raise UserError(f"{'; '.join(never_reached)}; is it running, and is this its URL?")
        patience = self._settings.patience
        if isinstance(trouble, UnreachableError) and len(self._transports) > 1:
            self._say(f"{trouble.detail}; the other endpoints go on")
        if self._balancer.shortest_pause() > patience:
            raise UserError(
                f"every endpoint asks to be left alone for {self._balancer.shortest_pause():,.0f} s or more "
                f"({trouble.detail}); every answer so far is kept: the same command goes on from there later"
            )
        if self._loop.time() - self._last_good > patience:
            raise UserError(
                f"no endpoint gave a good answer for {patience:,.0f} s (last: {trouble.detail}); "
                "every answer so far is kept: the same command goes on from there"
            )
