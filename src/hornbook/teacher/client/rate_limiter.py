"""When a request may be sent: how many at once each endpoint bears, and which endpoint is asked next.

How many is found by trying: up while answers come, halved when the endpoint groans. Additive increase, multiplicative
decrease (Chiu & Jain 1989), as TCP finds the width of a line, with two changes. After a cut the limit goes back quickly
to nearly what was borne before, because a fault by chance says nothing about the load. And past the point where the
endpoint said "too many" it feels its way ten times more slowly, so that few requests are turned away.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from typing import NamedTuple

from hornbook.seeds import stream
from hornbook.teacher.client.protocol import BrokenError, BusyError, ExchangeError, UnreachableError

CAREFUL = 0.1  # of the usual increase, past what the endpoint last turned away
CHANCE = 0.9  # of the limit before a fault is gone back to: faults that too many requests cause still bring it down


class Ticket(NamedTuple):
    """When a request was sent: after how many cuts, and after how many times that the limit was used in full."""

    cuts: int
    fills: int


class RateLimiter:
    """One endpoint's limit: whether it may be sent another request at a time `now` (seconds, of any steady clock)."""

    def __init__(self, start: int, most: int, backoff: float, longest_pause: float) -> None:
        self.limit = float(min(start, most))
        self.in_flight = 0
        self.paused_until = 0.0
        self.strikes = 0  # cuts since the last good answer
        self._most, self._backoff, self._longest = float(most), backoff, longest_pause
        self._cuts = 0  # a request sent before the last cut cannot speak for the limit after it
        self._fills = 0  # an answer says that more is borne only if the limit was in full use meanwhile
        self._target = float("inf")  # borne before the last cut; infinite: never cut yet
        self._careful = False  # whether the last cut found how many are too many

    def ready(self, now: float) -> bool:
        """Whether there is room for one more request."""
        return now >= self.paused_until and self.in_flight < int(self.limit)

    @property
    def load(self) -> float:
        """In-flight requests for each that it bears: the emptiest endpoint is asked next."""
        return (self.in_flight + 1) / self.limit

    def begin(self) -> Ticket:
        """Count a request as sent. Returns the ticket that `good` and `strained` want back."""
        ticket = Ticket(self._cuts, self._fills)
        self.in_flight += 1
        self._fills += self.in_flight >= int(self.limit)
        return ticket

    def done(self) -> None:
        """A request is over and says nothing about the limit."""
        self.in_flight -= 1

    def good(self, ticket: Ticket) -> None:
        """A request was answered."""
        self.in_flight -= 1
        self.strikes = 0
        if ticket.cuts == self._cuts and ticket.fills < self._fills:
            self._rise()

    def strained(self, ticket: Ticket, now: float, *, busy: bool, wait: float | None = None) -> None:
        """A request was turned away (`busy`) or broke. `wait`: the seconds that the endpoint asked for."""
        self.in_flight -= 1
        if wait is not None:
            self.paused_until = max(self.paused_until, now + wait)
        if ticket.cuts != self._cuts:
            return
        self._cuts += 1
        self.strikes += 1
        self._careful = busy and self.limit > self._target  # having felt its way here: just below is borne
        if self._careful:
            self._target = max(1.0, int(self.limit) - 1.0)
        elif busy:
            self._target = max(1.0, self.limit / 2)
        else:
            before = self.limit if self._target == float("inf") else max(self.limit, self._target)
            self._target = max(1.0, before * CHANCE)
        self.limit = max(1.0, self.limit / 2)
        if wait is None and self.strikes > 1:
            self.rest(now)

    def rest(self, now: float) -> None:
        """Leave the endpoint alone, the longer the more often in a row it failed."""
        pause = min(self._longest, self._backoff * 2.0 ** min(self.strikes - 1, 30))
        self.paused_until = max(self.paused_until, now + pause)

    def _rise(self) -> None:
        if self.limit + 1 <= self._target:  # at the start, and back to what was borne: doubles with each round
            self.limit += 1
        elif self.limit < self._target:
            self.limit = self._target
        else:
            self.limit += (CAREFUL if self._careful else 1.0) / self.limit
            if self.limit >= self._target + 2:  # what it turned away, it bears now
                self._careful = False
        self.limit = min(self.limit, self._most)


class Slot(NamedTuple):
    """Leave to send one request: the endpoint's place among the endpoints, and the ticket that its limiter gave."""

    endpoint: int
    ticket: Ticket


class LoadBalancer:
    """Hands out slots: the emptiest endpoint that has room, to the earliest of the requests that wait.

    Endpoints share the load by what they bear, because whoever answers sooner is free again sooner.
    """

    def __init__(self, limiters: Sequence[RateLimiter]) -> None:
        """`limiters`: one for each endpoint, in their order. Used from one event loop."""
        self._limiters = tuple(limiters)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[int, int, asyncio.Future[Slot]]] = []  # a heap by the request's number
        self._asked = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def acquire(self, number: int) -> Slot:
        """Wait for a slot; the lowest `number` goes first, so that a retry does not queue behind later requests."""
        slot: asyncio.Future[Slot] = self._loop.create_future()
        self._asked += 1
        heapq.heappush(self._waiting, (number, self._asked, slot))
        self._hand_out()
        try:
            return await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():
                self.release(slot.result())
            raise

    def release(self, slot: Slot, trouble: ExchangeError | None = None, *, good: bool = False) -> None:
        """Give a slot back, with what its exchange said about the endpoint."""
        now, limiter = self._loop.time(), self._limiters[slot.endpoint]
        if good:
            limiter.good(slot.ticket)
        elif isinstance(trouble, BusyError):
            limiter.strained(slot.ticket, now, busy=True, wait=trouble.wait)
        elif isinstance(trouble, UnreachableError):
            limiter.strained(slot.ticket, now, busy=False)
            limiter.rest(now)
        elif isinstance(trouble, BrokenError):
            limiter.strained(slot.ticket, now, busy=False, wait=trouble.wait)
        else:
            limiter.done()
        self._hand_out()

    def shortest_pause(self) -> float:
        """Seconds until one endpoint at least is not paused."""
        return max(0.0, min(limiter.paused_until for limiter in self._limiters) - self._loop.time())

    def _hand_out(self) -> None:
        while self._waiting:
            if self._waiting[0][2].done():  # whoever waited has gone
                heapq.heappop(self._waiting)
                continue
            now = self._loop.time()
            ready = [place for place, limiter in enumerate(self._limiters) if limiter.ready(now)]
            if not ready:
                self._wake_later(now)
                return
            place = min(ready, key=lambda one: self._limiters[one].load)
            heapq.heappop(self._waiting)[2].set_result(Slot(place, self._limiters[place].begin()))

    def _wake_later(self, now: float) -> None:
        """Come back when the first pause ends; a slot that is given back comes back by itself."""
        pauses = [limiter.paused_until for limiter in self._limiters if limiter.paused_until > now]
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(min(pauses), self._hand_out) if pauses else None


def pause_before(retry: int, backoff: float, longest: float, seed: int, key: str) -> float:
    """Seconds before the `retry`-th retry (from 1) of a request: doubling, less up to a half by chance."""
    full = min(longest, backoff * 2.0 ** min(retry - 1, 30))
    return full * (1 - 0.5 * stream(seed, "pause", key, retry).random())
