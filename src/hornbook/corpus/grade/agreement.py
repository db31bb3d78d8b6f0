"""How well one grader agrees with another, with an interval that says how far to trust the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hornbook.corpus.grade.ordinal import GRADES
from hornbook.display import plural
from hornbook.seeds import derive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAIR = 0.4  # kappa up to which agreement is called fair at most (Landis and Koch 1977)
_RESAMPLES = 2_000


def agreement(
    true: Sequence[int], predicted: Sequence[int], threshold: int, *, seed: int
) -> dict[str, dict[str, float]]:
    """Measures of agreement between grades 0-5, each as {"value", "low", "high"} with a 95% bootstrap interval.

    kappa: Cohen's kappa with quadratic weights (Cohen 1968): agreement beyond chance.
    always_yes: the F1 of calling every document worth `threshold`, which needs no grader; gain: how far f1 is above it.
    f1, precision, recall: of telling grades >= `threshold` from the rest. macro_f1: mean F1 of the grades that occur.
    exact, within_one: shares of pairs that are equal, or at most one apart.
    Where nothing can be divided by, a measure is 0.
    """
    import numpy as np

    table = np.zeros((GRADES, GRADES), dtype=np.int64)
    np.add.at(table, (np.asarray(true, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
    # Drawing n pairs with replacement fills the table as a multinomial with its own shares does.
    generator = np.random.default_rng(derive(seed, "agreement", "bootstrap"))
    shares = table.ravel() / table.sum()
    drawn = generator.multinomial(table.sum(), shares, size=_RESAMPLES).reshape(_RESAMPLES, GRADES, GRADES)
    values, spread = _measures(table[None], threshold), _measures(drawn, threshold)
    return {
        name: {
            "value": round(float(values[name][0]), 4),
            "low": round(float(np.percentile(spread[name], 2.5)), 4),
            "high": round(float(np.percentile(spread[name], 97.5)), 4),
        }
        for name in values
    }


def doubts(figures: Mapping[str, Any]) -> list[str]:
    """What of a grade stage's figures should make one careful, in sentences."""
    told: list[str] = []
    found = figures.get("agreement") or {}
    if "gain" in found and found["gain"]["low"] <= 0:
        gain, told_gain = found["gain"], ""
        if gain["value"] > 0:
            interval = f"{gain['low']:+.2f} to {gain['high']:+.2f}"
            told_gain = f", of which few documents can't tell (95% {interval}): raise grade.sample"
        told.append(
            f"the classifier finds what is worth {figures.get('threshold', 3)} or more "
            f"{'not surely' if told_gain else 'no'} better than calling everything so would: "
            f"F1 {found['f1']['value']:.2f} against {found['always_yes']['value']:.2f}{told_gain}"
        )
    if "kappa" in found and found["kappa"]["value"] < FAIR:
        told.append(
            f"kappa is {found['kappa']['value']:.2f} (0: chance, 1: the same grades): the scores say little of what "
            "the grades say"
        )
    strange = [
        f"{number:,} of {plural(of, 'document')} graded of {source or 'what has no source'}"
        for source, (number, of) in sorted((figures.get("not_made_for") or {}).items())
        if number > of / 2
    ]
    if strange:
        told.append(
            f"the built-in teacher knows code and text about it; {', '.join(strange)} are neither: have an LLM grade "
            "them (--teacher), or give grades of your own (--labels)"
        )
    return told


def calibration(certain: Sequence[float], right: Sequence[bool], bins: int = 10) -> dict[str, Any]:
    """How honest probabilities are: the expected calibration error (Guo et al. 2017) and the table it is made of.

    A row of `table` is a tenth of the range from 0 to 1: how many probabilities fell there, their mean, and the share
    of those that turned out right.
    """
    import numpy as np

    claimed, true = np.asarray(certain, dtype=np.float64), np.asarray(right, dtype=np.float64)
    place = np.minimum((claimed * bins).astype(np.int64), bins - 1)
    table: list[dict[str, Any]] = []
    for number in range(bins):
        here = place == number
        table.append(
            {
                "from": number / bins,
                "documents": int(here.sum()),
                "claimed": round(float(claimed[here].mean()), 4) if here.any() else None,
                "true": round(float(true[here].mean()), 4) if here.any() else None,
            }
        )
    gaps = [row["documents"] * abs(row["claimed"] - row["true"]) for row in table if row["documents"]]
    return {"error": round(sum(gaps) / max(1, len(claimed)), 4), "table": table}


def _measures(tables: NDArray[np.int64], threshold: int) -> dict[str, NDArray[np.float64]]:
    """Every measure for each of `tables`: (tables, true grade, predicted grade)."""
    import numpy as np

    total = tables.sum(axis=(1, 2))
    hit = tables[:, threshold:, threshold:].sum(axis=(1, 2))
    found, wanted = tables[:, :, threshold:].sum(axis=(1, 2)), tables[:, threshold:].sum(axis=(1, 2))
    apart = np.abs(np.subtract.outer(np.arange(GRADES), np.arange(GRADES)))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    diagonal = np.diagonal(tables, axis1=1, axis2=2)
    by_chance = rows[:, :, None] * columns[:, None, :] / np.maximum(total, 1)[:, None, None]
    disagreement, expected = (tables * apart**2).sum(axis=(1, 2)), (by_chance * apart**2).sum(axis=(1, 2))
    f1, always_yes = _divide(2 * hit, found + wanted), _divide(2 * wanted, total + wanted)
    return {
        "kappa": np.where(expected > 0, 1 - _divide(disagreement, expected), 0.0),
        "always_yes": always_yes,
        "gain": f1 - always_yes,
        "f1": f1,
        "precision": _divide(hit, found),
        "recall": _divide(hit, wanted),
        "macro_f1": _divide(_divide(2 * diagonal, rows + columns).sum(axis=1), (rows + columns > 0).sum(axis=1)),
        "exact": _divide(diagonal.sum(axis=1), total),
        "within_one": _divide((tables * (apart <= 1)).sum(axis=(1, 2)), total),
    }


def _divide(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """part / whole, 0 where whole is 0."""
    import numpy as np

    quotient: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
    return quotient
