"""What a run may use and has used. Before anything is sent its dearest outcome is set aside: nothing is overdrawn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hornbook.errors import UserError
from hornbook.teacher.endpoint.reply import tokens_of
from hornbook.teacher.endpoint.request import Request, Usage
from hornbook.teacher.endpoint.settings import Budget, ClientSettings, Endpoint

MILLION = 1_000_000


class BudgetError(UserError):
    """The run has used what it may. Every answer so far is in the cache, so the next run goes on from there."""


@dataclass(frozen=True)
class Hold:
    """Tokens and money set aside for one request that is on its way."""

    tokens: int
    money: float


class Purse:
    """Counts what is spent and what is set aside. Used from one event loop."""

    def __init__(self, settings: ClientSettings) -> None:
        self.requests = 0
        self.tokens = 0
        self.money = 0.0
        self._settings = settings
        self._held: list[Hold] = []
        self._changed = asyncio.Event()
        self._reached = ""

    async def hold(self, request: Request) -> Hold:
        """Set aside what a request may cost at most; waits while others on their way may turn out cheaper.

        Raises BudgetError when it does not fit and nothing is on its way any more.
        """
        hold = worst(request, self._settings)
        while True:
            which = self._reached or self._too_much(hold)
            if not which:
                break
            if not self._held:
                self._reached = which
                raise BudgetError(
                    f"the budget of {which} is reached; every answer so far is kept in {self._settings.cache}: "
                    "the same command goes on from there with a budget of its own"
                )
            self._changed.clear()
            await self._changed.wait()
        self._held.append(hold)
        self.requests += 1
        return hold

    def settle(self, hold: Hold, usage: Usage | None, endpoint: Endpoint) -> None:
        """Put back what was set aside and count what an answer took; without an answer nothing is counted."""
        self._held.remove(hold)
        if usage is not None:
            self.tokens += usage.total
            self.money += price(usage, endpoint.price_in, endpoint.price_out)
        self._changed.set()

    def _too_much(self, hold: Hold) -> str:
        """Which budget a further request would overdraw, in words."""
        tokens = self.tokens + sum(one.tokens for one in self._held) + hold.tokens
        money = self.money + sum(one.money for one in self._held) + hold.money
        return overdrawn(self._settings.budget, self.requests + 1, tokens, money)


def overdrawn(budget: Budget, requests: int, tokens: int, money: float) -> str:
    """Which part of a budget is less than this, in words; empty where none is."""
    if budget.requests is not None and requests > budget.requests:
        return f"{budget.requests:,} requests"
    if budget.tokens is not None and tokens > budget.tokens:
        return f"{budget.tokens:,} tokens"
    if budget.money is not None and money > budget.money + 1e-9:
        return f"{budget.money:g} in money"
    return ""


def price(usage: Usage, price_in: float, price_out: float) -> float:
    """Money for tokens; prices are for a million."""
    return (usage.prompt * price_in + usage.answer * price_out) / MILLION


def worst(request: Request, settings: ClientSettings) -> Hold:
    """What a request costs when its answer is as long as allowed, at the dearest endpoint."""
    usage = Usage(tokens_of(request.characters), request.max_tokens)
    return Hold(usage.total, price(usage, *settings.dearest))
