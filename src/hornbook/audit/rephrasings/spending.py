"""What vectors have cost so far, and what is left of a budget for the judge."""

from __future__ import annotations

import threading

from hornbook.teacher.client.budget import BudgetError, overdrawn, price
from hornbook.teacher.client.messages import Usage
from hornbook.teacher.client.settings import BudgetSettings


class Spending:
    """Counts requests, tokens and money from several threads. What a request may take is set aside before it goes."""

    def __init__(self, budget: BudgetSettings, price_in: float) -> None:
        """`price_in`: money for a million tokens."""
        self._budget, self._price = budget, price_in
        self._lock = threading.Lock()
        self.requests, self.tokens = 0, 0

    @property
    def money(self) -> float:
        """In the currency of the price."""
        return price(Usage(self.tokens), self._price, 0.0)

    def set_aside(self, tokens: int) -> None:
        """Count a request of so many tokens. Raises BudgetError where it would overdraw the budget."""
        with self._lock:
            money = price(Usage(self.tokens + tokens), self._price, 0.0)
            reached = overdrawn(self._budget, self.requests + 1, self.tokens + tokens, money)
            if reached:
                raise BudgetError(
                    f"the budget of {reached} is reached before all vectors are made; every one so far is kept: "
                    "the same command goes on from there with a budget of its own"
                )
            self.requests += 1
            self.tokens += tokens

    def settle(self, tokens: int, used: int) -> None:
        """Of what was set aside so much was used."""
        with self._lock:
            self.tokens += used - tokens

    def left(self) -> BudgetSettings:
        """What whoever asks next may use."""
        budget = self._budget
        return BudgetSettings(
            requests=None if budget.requests is None else max(0, budget.requests - self.requests),
            tokens=None if budget.tokens is None else max(0, budget.tokens - self.tokens),
            money=None if budget.money is None else max(0.0, budget.money - self.money),
        )

    def as_dict(self) -> dict[str, float]:
        """Everything for the figures."""
        return {"requests": self.requests, "tokens": self.tokens, "money": round(self.money, 6)}
