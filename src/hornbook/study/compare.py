"""Every arm against one, paired by seed: the figures of the difference, and what they say in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hornbook.display import plural
from hornbook.study.figures import Figure
from hornbook.study.measures import Measure, measure_of
from hornbook.study.settings import Study
from hornbook.study.statistics import LEVEL, MOST, Paired, holm, paired, pairs_needed

# By what two figures are not both of (`Measure.equal`), and why they don't compare then.
_OTHER = {
    "tokenizer": "other tokenizer",
    "problems": "other problems",
    "asked": "other problems",
    "functions": "other functions",
    "text": "other text",
    "long": "other documents",
    "questions": "other questions",
}
_WHY = {
    "other tokenizer": "their tokenizers differ, and this is counted by tokens",
    "other problems": "they were asked other problems: others were held out, or a shorter context leaves some out",
    "other functions": "they completed other functions: others were held out, or a shorter context leaves some out",
    "other text": "other documents of this source were held out",
    "other documents": "other long documents were held out",
    "other questions": "they were asked other questions of this benchmark",
}


def compared(study: Study, found: Sequence[Figure]) -> list[dict[str, Any]]:
    """By checkpoint and figure, in the order of the study's measures: the values of every arm by seed, and each other
    arm's comparison with `against`.
    """
    values: dict[tuple[str, str], dict[str, dict[int, Figure]]] = {}
    for one in found:
        values.setdefault((one.checkpoint, one.measure), {}).setdefault(one.arm, {})[one.seed] = one
    checkpoints = study.checkpoints or _last(study, found)
    told = []
    for name in study.measures:
        for (checkpoint, measure), by_arm in sorted(
            values.items(), key=lambda item: (_place(checkpoints, item[0][0]), item[0][1])
        ):
            if measure.partition(".")[0] == name and checkpoint in checkpoints and study.against in by_arm:
                told.append(
                    {
                        "checkpoint": checkpoint,
                        "measure": measure,
                        "values": {
                            arm: {str(seed): one.value for seed, one in by_arm[arm].items()}
                            for arm in study.arms
                            if arm in by_arm
                        },
                        "arms": _against(study, measure_of(measure), by_arm),
                    }
                )
    return told


def comparable(one: Mapping[str, Any]) -> bool:
    """Whether an arm's comparison is of two figures of the same. Where it is not their difference tells nothing."""
    return one["verdict"] not in _WHY


def _place(checkpoints: Sequence[str], name: str) -> int:
    return checkpoints.index(name) if name in checkpoints else len(checkpoints)


def _last(study: Study, found: Sequence[Figure]) -> tuple[str, ...]:
    """The last of the models for which most of the measures are there: of one that is shrunk fewer are."""
    there: dict[str, set[str]] = {}
    for one in found:
        if one.arm == study.against and one.measure.partition(".")[0] in study.measures:
            there.setdefault(one.checkpoint, set()).add(one.measure)
    most = max(map(len, there.values()), default=0)
    return tuple(name for name, measures in there.items() if len(measures) == most)[-1:]


def _against(study: Study, measure: Measure, by_arm: Mapping[str, Mapping[int, Figure]]) -> list[dict[str, Any]]:
    base = by_arm[study.against]
    pairs: dict[str, tuple[Paired, list[int]]] = {}
    for arm in study.arms:
        shared = [seed for seed in study.seeds if seed in by_arm.get(arm, {}) and seed in base]
        if arm != study.against and shared:
            differences = [
                measure.scaled(by_arm[arm][seed].value) - measure.scaled(base[seed].value) for seed in shared
            ]
            pairs[arm] = paired(differences), shared
    others = {
        arm: [name for name in measure.equal if any(by_arm[arm][s].of.get(name) != base[s].of.get(name) for s in seeds)]
        for arm, (_, seeds) in pairs.items()
    }
    tested = [arm for arm in pairs if not others[arm] and pairs[arm][0].p is not None]
    adjusted = dict(zip(tested, holm([pairs[arm][0].p or 0.0 for arm in tested]), strict=True))
    worth = study.worth.get(measure.name, measure.worth)
    told = []
    for arm, (figures, seeds) in pairs.items():
        needed = None
        if figures.deviation is not None:
            needed = pairs_needed(worth, figures.deviation, LEVEL / max(1, len(tested)))
        verdict = _verdict(measure, figures, adjusted.get(arm), others[arm])
        more = _needed(measure, figures.count, needed, worth)
        told.append(
            {
                "arm": arm,
                "seeds": seeds,
                **asdict(figures),
                "p_holm": adjusted.get(arm),
                "seeds_needed": needed,
                "worth": worth,
                "verdict": verdict,
                "sentence": _sentence(
                    study.against, measure, arm, figures, adjusted.get(arm), verdict, more, len(tested)
                ),
            }
        )
    return told


def _verdict(measure: Measure, figures: Paired, p: float | None, others: Sequence[str]) -> str:
    if others:
        return _OTHER[others[0]]
    if p is None:
        return "one seed"
    if p >= LEVEL:
        return "no difference seen"
    return "better" if (figures.mean > 0) == (measure.better == "higher") else "worse"


def _sentence(
    against: str,
    measure: Measure,
    arm: str,
    figures: Paired,
    p: float | None,
    verdict: str,
    more: str,
    arms: int,
) -> str:
    """What a comparison says, for people."""
    by = f"{measure.difference(figures.mean)} {measure.unit}"
    if verdict in _WHY:
        return f"{arm} and {against} do not compare: {_WHY[verdict]}."
    if verdict == "one seed":
        return f"{arm} differs from {against} by {by} in the one seed they share, which tells nothing of chance."
    assert figures.low is not None and figures.high is not None and p is not None
    if figures.mean == 0 and not figures.deviation:
        return f"{arm} and {against}: no difference seen, they are equal in all {plural(figures.count, 'seed')}."
    interval = f"95% {measure.difference(figures.low)} to {measure.difference(figures.high)}"
    corrected = f" corrected for {arms} arms" if arms > 1 else ""
    found = f"{by} ({interval}; {plural(figures.count, 'seed')}, p {_p(p)}{corrected})"
    if verdict != "no difference seen":
        return f"{arm} is {verdict} than {against}: {found}."
    return f"{arm} and {against}: no difference seen, {found}; {more}."


def _needed(measure: Measure, count: int, needed: int | None, worth: float) -> str:
    """What it takes to see a difference that would matter."""
    size = f"{measure.difference(worth, signed=False)} {measure.unit}"
    if needed is None:
        return f"more than {MOST:,} seeds would be needed to see one of {size}"
    if needed > count:
        return f"{needed:,} seeds would be needed to see one of {size}"
    return f"one of {size} would mostly have been seen"


def _p(p: float) -> str:
    return f"{p:.2f}" if p >= 0.095 else f"{p:.3f}" if p >= 0.001 else "below 0.001"
