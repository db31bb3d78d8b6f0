"""The catalogue's compositions, split into those for training and those held out."""

from __future__ import annotations

from functools import lru_cache

from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, compositions
from hornbook.teacher.split import hold_out


@lru_cache(maxsize=4)
def held_out(seed: int) -> dict[str, frozenset[str]]:
    """The keys of the held-out compositions, by family."""
    return {
        family: hold_out(
            {key: tuple(part.key for part in parts) for key, parts in keyed.items()},
            group=BY_NAME[family].group or family,
            seed=seed,
        )
        for family, keyed in compositions().items()
    }


def is_held_out(composition: str, seed: int) -> bool:
    """Whether a composition such as `reduce/sum+square+even` is kept for evaluation."""
    return composition in held_out(seed)[composition.partition("/")[0]]
