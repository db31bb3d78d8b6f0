"""Rows that a training never learns from, to be measured by: chosen by what they say, whatever the seed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.files import digest_bytes
from hornbook.progress import Progress
from hornbook.terminal import in_markup
from hornbook.train.data import Given
from hornbook.train.figures import loss_told
from hornbook.train.settings import TrainSettings

AUTO = "auto"
_SHARE, _LEAST, _MOST = 0.02, 10, 100  # of the rows, and rows, that "auto" holds out
_ENOUGH = 200  # rows; of fewer "auto" holds out none

# What a stage's command has unless told otherwise; a recipe holds out what it says.
ALONE = {"validation": AUTO}


class HeldOutSettings(TrainSettings):
    """What is held out of the rows, how often a training is measured on it, and what follows from that."""

    validation: float | Literal["auto"] = Field(
        0,
        description="share of the rows, or from 1 on their number, that is held out; auto: "
        f"{_SHARE:.0%} of them, {_LEAST} to {_MOST}, where there are {_ENOUGH} at least",
    )
    validate_every: int | None = Field(None, ge=1, description="steps between validations; unset: five in all, evenly")
    patience: int | None = Field(
        None, ge=1, description="so many validations in a row without a lower loss end the training"
    )
    keep: Literal["best", "last"] = Field("best", description="which weights it ends with, by the loss held out")

    @field_validator("validation", mode="before")
    @classmethod
    def _share_or_number(cls, value: Any) -> Any:
        number = float(value) if isinstance(value, int | float) else -1.0
        if value != AUTO and not (0 <= number < 1 or (number > 0 and number.is_integer())):
            raise ValueError("a share below 1, a whole number of rows, or auto")
        return value

    @model_validator(mode="after")
    def _something_to_measure(self) -> Self:
        if self.validation == 0 and (self.patience or self.validate_every):
            raise ValueError("patience and validate_every need rows to measure by; set validation, too")
        return self


def told(outcome: Mapping[str, Any]) -> str:
    """A training's loss on what was held out, for its headline, from its figures; empty where nothing was."""
    found = outcome.get("validation")
    return f", held out {loss_told(found['before'])} → {loss_told(found['after'])}" if found else ""


def split(sources: Sequence[Given], settings: HeldOutSettings, progress: Progress) -> tuple[list[Given], list[Given]]:
    """What is learnt of the sources, and what is held out of them; of each as much as it has of all rows, to a row.

    Rows are drawn by their hashes: every seed, and any number of ranks, has the same ones. What equals a row that is
    held out is not learnt either, in whichever source it is, and is measured once. Raises UserError where nothing would
    be left to learn from, and where nothing can be held out though the settings want it.
    """
    from hornbook.tokens.mixture import divide

    there = sum(len(source.rows) for source in sources)
    wanted = _number(settings, there)
    if not wanted:
        if settings.validation == AUTO:
            progress.say(f"  nothing is held out of {plural(there, 'row')}: too few; validation=0.1 holds out a tenth")
        return list(sources), []
    named = [[_digest(row) for row in source.rows] for source in sources]
    copies = Counter(digest for digests in named for digest in digests)
    chosen: set[str] = set()
    sizes = [len(digests) for digests in named]
    limits = sizes if settings.validation == wanted >= there else [max(0, size - 1) for size in sizes]
    for digests, count in zip(named, divide(wanted, sizes, limits), strict=True):
        chosen |= _drawn(set(digests) - chosen, copies, count)
    learnt, held, seen = [], [], set[str]()
    for source, digests in zip(sources, named, strict=True):
        left = [at for at, digest in enumerate(digests) if digest not in chosen]
        out = {digest: at for at, digest in reversed(list(enumerate(digests))) if digest in chosen - seen}
        seen |= out.keys()
        if not left:
            raise UserError(f"validation would hold out all of {source.name}; lower it, or set validation=0")
        learnt.append(_rows(source, left))
        held.append(_rows(source, [out[digest] for digest in sorted(out)]))
    number = sum(len(one.rows) for one in held)
    if not number:
        why = "too few of one source, or too many are equal"
        if settings.validation == AUTO:
            progress.say(f"  nothing is held out of {plural(there, 'row')}: {in_markup(why)}")
            return list(sources), []
        raise UserError(f"nothing can be held out of {plural(there, 'row')}: {why}; set validation=0")
    progress.say(f"  held out to measure by, and never learnt: {number:,} of {there:,} rows (validation=0: none)")
    return learnt, held


def _number(settings: HeldOutSettings, there: int) -> int:
    """How many of the rows are held out."""
    wanted = settings.validation
    if isinstance(wanted, str):
        return min(_MOST, max(_LEAST, round(_SHARE * there))) if there >= _ENOUGH else 0
    return round(wanted) if wanted >= 1 else max(1, round(wanted * there)) if wanted else 0


def _drawn(digests: set[str], copies: Counter[str], count: int) -> set[str]:
    """The first of these by their order that make up so many rows at most, copies among them."""
    drawn = set()
    for digest in sorted(digests):
        if copies[digest] <= count:
            drawn.add(digest)
            count -= copies[digest]
    return drawn


def _digest(row: Any) -> str:
    return digest_bytes(json.dumps(row, sort_keys=True).encode())


def _rows(source: Given, numbers: Sequence[int]) -> Given:
    where = source.where or [""] * len(source.rows)
    return replace(source, rows=[source.rows[at] for at in numbers], where=[where[at] for at in numbers])
