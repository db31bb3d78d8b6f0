"""Which compositions are held out: a fixed share of every family, and never so many that a part goes untaught."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from hornbook.seeds import derive

SHARE = 0.135
SMALLEST_FAMILY = 12  # families with fewer compositions hold nothing out
TAUGHT = 3  # every part stays in at least this many training compositions of its family


def hold_out(
    compositions: Mapping[str, tuple[str, ...]], *, group: str, seed: int, share: float = SHARE, taught: int = TAUGHT
) -> frozenset[str]:
    """The held-out ones among a family's `compositions` (key -> the keys of its parts, one for each axis).

    A `share` of them is taken, as long as every part stays in `taught` others. The order in which they are taken is a
    hash of the seed, `group` and the parts: two families with the same group and the same axes hold out the same
    combinations, whatever the rest of the catalogue is.
    """
    if len(compositions) < SMALLEST_FAMILY:
        return frozenset()
    left = Counter((axis, part) for parts in compositions.values() for axis, part in enumerate(parts))
    wanted = round(share * len(compositions))
    held: set[str] = set()
    for key, parts in sorted(compositions.items(), key=lambda item: derive(seed, "held out", group, *item[1])):
        if len(held) == wanted:
            break
        slots = list(enumerate(parts))
        if all(left[slot] > taught for slot in slots):
            held.add(key)
            left.subtract(slots)
    return frozenset(held)
