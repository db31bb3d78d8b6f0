"""How long work would take: a range, from what this machine does at this moment."""

from __future__ import annotations

import time

import pytest

from hornbook.runs import effort
from hornbook.runs.effort import REFERENCE_FLOPS, Computation, Effort, Rate, Rates, in_range, measure_rates


@pytest.mark.parametrize(
    ("least", "most", "told"),
    [
        (0.2, 0.3, "1 s"),
        (4.2, 38, "4 to 40 s"),
        (88, 88, "90 s"),
        (50, 119, "50 s to 2 min"),
        (100, 421, "2 to 7 min"),
        (4_000, 9_000, "67 min to 2 h"),
        (100_000, 900_000, "28 h to 10 days"),
        (1e9, 1e10, "11,574 to 115,741 days"),
    ],
)
def test_times_as_people_say_them(least: float, most: float, told: str) -> None:
    assert in_range(least, most) == told


def test_a_range_holds_what_the_reference_would_take() -> None:
    work = Effort("", 60.0, (Computation("training", 1, 60 * REFERENCE_FLOPS * effort.TRAINING_EFFICIENCY),))
    reference = Rate(average=REFERENCE_FLOPS, fast=REFERENCE_FLOPS)
    least, most = Rates(reference, reference).seconds(work)
    assert (least, most) == pytest.approx((0.7 * 120, 1.7 * 120))
    shared = Rate(average=REFERENCE_FLOPS / 4, fast=REFERENCE_FLOPS)
    busy = Rates(shared, shared).seconds(work)
    assert busy[0] == least and busy[1] == pytest.approx(4 * most)


def test_only_training_is_faster_where_bf16_is() -> None:
    work = Effort("", 60.0, (Computation("training", 1, 60 * REFERENCE_FLOPS * effort.TRAINING_EFFICIENCY),))
    reference, bf16 = Rate(REFERENCE_FLOPS, REFERENCE_FLOPS), Rate(6 * REFERENCE_FLOPS, 6 * REFERENCE_FLOPS)
    assert Rates(training=bf16, fp32=reference).seconds(work)[0] == pytest.approx(0.7 * (60 + 10))


def test_a_moment_is_measured_and_no_more() -> None:
    measure_rates(0.01)  # torch is imported, and its threads are there
    began = time.perf_counter()
    rates = measure_rates(0.1)
    assert time.perf_counter() - began < 5
    for rate in (rates.training, rates.fp32):
        assert 0 < rate.average <= rate.fast * 1.5
