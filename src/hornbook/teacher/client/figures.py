"""What a client did, in numbers: for manifests, the report, and the line a person reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hornbook.teacher.client.messages import Answer


@dataclass
class Figures:
    """`asked` = `answered` + all of `failed`. Of the answers `cached` were on disk, `shared` came with another's.

    `sent` counts exchanges, and `retried` those of them that had to be made again, by reason. `tokens_*` and `money`
    are what this run took; `seconds` lie between its first request and its last response. `damaged` answers on disk
    could not be read and were asked for anew. `addresses` are those that would have been asked for what was not there.
    """

    asked: int = 0
    answered: int = 0
    cached: int = 0
    shared: int = 0
    damaged: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    replies: int = 0
    retried: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    began: float | None = None
    seconds: float = 0.0
    addresses: tuple[str, ...] = ()

    def count(self, answer: Answer) -> None:
        """Count what is handed out."""
        self.asked += 1
        if answer.failure is None:
            self.answered += 1
        else:
            self.failed[answer.failure] += 1

    @property
    def rate(self) -> float:
        """Responses a second."""
        return self.replies / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Everything for a manifest."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "cached": self.cached,
            "shared": self.shared,
            "damaged": self.damaged,
            "failed": dict(sorted(self.failed.items())),
            "sent": self.sent,
            "retried": dict(sorted(self.retried.items())),
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "money": round(self.money, 6),
            "requests_per_second": round(self.rate, 2),
        }

    def line(self) -> str:
        """One line for a person."""
        parts = [f"{self.answered:,} of {self.asked:,} answered"]
        failed = [f"{count:,} failed ({reason})" for reason, count in sorted(self.failed.items())]
        if self.asked and not self.sent:
            asked = f"{' and '.join(self.addresses)} {'were' if len(self.addresses) > 1 else 'was'} not asked"
            return ", ".join([*parts, *failed, f"all from the cache; {asked}"])
        parts += [f"{self.cached:,} from the cache", *failed]
        parts += [f"{self.damaged:,} damaged there and asked anew"] if self.damaged else []
        parts += [f"{self.sent:,} sent", f"{self.retried.total():,} of them again"]
        parts += [f"{self.tokens_in + self.tokens_out:,} tokens", f"{self.rate:.1f} a second"]
        return ", ".join([*parts, f"cost {self.money:.4f}"] if self.money else parts)
