"""Every family, and every composition of each."""

from __future__ import annotations

from functools import lru_cache

from hornbook.teacher.builtin.exercises import (
    dictionary_families,
    list_families,
    loop_families,
    number_families,
    string_families,
)
from hornbook.teacher.builtin.exercises.family import Family, key_of
from hornbook.teacher.builtin.exercises.parts import Part

FAMILIES: tuple[Family, ...] = (
    *number_families.FAMILIES,
    *list_families.FAMILIES,
    *loop_families.FAMILIES,
    *string_families.FAMILIES,
    *dictionary_families.FAMILIES,
)
BY_NAME: dict[str, Family] = {family.name: family for family in FAMILIES}


@lru_cache(maxsize=1)
def compositions() -> dict[str, dict[str, tuple[Part, ...]]]:
    """The parts of every composition: family name -> composition's key -> parts."""
    return {family.name: {key_of(family.name, parts): parts for parts in family.compositions()} for family in FAMILIES}
