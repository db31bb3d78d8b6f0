"""What runs of mixtures come to: their losses as multiples of the natural mixture's, one mixture against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hornbook.errors import UserError
from hornbook.optimise.law import agreement
from hornbook.study.statistics import paired

NATURAL, OWN, PROPOSED, RANDOM = "natural", "recipe", "proposed", "random"
Losses = dict[str, dict[int, dict[str, float]]]  # by mixture, seed and figure


def losses_of(result: Mapping[str, Any], names: Mapping[str, str]) -> Losses:
    """The figures of a study's runs. names: the mixture of each arm. A run that fails is left out.

    Raises UserError where that is one that others are held against.
    """
    found: Losses = {}
    for one in result["comparisons"]:
        for arm, by_seed in one["values"].items():
            for seed, value in by_seed.items():
                found.setdefault(names[arm], {}).setdefault(int(seed), {})[one["measure"]] = value
    failed = [run for run in result["runs"] if run["failed"] is not None and names[run["arm"]][0] != "m"]
    if failed or NATURAL not in found:
        told = (
            f"{failed[0]['arm']} with seed {failed[0]['seed']} failed: {failed[0]['failed']}"
            if failed
            else "no figures"
        )
        raise UserError(f"the others are held against what is not there: {told}")
    return found


def weights_of(losses: Losses, measures: Sequence[str]) -> dict[str, float]:
    """What each figure counts: all measures alike, and within one the sources alike."""
    figures = list(next(iter(losses[NATURAL].values())))
    names = [figure.partition(".")[0] for figure in figures]
    for measure in measures:
        if measure not in names:
            why = "no held-out problem fits the model's context" if measure == "body" else "nothing was held out"
            raise UserError(f"{measure} was not measured: {why}; leave it out of --measures")
    return {figure: 1 / len(measures) / names.count(name) for figure, name in zip(figures, names, strict=True)}


def scores_of(losses: Losses, weights: Mapping[str, float]) -> dict[int, dict[str, float]]:
    """By seed and mixture: the mean of the losses, each as a multiple of the natural mixture's with the same seed."""
    found: dict[int, dict[str, float]] = {}
    for name, by_seed in losses.items():
        for seed, figures in by_seed.items():
            natural = losses[NATURAL].get(seed, {})
            if weights.keys() <= figures.keys() and weights.keys() <= natural.keys():
                score = sum(weight * figures[figure] / natural[figure] for figure, weight in weights.items())
                found.setdefault(seed, {})[name] = score
    return found


def bar(scores: Mapping[int, Mapping[str, float]], other: str) -> dict[str, Any]:
    """By what share the proposed mixture's score is above another's, paired by seed; below 0 is better."""
    differences = [told[PROPOSED] / told[other] - 1 for told in scores.values() if PROPOSED in told and other in told]
    if not differences:
        raise UserError(f"no run of {PROPOSED} at the target's size can be held against one of {other}")
    return {**asdict(paired(differences)), "wins": sum(one < 0 for one in differences)}


def agreed(first: Mapping[str, float], second: Mapping[str, float], *without: str) -> dict[str, Any]:
    """Pairs of mixtures that both scores order alike."""
    shared = [name for name in first if name in second and name not in without]
    same, pairs = agreement([first[name] for name in shared], [second[name] for name in shared])
    return {"same": same, "pairs": pairs, "share": same / pairs if pairs else None}
