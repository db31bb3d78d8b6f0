"""What asking may cost: estimated before anything is sent, and held to while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from hornbook.errors import UserError
from hornbook.teacher.client.cache import FILE, Cache
from hornbook.teacher.client.messages import CHARACTERS_A_TOKEN, Request, Usage, settled, tokens_of
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, Endpoint

MILLION = 1_000_000
SHOWN = 3  # filled prompts


class BudgetError(UserError):
    """The run has used what it may. Every answer so far is in the cache, so the next run goes on from there."""


@dataclass(frozen=True)
class Reservation:
    """Tokens and money set aside for one request that is on its way."""

    tokens: int
    money: float


class Budget:
    """Counts what is spent and what is set aside. Used from one event loop."""

    def __init__(self, settings: ClientSettings) -> None:
        self.requests = 0
        self.tokens = 0
        self.money = 0.0
        self._settings = settings
        self._reserved: list[Reservation] = []
        self._changed = asyncio.Event()
        self._reached = ""

    async def reserve(self, request: Request) -> Reservation:
        """Set aside what a request may cost at most; waits while others on their way may turn out cheaper.

        Raises BudgetError when it does not fit and nothing is on its way any more.
        """
        wanted = highest(request, self._settings)
        while True:
            which = self._reached or self._too_much(wanted)
            if not which:
                break
            if not self._reserved:
                self._reached = which
                raise BudgetError(
                    f"the budget of {which} is reached; every answer so far is kept in {self._settings.cache}: "
                    "the same command goes on from there with a budget of its own"
                )
            self._changed.clear()
            await self._changed.wait()
        self._reserved.append(wanted)
        self.requests += 1
        return wanted

    def settle(self, reserved: Reservation, usage: Usage | None, endpoint: Endpoint) -> None:
        """Put back what was set aside and count what an answer took; without an answer nothing is counted."""
        self._reserved.remove(reserved)
        if usage is not None:
            self.tokens += usage.total
            self.money += price(usage, endpoint.price_in, endpoint.price_out)
        self._changed.set()

    def _too_much(self, wanted: Reservation) -> str:
        """Which budget a further request would overdraw, in words."""
        tokens = self.tokens + sum(one.tokens for one in self._reserved) + wanted.tokens
        money = self.money + sum(one.money for one in self._reserved) + wanted.money
        return overdrawn(self._settings.budget, self.requests + 1, tokens, money)


def overdrawn(budget: BudgetSettings, requests: int, tokens: int, money: float) -> str:
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


def highest(request: Request, settings: ClientSettings) -> Reservation:
    """What a request costs when its answer is as long as allowed, at the dearest endpoint."""
    usage = Usage(tokens_of(request.characters), request.max_tokens)
    return Reservation(usage.total, price(usage, *settings.dearest))


@dataclass(frozen=True)
class Estimate:
    """`examples` are the first filled prompts. Tokens and money are for those requests that are `new`.

    `tokens_out` is the most that the answers may take, `max_tokens` each; asking again after an answer that does not
    fit, or after an error, comes on top. `exact` says whether a tokenizer counted the prompts.
    """

    model: str
    examples: tuple[str, ...]
    requests: int
    new: int
    tokens_in: int
    tokens_out: int
    money: float
    exact: bool


def estimate(
    requests: Iterable[Request],
    settings: ClientSettings,
    *,
    count: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Estimate:
    """Read through requests without sending any. `count` scales up when `requests` is a sample of so many.

    Requests whose answers the cache holds, and those that ask what another one asks, cost nothing. `count_tokens` is a
    tokenizer's; without one, prompts are estimated at four characters a token. Money is at the dearest price.
    """
    examples: list[str] = []
    read, usage = 0, Usage()
    keys: set[bytes] = set()
    answered = _answered(settings)
    for request in requests:
        read += 1
        if len(examples) < SHOWN:
            examples.append(filled(request))
        key = request.key(settings.model)
        if bytes.fromhex(key[:32]) in keys or answered(request, key):
            continue
        keys.add(bytes.fromhex(key[:32]))
        texts = [message.content for message in request.messages]
        prompt = sum(map(count_tokens, texts)) if count_tokens else tokens_of(request.characters)
        usage += Usage(prompt, request.max_tokens)
    scale = 1.0 if count is None or not read else count / read
    whole = Usage(round(usage.prompt * scale), round(usage.answer * scale))
    return Estimate(
        model=settings.model,
        examples=tuple(examples),
        requests=read if count is None else count,
        new=round(len(keys) * scale),
        tokens_in=whole.prompt,
        tokens_out=whole.answer,
        money=price(whole, *settings.dearest),
        exact=count_tokens is not None,
    )


def filled(request: Request) -> str:
    """A request as a person reads it: each message under its role."""
    return "\n\n".join(f"{message.role}:\n{message.content}" for message in request.messages)


def show(found: Estimate, console: Console) -> None:
    """Print the filled prompts and what all of it would cost."""
    for place, example in enumerate(found.examples, 1):
        heading = f"── prompt {place} of {found.requests:,} " + "─" * 20
        console.print(escape(heading), highlight=False, soft_wrap=True)
        console.print(escape(example), highlight=False, soft_wrap=True)
    console.print("─" * 40)
    how = "counted by the tokenizer" if found.exact else f"estimated at {CHARACTERS_A_TOKEN} characters a token"
    cached = found.requests - found.new
    lines = [
        f"{found.requests:,} requests to {found.model}, {cached:,} of them free (in the cache, or the same as another)",
        f"prompts: {found.tokens_in:,} tokens ({how})",
        f"answers: at most {found.tokens_out:,} tokens, and more where one must be asked for again",
    ]
    money = f"at most {found.money:,.2f}" if found.money else "unknown: the address names no price_in= and price_out="
    for line in [*lines, f"cost: {money}", "Nothing was sent."]:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _answered(settings: ClientSettings) -> Callable[[Request, str], bool]:
    """Whether the cache settles a request. A cache that is not there is not made."""
    if not (settings.cache / FILE).is_file():
        return lambda request, key: False
    cache = Cache(settings.cache)
    return lambda request, key: settled(cache.get(key), request, settings.attempts) is not None
