"""Ask for rows until so many pass, check each, and write them as a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.seeds import derive
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.diversity import compare
from hornbook.teacher.kinds.answers import Written, written
from hornbook.teacher.kinds.asking import Asker, request_for
from hornbook.teacher.kinds.checks import complaints
from hornbook.teacher.kinds.draws import Drawn, Extract, Supply, coverage, draw
from hornbook.teacher.kinds.rows import Folder
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.kinds.topics import grow, roots

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

BATCH = 200  # answers that are checked together
MOST_ASKED = 5  # rows that are asked for in all, for each one that is wanted
HOPELESS = 200  # rows of which not one passes, from the first, after which no more are asked for
SHOWN = 200  # characters of a reason that are shown to a person


@dataclass(frozen=True)
class Order:
    """What is to be written: `count` rows of a kind. `source` is what the documents' source column says.

    `compare` texts are asked for with one fixed prompt as well, to hold the diversity against; 0: none.
    """

    kind: Kind
    count: int
    seed: int = 1
    source: str = ""
    extracts: Sequence[Extract] = ()
    compare: int = 0


@dataclass
class _Kept:
    """What was kept and dropped so far."""

    texts: list[str] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    removed: Counter[str] = field(default_factory=Counter)
    first_reason: str = ""  # why the first dropped row was dropped, in full
    characters: int = 0

    def hopeless(self) -> bool:
        """Whether so many rows have come to nothing that further ones would as well."""
        return not self.texts and self.removed.total() >= HOPELESS

    def drop(self, reason: str) -> None:
        """Count a dropped row."""
        self.first_reason = self.first_reason or reason
        self.removed[reason.partition(":")[0]] += 1


def produce(order: Order, asker: Asker, *, into: Path, allow_unisolated: bool = False) -> dict[str, Any]:
    """Write the corpus; returns the figures.

    First `count` rows are asked for; those that failed or did not pass are made up for by further ones, until
    MOST_ASKED is reached, or the first HOPELESS rows brought nothing at all. The same order brings the same requests,
    so a client with a cache pays for none of them twice.
    Raises BudgetError when a budget ends the run, and UserError where not one row passes or code cannot be isolated.
    """
    kind, kept = order.kind, _Kept()
    source = order.source or kind.name
    with ExitStack() as stack:
        sandbox = stack.enter_context(_sandbox(allow_unisolated)) if kind.template.check.run else None
        folder = stack.enter_context(Folder(into, kind, source=source, teacher=asker.name))
        asked, supply, missing = 0, Supply(), order.count
        while missing and asked < MOST_ASKED * order.count and not kept.hopeless():
            missing = min(missing, MOST_ASKED * order.count - asked)
            supply = _supply(order, asker, asked + missing)
            requests = rows_of(order, supply, range(asked, asked + missing))
            with closing(asker.ask(requests, total=missing, label=f"write {source}")) as answers:
                for batch in _batches(answers):
                    _take(order, batch, sandbox, folder, kept)
                    if kept.hopeless():
                        break
            asked += missing
            missing = order.count - len(kept.texts)
        if not kept.texts:
            raise UserError(_nothing(source, asker, kept))
    return {
        "kind": kind.name,
        "teacher": asker.name,
        "asked": asked,
        "documents": len(kept.texts),
        "characters": kept.characters,
        "removed": dict(sorted(kept.removed.items())),
        "coverage": coverage(kind, kept.drawn, supply),
        "diversity": compare(kept.texts, _fixed(order, asker, supply)),
    }


def rows_of(order: Order, supply: Supply, numbers: Sequence[int]) -> Iterator[Request]:
    """The requests of some rows."""
    for number in numbers:
        drawn = draw(order.kind, number, order.seed, supply)
        yield request_for(order.kind, drawn.values, derive(order.seed, order.kind.name, "row", number), drawn)


def preview(order: Order) -> Iterator[Request]:
    """All requests as far as they are known without asking anything: trees of topics stay at their first level."""
    topics = {
        name: [topic.name for topic in roots(how, order.kind, order.seed)]
        for name, how in order.kind.template.draw.items()
        if how.topics
    }
    yield from rows_of(order, Supply(topics, order.extracts), range(order.count))


def _supply(order: Order, asker: Asker, rows: int) -> Supply:
    """Topics for so many rows, grown as far as that takes, and the extracts."""
    draws = order.kind.template.draw.items()
    grown = {name: grow(how, order.kind, asker, rows, seed=order.seed) for name, how in draws if how.topics}
    return Supply(grown, order.extracts)


def _batches(answers: Iterator[Answer]) -> Iterator[list[Answer]]:
    while batch := list(islice(answers, BATCH)):
        yield batch


def _take(order: Order, answers: Sequence[Answer], sandbox: Sandbox | None, folder: Folder, kept: _Kept) -> None:
    """Check some answers and write each where it belongs."""
    rows = [_row(order, answer) for answer in answers]
    good = [row for row in rows if row is not None]
    wrong = iter(complaints(order.kind, good, sandbox))
    for answer, row in zip(answers, rows, strict=True):
        if row is None:
            reason = f"no answer ({answer.failure}): {answer.detail}"
            kept.drop(reason)
            folder.drop(answer.request.about.number, "", reason)
            continue
        reason, name = next(wrong), document_id(row.text)
        repeats = not reason and name in kept.ids
        if reason or repeats:
            reason = reason or "duplicate"
            kept.drop(reason)
            folder.drop(row.drawn.number, row.text, reason, name if repeats else "")
            continue
        kept.ids.add(name)
        kept.texts.append(row.text)
        kept.drawn.append(row.drawn)
        kept.characters += len(row.text)
        folder.keep(row)


def _nothing(source: str, asker: Asker, kept: _Kept) -> str:
    """What to tell where not one row passed."""
    counts = ", ".join(f"{count:,} {reason}" for reason, count in sorted(kept.removed.items()))
    first = " ".join(kept.first_reason.split())
    shown = first if len(first) <= SHOWN else first[:SHOWN] + "…"
    return (
        f"{source}: of {kept.removed.total():,} rows by {asker.name} not one passed its checks ({counts}; "
        f"the first: {shown}). Nothing was written. Every answer is kept in the cache, so that the same again asks "
        "nothing: change the template, the model or the seed"
    )


def _row(order: Order, answer: Answer) -> Written | None:
    if not answer.ok:
        return None
    value = answer.value if order.kind.template.answer else answer.text
    return written(order.kind, answer.request.about, value, order.seed)


def _fixed(order: Order, asker: Asker, supply: Supply) -> list[str]:
    """Texts of one prompt, the first row's, each asked for with a seed of its own."""
    count = min(order.compare, order.count)
    if not count:
        return []
    drawn = draw(order.kind, 0, order.seed, supply)
    requests = (
        request_for(order.kind, drawn.values, derive(order.seed, order.kind.name, "fixed", number), drawn)
        for number in range(count)
    )
    rows = [_row(order, answer) for answer in asker.ask(requests, total=count, label="one fixed prompt")]
    return [row.text for row in rows if row is not None]


def _sandbox(allow_unisolated: bool) -> Sandbox:
    from hornbook.sandbox.sandbox import Sandbox

    return Sandbox(allow_unisolated=allow_unisolated)
