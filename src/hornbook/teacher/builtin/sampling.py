"""Counts of each kind that follow given shares exactly."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random


def kinds_for(shares: Mapping[str, float], count: int, random: Random) -> list[str]:
    """`count` kinds in a random order, each as often as its share says (largest remainders are rounded up)."""
    exact = {kind: share * count for kind, share in shares.items()}
    whole = {kind: int(amount) for kind, amount in exact.items()}
    by_remainder = sorted(exact, key=lambda kind: (whole[kind] - exact[kind], kind))
    for kind in by_remainder[: count - sum(whole.values())]:
        whole[kind] += 1
    kinds = [kind for kind in shares for _ in range(whole[kind])]
    random.shuffle(kinds)
    return kinds
