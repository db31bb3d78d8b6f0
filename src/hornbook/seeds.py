"""Independent random streams from one seed: each use names itself, so adding one never shifts another."""

from __future__ import annotations

import hashlib
import random


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the use that `names` spells, the same on every machine and in every Python version."""
    text = "/".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> random.Random:
    """A random generator of its own for the use that `names` spells."""
    return random.Random(derive(seed, *names))
