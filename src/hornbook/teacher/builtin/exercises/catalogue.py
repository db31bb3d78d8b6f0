"""Every family, every composition of each, and which of them are held out."""

from __future__ import annotations

from functools import lru_cache

from hornbook.teacher.builtin.exercises import (
    dictionary_families,
    everyday_families,
    list_families,
    loop_families,
    number_families,
    string_families,
)
from hornbook.teacher.builtin.exercises.family import Family, key_of
from hornbook.teacher.builtin.exercises.parts import Part
from hornbook.teacher.held_out import hold_out

FAMILIES: tuple[Family, ...] = (
    *number_families.FAMILIES,
    *list_families.FAMILIES,
    *loop_families.FAMILIES,
    *string_families.FAMILIES,
    *dictionary_families.FAMILIES,
    *everyday_families.FAMILIES,
)
BY_NAME: dict[str, Family] = {family.name: family for family in FAMILIES}


@lru_cache(maxsize=1)
def compositions() -> dict[str, dict[str, tuple[Part, ...]]]:
    """The parts of every composition: family name -> composition's key -> parts."""
    return {family.name: {key_of(family.name, parts): parts for parts in family.compositions()} for family in FAMILIES}


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
