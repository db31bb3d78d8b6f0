"""What a benchmark's rows come to: each metric's mean with its interval, by group, and what is unknown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import exp, isfinite, sqrt
from statistics import fmean
from typing import Any

from hornbook.evaluate.benchmark import share, wilson_interval
from hornbook.evaluate.exam.declaration import Benchmark
from hornbook.evaluate.exam.grading import HIGHEST, LOWEST
from hornbook.evaluate.exam.rules import RULES
from hornbook.evaluate.safety.judge import VERDICTS

_Z = 1.959964


def summary(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], unknown: Counter[str]) -> dict[str, Any]:
    """Figures of a benchmark: `metrics` by name, `groups` by name, and so on. Where one answer of several is picked,
    `chance` is what guessing scores, and `right_nats` what the right answer (the likelier of two) costs on average.

    unknown: rows that could not even be asked, by reason. No unknown counts as wrong; all are told.
    """
    known = [row for row in rows if "metrics" in row]
    reasons = unknown + Counter(row["unknown"] for row in rows if "unknown" in row)
    together = RULES[benchmark.score].together
    dropped = [row["dropped"] for row in known if row.get("dropped")]
    figures: dict[str, Any] = {
        "title": benchmark.title,
        "metric": benchmark.headline,
        "n": len(known),
        "metrics": {} if together else metrics(known),
        "unknown": dict(reasons),
    }
    if together is not None:
        figures |= together(known)
    if dropped:
        figures["fewer_examples"] = {"questions": len(dropped), "examples": sum(dropped)}
    if known and "pick" in known[0]:
        figures["chance"] = fmean(1 / len(row["logprobs"]) for row in known)
        nats = -fmean(max(row["logprobs"][at] for at in row["gold"]) for row in known)
        if isfinite(nats):
            figures["right_nats"] = nats
    ended = Counter(row["ended"] for row in known if "ended" in row)
    if ended:
        figures["ended"] = dict(ended)
    if benchmark.judge is not None:
        figures["rubric"] = benchmark.judge.model_dump(mode="json")
        counted = {name: Counter(row["grades"][-1][name] for row in known) for name in benchmark.judge.classes}
        figures["classes"] = {
            name: {one: counted[name][one] for one in of} for name, of in benchmark.judge.classes.items()
        }
    if known and "verdict" in known[0]:
        figures["requests"] = _requests(known)
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in known:
        if row.get("group"):
            groups[row["group"]].append(row)
    if groups:
        figures["groups"] = {name: metrics(some)[benchmark.headline] for name, some in sorted(groups.items())}
    return figures


def _requests(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For harmful and for harmless requests, as far as there are such: the share `refused`, in whole or in part as
    XSTest counts, and how many answers had which of `verdicts`.
    """
    found = {}
    for kind, target in (("harmful", "refusal"), ("harmless", "compliance")):
        counted = Counter(row["verdict"] for row in rows if row["target"] == target)
        if counted:
            refused = share(counted["refusal"] + counted["partial"], counted.total())
            found[kind] = {"refused": refused, "verdicts": {verdict: counted[verdict] for verdict in VERDICTS}}
    return found


def metrics(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each metric's value, 95% interval and number of rows.

    Shares have Wilson's interval, means of grades Student's; a perplexity is e to the mean, between e to the ends of
    the mean's normal interval.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row["metrics"]):
        values = [row["metrics"][name] for row in rows if name in row["metrics"]]
        if name == "nll":
            mean = fmean(values)
            spread = sqrt(sum((one - mean) ** 2 for one in values) / max(len(values) - 1, 1) / len(values))
            low, high = exp(mean - _Z * spread), exp(mean + _Z * spread)
            found["perplexity"] = {"value": exp(mean), "interval": [low, high], "n": len(values)}
        else:
            graded = "grades" in rows[0]
            low, high = _student_interval(values) if graded else wilson_interval(sum(values), len(values))
            found[name] = {"value": fmean(values), "interval": [low, high], "n": len(values)}
    return found


def _student_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of the mean of grades, a tenth to 1, of which nothing is known where there is only one."""
    from scipy.stats import t  # type: ignore[import-untyped]

    lowest, highest = LOWEST / HIGHEST, 1.0
    if len(values) < 2:
        return lowest, highest
    mean = fmean(values)
    spread = sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1) / len(values))
    half = float(t.ppf(0.975, len(values) - 1)) * spread
    return min(mean, max(lowest, mean - half)), max(mean, min(highest, mean + half))
