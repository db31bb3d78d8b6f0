"""How far a round goes: as far towards what it learnt as the model declines few enough look-alikes.

A round moves two things, how well a model tells harmful requests from look-alikes and how much it declines at all. The
second swings by chance from round to round. So look-alikes that are neither learnt nor measured with are asked, and
where too many are declined, the weights go only a part of the way from the first model to the round's end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hornbook.breakfix.look_alikes import look_alikes
from hornbook.breakfix.measure import declined_of, harmless_cases
from hornbook.breakfix.settings import FixSettings
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.safety.judge import Judge
from hornbook.files import digest_value, made_once, remove_folder
from hornbook.progress import Progress
from hornbook.seeds import derive
from hornbook.train.interpolate import interpolate

_HALVINGS = 3  # of the way, until it is known to an eighth


def declined(
    candidate: LocalModel, settings: FixSettings, judge: Judge, progress: Progress, into: Path
) -> dict[str, Any]:
    """The share of the calibration's look-alikes that a model declines, with its interval."""
    seed = derive(settings.seed, "breakfix", "calibration")
    asked = harmless_cases(look_alikes().calibration, settings, seed)
    return declined_of(asked, candidate, judge, settings.new_tokens, progress, into, "calibrate")


def calibrate(
    start: Path,
    end: Path,
    load: Callable[[Path], LocalModel],
    asked: Callable[[LocalModel, Path], dict[str, Any]],
    most: float,
    into: Path,
) -> tuple[Path, dict[str, Any]]:
    """The model furthest on the way from `start` to `end` of which `asked` declines at most a share of `most`, and how
    far that is: 1 is `end`; 0, where none does, `start`.

    The way is halved a few times: what is declined grows along it, by and large. What an interrupted call found stays.
    """

    def search() -> dict[str, Any]:
        tried = {1.0: asked(last, into / "at-1")}
        low, high = 0.0, 1.0
        while tried[1.0]["value"] > most and high - low > 0.5**_HALVINGS:
            middle = (low + high) / 2
            folder = into / f"at-{middle:g}"
            interpolate(start, end, middle, folder / "model")
            tried[middle] = asked(load(folder / "model"), folder)
            low, high = (middle, high) if tried[middle]["value"] <= most else (low, middle)
        taken = 1.0 if tried[1.0]["value"] <= most else low
        return {"taken": taken, "most": most, "tried": [{"share": one, **tried[one]} for one in sorted(tried)]}

    last = load(end)
    key = digest_value([last.identity, load(start).identity, most])
    found: dict[str, Any] = made_once(into / "calibration.json", key, search)
    taken = found["taken"]
    for other in into.glob("at-*/model"):
        if other.parent.name != f"at-{taken:g}":
            remove_folder(other)
    if taken in (0.0, 1.0):
        return (end if taken else start), found
    return into / f"at-{taken:g}" / "model", found
