"""Domains: every document in one, and the recipe's mixture told in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.optimise.domains import Domain, domains, mixture, shares_of
from hornbook.recipe import Recipe, load, locate
from hornbook.tokens.selection import Entry
from hornbook.tokens.settings import Phase


def documents(source: str, scores: list[float | None], characters: int = 1_000) -> list[Entry]:
    return [Entry(n, f"{source}-{n}", source, score, None, characters) for n, score in enumerate(scores)]


def recipe(phase1: list[dict[str, Any]], phase2: list[dict[str, Any]] | None = None) -> Recipe:
    changes = {
        "pretrain.phase1.mixture": phase1,
        "pretrain.phase2.mixture": phase2 or phase1,
        "pretrain.phase1.tokens": 1_000,
        "pretrain.phase2.tokens": 3_000,
    }
    return load(locate("pocket")[1], changes)


LIBRARY = [0.5, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 1.5]
KEPT = {"library": documents("library", LIBRARY), "exercises": documents("exercises", [None] * 8)}
TWO = recipe(
    [{"sources": ["library"], "minimum_score": 2.0, "share": 1.0}],
    [{"sources": ["library"], "minimum_score": 3.5, "share": 0.2}, {"sources": ["exercises"], "share": 0.8}],
)


def test_graded_sources_are_cut_where_the_recipe_cuts() -> None:
    found = domains(TWO, KEPT, lambda source: 2.0 if source == "library" else 4.0)
    assert [one.name for one in found] == ["library <2", "library 2–3.5", "library ≥3.5", "exercises"]
    assert [one.tokens for one in found] == [1_500, 1_500, 1_000, 2_000]
    for group in KEPT.values():
        for document in group:
            assert sum(one.takes(document) for one in found) == 1


def test_the_recipes_own_mixture_in_domains() -> None:
    found = domains(TWO, KEPT, lambda source: 2.0)
    # Phase 1, a quarter, reads 3 parts of 2–3.5 and 2 of the best; phase 2 reads 0.2 of the best, 0.8 of exercises.
    expected = [0, 0.25 * 3 / 5, 0.25 * 2 / 5 + 0.75 * 0.2, 0.75 * 0.8]
    assert shares_of(TWO, KEPT, found) == pytest.approx(expected)


def test_a_mixture_is_one_that_recipes_take() -> None:
    found = domains(TWO, KEPT, lambda source: 2.0)
    for shares in np.random.default_rng(1).dirichlet(np.full(4, 0.2), 50):
        swept = np.where(shares < 1e-3, 0, shares)
        phase = Phase.model_validate({"tokens": 1, "mixture": mixture(found, swept / swept.sum())})
        for component in phase.mixture:
            [domain] = [
                one
                for one in found
                if one.ingredient(component.share)
                == component.model_dump(exclude_defaults=True) | {"sources": list(component.sources)}
            ]
            for document in KEPT[domain.source]:
                assert component.takes(document.source, document.score, None) == domain.takes(document)


def test_every_source_stays_so_that_the_same_is_held_out_of_it() -> None:
    found = domains(TWO, KEPT, lambda source: 2.0)
    phase = Phase.model_validate({"tokens": 1, "mixture": mixture(found, np.array([0, 0, 0, 1.0]))})
    assert [(one.sources, one.share) for one in phase.mixture] == [(("library",), 1e-6), (("exercises",), 1 - 1e-6)]


def test_bands_of_next_to_nothing_are_joined_and_ungraded_documents_keep_a_source_whole() -> None:
    few = {"library": documents("library", [2.5] * 999 + [4.0]), "exercises": KEPT["exercises"]}
    assert [one.name for one in domains(TWO, few, lambda source: 2.0)] == ["library", "exercises"]
    mixed = {"library": [*KEPT["library"], *documents("library", [None])], "exercises": KEPT["exercises"]}
    assert [one.name for one in domains(TWO, mixed, lambda source: 2.0)] == ["library", "exercises"]


def test_languages_stay_what_the_recipe_asks_for() -> None:
    one = Domain("web", None, 2.0, ("en",), 0.0)
    assert one.ingredient(0.5)["languages"] == ["en"]
    assert one.takes(Entry(0, "a", "web", 1.0, "en", 10))
    assert not one.takes(Entry(0, "a", "web", 1.0, "de", 10))


def test_what_cannot_be_optimised_is_told() -> None:
    with pytest.raises(UserError, match="no document of exercises is left"):
        domains(TWO, {"library": KEPT["library"]}, lambda source: 2.0)
    apart = TWO.model_copy(
        update={
            "pretrain": TWO.pretrain.model_copy(
                update={
                    "phase1": TWO.pretrain.phase1.model_copy(
                        update={"mixture": (TWO.pretrain.phase1.mixture[0].model_copy(update={"languages": ("en",)}),)}
                    )
                }
            )
        }
    )
    with pytest.raises(UserError, match="read library in different languages"):
        domains(apart, KEPT, lambda source: 2.0)
