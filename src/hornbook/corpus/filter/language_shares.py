"""Languages held to their shares of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.documents import REMOVED, CorpusWriter, read_rows, shards
from hornbook.errors import UserError
from hornbook.files import digest_value, read_json
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.seeds import derive
from hornbook.workers.portion import FINISHED, Advance, Portion
from hornbook.workers.work import work_through

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARE_FULL = "language share full"
OTHERS = "*"  # all languages that have no share of their own, together

_DRAWN = 1 << 20  # lots of which each document has one, by which it is within its language's share or not


def cap(
    folders: Sequence[Path],
    schema: Any,
    languages: Mapping[str, int],
    limits: Mapping[str, float],
    into: Path,
    progress: Progress,
) -> tuple[list[Path], Counter[str]]:
    """Drop documents of the corpora `folders` in languages that have too much, chosen by their ids.

    `languages`: the characters of each; `limits`: `filter.language.shares`. Works in the scratch folder of `into`.

    Returns the folders of the corpora that are left, and how many characters of each language were dropped; under an
    empty name, how many documents.
    """
    amounts: Counter[str | None] = Counter()
    for name, characters in languages.items():
        amounts[group(name, limits)] += characters
    room = allowed(amounts, limits)
    if room is None:
        raise UserError(
            "filter.language.shares can't be met: every language there is has a share, and these make less than 1"
        )
    edges = _edges(folders, room, limits)
    parts = [
        Portion(
            folder=into / SCRATCH / f"capped-{number:05d}",
            key=digest_value([edges, dict(limits), read_json(folder / FINISHED)]),
            work=partial(_cap_one, folder, schema, edges, limits),
            size=sum(shard.size for shard in shards(folder)),
            units=sum(shard.rows for shard in shards(folder)),
        )
        for number, folder in enumerate(folders)
    ]
    dropped: Counter[str] = Counter()
    for found in work_through(parts, "cap languages", progress):
        dropped.update(found)
    return [part.folder for part in parts], dropped


def _cap_one(
    folder: Path, schema: Any, edges: Mapping[str, int], limits: Mapping[str, float], into: Path, advance: Advance
) -> Counter[str]:
    """One portion without the documents beyond their groups' edges."""
    dropped: Counter[str] = Counter()
    with CorpusWriter(into, schema) as corpus:
        for row in read_rows(folder, part=REMOVED):
            corpus.drop(row, row["reason"], row["kept"])
        for row in read_rows(folder):
            name = group(row["language"], limits)
            if name is not None and _draw(row["id"]) >= edges.get(name, _DRAWN):
                corpus.drop(row, SHARE_FULL)
                dropped.update({row["language"]: len(row["text"]), "": 1})
            else:
                corpus.keep(row)
            advance(1)
    return dropped


def _edges(folders: Sequence[Path], room: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, int]:
    """For each group with too much: documents whose draw is not below this go."""
    import numpy as np

    drawn: dict[str, NDArray[np.int64]] = {name: np.zeros(_DRAWN, np.int64) for name in room}
    for folder in folders if room else ():
        for row in read_rows(folder, ["id", "text", "language"]):
            name = group(row["language"], limits)
            if name in drawn:
                drawn[name][_draw(row["id"])] += len(row["text"])
    return {name: int((drawn[name].cumsum() <= room[name]).sum()) for name in sorted(drawn)}


def _draw(identity: str) -> int:
    """A document's own number below _DRAWN: ids of corpora that others made may be any text."""
    return derive(0, "language share", identity) % _DRAWN


def group(language: str, shares: Mapping[str, float]) -> str | None:
    """The key of `shares` that a language counts under; None if it may have any share."""
    if language in shares:
        return language
    return OTHERS if OTHERS in shares else None


def allowed(amounts: Mapping[str | None, int], shares: Mapping[str, float]) -> dict[str, float] | None:
    """How much of each group may stay, for the groups that have too much, given how much there is of each.

    What is capped is a share of what is left in the end. None: no amount of any language obeys, since all groups that
    are there have shares, and these make less than one.
    """
    capped: set[str] = set()
    while True:
        free = sum(amount for name, amount in amounts.items() if name not in capped)
        taken = sum(shares[name] for name in capped)
        if taken >= 1 or (free == 0 and capped):
            return None
        total = free / (1 - taken)
        over = {
            name
            for name, amount in amounts.items()
            if name is not None and name not in capped and amount > shares[name] * total
        }
        if not over:
            return {name: shares[name] * total for name in capped}
        capped |= over
