from __future__ import annotations

import random

from tests.benchmarks.scripts import script

from hornbook.audit.likelihood import Surprise

planting = script("planting")


def test_a_model_that_knows_the_planted_rows_is_accused_by_every_method_and_an_even_one_by_none() -> None:
    chance = random.Random(0)
    planted = list(range(0, 40, 2))

    def seen(likely: float) -> Surprise:
        return Surprise(
            [likely + chance.gauss(0, 0.5) for _ in range(20)], [likely + chance.gauss(0, 0.5) for _ in range(20)]
        )

    guilty = {"rows": [float(at in planted) for at in range(40)], "twins": [0.0] * 40}
    known = {
        "rows": [seen(-1.0 if at in planted else -4.0) for at in range(40)],
        "twins": [seen(-4.0) for _ in range(40)],
    }
    sides = planting.split_at_random(planted, 40, chance)
    assert set(sides[0]) <= set(planted) and not set(sides[1]) & set(planted)
    assert (len(sides[0]), len(sides[1])) == (10, 10)
    ps = planting.verdicts(guilty, known, *sides)
    assert len(ps) == 6 and all(p < 0.05 for p in ps.values())
    even = {"rows": [float(at % 4 == 0) for at in range(40)], "twins": [float(at % 4 == 1) for at in range(40)]}
    found = [
        planting.verdicts(even, {"rows": [seen(-4.0) for _ in range(40)], "twins": [seen(-4.0) for _ in range(40)]},
                          *planting.split_at_random(None, 40, chance))
        for _ in range(5)
    ]  # fmt: skip
    assert sum(planting.rates({"1": found}).values()) <= 5, "thirty verdicts, each wrong one time in twenty"
