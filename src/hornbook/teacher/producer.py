"""The one writing line: rows from any teacher until so many pass, each checked, repeats dropped, all told why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from hornbook.errors import UserError
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

BATCH = 200  # rows that are checked together
MOST_ASKED = 5  # rows that are asked for in all, for each one that is wanted
HOPELESS = 200  # rows of which not one passes, from the first, after which no more are asked for
SHOWN = 200  # characters of a reason that are shown to a person

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


@dataclass(frozen=True)
class Failed:
    """A row that could not be had, and why. `number` is its place in the teacher's order."""

    reason: str
    number: int = 0


class UnusableError(ValueError):
    """What a row is no good for, a reason to count by before the first colon."""


NOT_A_ROW_S_FAULT = (UserError, OSError)  # a wrong setting, a full disk: passed on, whatever row was at hand


class Source(Protocol[R]):
    """Where rows come from: a teacher with one kind of what it writes. Reasons are counted up to their first colon."""

    @property
    def hint(self) -> str:
        """What to change where not one row passes, which ends the run; empty where it does not."""

    def more(self, count: int) -> Generator[R | Failed, None, None]:
        """The next `count` rows, or as many as there are."""

    def complaints(self, rows: Sequence[R], sandbox: Sandbox | None) -> Iterable[str]:
        """For each row what is wrong with it; empty when nothing is."""


class Sink(Protocol[R_contra]):
    """Where rows go."""

    def identity(self, row: R_contra) -> str:
        """Rows with the same one repeat each other; empty for a row that may come again."""

    def keep(self, row: R_contra) -> str:
        """Take a row that passed. Returns the id that it is found by."""

    def drop(self, row: R_contra | Failed, reason: str, kept: str) -> None:
        """Take a row that did not pass; `kept` is the id of the one that it repeats, if it does."""


def nothing_wrong(rows: Sequence[object], sandbox: Sandbox | None) -> Iterable[str]:
    """Complaints of rows that need no check."""
    return [""] * len(rows)


class Composed(Generic[R]):
    """A source of rows that a program composes: as many as it yields, which may be without end."""

    def __init__(
        self,
        rows: Iterable[R | Failed],
        complaints: Callable[[Sequence[R], Sandbox | None], Iterable[str]] = nothing_wrong,
        *,
        hint: str = "",
    ) -> None:
        self._rows, self._complaints, self.hint = iter(rows), complaints, hint

    def more(self, count: int) -> Generator[R | Failed, None, None]:
        """See `Source.more`."""
        yield from islice(self._rows, count)

    def complaints(self, rows: Sequence[R], sandbox: Sandbox | None) -> Iterable[str]:
        """See `Source.complaints`."""
        return self._complaints(rows, sandbox)


@dataclass
class Tally:
    """How many rows were asked for, kept and, by reason, removed."""

    asked: int = 0
    kept: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    first_reason: str = ""  # why the first removed row was removed, in full
    ids: dict[str, str] = field(default_factory=dict)  # of kept rows, by what they have in common with a repeat

    def drop(self, reason: str) -> None:
        """Count a removed row."""
        self.first_reason = self.first_reason or reason
        self.removed[reason.partition(":")[0]] += 1

    def hopeless(self) -> bool:
        """Whether so many rows have come to nothing that further ones would as well."""
        return not self.kept and self.removed.total() >= HOPELESS

    def reasons(self) -> dict[str, int]:
        """Removed rows by reason, for a manifest."""
        return dict(sorted(self.removed.items()))


def produce(
    source: Source[R],
    count: int,
    sink: Sink[R],
    *,
    label: str,
    teacher: str,
    sandbox: Sandbox | None = None,
    guard: Callable[[R], str] = lambda row: "",
    progress: Progress | None = None,
) -> Tally:
    """Have `count` rows written. `guard` is a further complaint about a row that passed the source's own.

    First `count` rows are asked for; those that failed or did not pass are made up for by further ones, until
    MOST_ASKED is reached, the source has no more, or the first HOPELESS rows brought nothing at all. A row that makes
    its reader, its checks or its sink raise is removed like any other that does not pass.
    Raises UserError where not one row passes, if the source has a hint for that, and what the teacher raises when it
    cannot be asked any more: BudgetError, UserError.
    """
    tally = Tally()
    with (progress or Progress()).task(f"write {label}", total=count) as task:
        while tally.kept < count and tally.asked < MOST_ASKED * count and not tally.hopeless():
            wanted = min(count - tally.kept, MOST_ASKED * count - tally.asked)
            before = tally.asked
            with closing(source.more(wanted)) as rows:
                batches = _batches(rows)
                for batch in _ahead(batches) if isinstance(source, Composed) else batches:
                    kept = tally.kept
                    _take(batch, source, sink, sandbox, guard, tally)
                    task.advance(tally.kept - kept)
                    if tally.hopeless():
                        break
            if tally.asked - before < wanted:
                break
    if count and not tally.kept and source.hint:
        raise UserError(_nothing(label, teacher, tally, source.hint))
    return tally


def attempt(make: Callable[[], R], number: int = 0) -> R | Failed:
    """What `make` returns, or, where it raises, a row that failed."""
    try:
        return make()
    except NOT_A_ROW_S_FAULT:
        raise
    except UnusableError as error:
        return Failed(str(error), number)
    except Exception as error:  # whatever one row does, it must not end the run
        return Failed(f"could not be read: {_words(error)}", number)


def _batches(rows: Iterator[R]) -> Iterator[list[R]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _ahead(batches: Iterator[list[R]]) -> Iterator[list[R]]:
    """The same batches, each drawn by a thread while the sandbox, which is waited for, is at the one before it."""
    with ThreadPoolExecutor(1, "hornbook-compose") as thread:
        coming = thread.submit(next, batches, None)
        while batch := coming.result():
            coming = thread.submit(next, batches, None)
            yield batch


def _take(
    batch: Sequence[R | Failed],
    source: Source[R],
    sink: Sink[R],
    sandbox: Sandbox | None,
    guard: Callable[[R], str],
    tally: Tally,
) -> None:
    """Check some rows and put each where it belongs."""
    tally.asked += len(batch)
    verdicts = iter(_verdicts([row for row in batch if not isinstance(row, Failed)], source, sink, sandbox, guard))
    for row in batch:
        if isinstance(row, Failed):
            reason, repeated = row.reason, ""
        else:
            reason, identity = next(verdicts)
            repeated = "" if reason else tally.ids.get(identity, "")
            reason = reason or ("duplicate" if repeated else "")
        if not reason and not isinstance(row, Failed):
            name, reason = _keep(row, sink)
            if not reason:
                tally.kept += 1
                if identity:
                    tally.ids[identity] = identity if name == identity else name  # one text, not two alike
        if reason:
            tally.drop(reason)
            _drop(row, reason, repeated, sink)


def _keep(row: R, sink: Sink[R]) -> tuple[str, str]:
    """The id of a row that was kept, or why it could not be."""
    try:
        return sink.keep(row), ""
    except NOT_A_ROW_S_FAULT:
        raise
    except Exception as error:
        return "", f"could not be kept: {_words(error)}"


def _drop(row: R | Failed, reason: str, repeated: str, sink: Sink[R]) -> None:
    """Put a row among those that were removed; one that cannot even be put there without what it holds."""
    try:
        sink.drop(row, reason, repeated)
    except NOT_A_ROW_S_FAULT:
        raise
    except Exception:
        sink.drop(Failed(reason), reason, repeated)


def _verdicts(
    rows: Sequence[R],
    source: Source[R],
    sink: Sink[R],
    sandbox: Sandbox | None,
    guard: Callable[[R], str],
) -> list[tuple[str, str]]:
    """For each row what is wrong with it, and where nothing is, its identity."""
    try:
        complaints = list(source.complaints(rows, sandbox))
        found = [(wrong or guard(row), sink.identity(row)) for row, wrong in zip(rows, complaints, strict=True)]
    except NOT_A_ROW_S_FAULT:
        raise
    except Exception as error:  # one of them is at fault, and only that one is removed
        if len(rows) == 1:
            return [(f"could not be checked: {_words(error)}", "")]
        return [verdict for row in rows for verdict in _verdicts([row], source, sink, sandbox, guard)]
    return found


def _words(error: Exception) -> str:
    try:
        said = str(error)
    except Exception as other:  # it wants to show a number of too many digits
        said = f"its message cannot be shown ({type(other).__name__})"
    return f"{type(error).__name__}: {said}".encode("utf-8", "backslashreplace").decode()


def _nothing(label: str, teacher: str, tally: Tally, hint: str) -> str:
    """What to tell where not one row passed."""
    counts = ", ".join(f"{count:,} {reason}" for reason, count in tally.reasons().items())
    first = " ".join(tally.first_reason.split())
    shown = first if len(first) <= SHOWN else first[:SHOWN] + "…"
    return (
        f"{label}: of {tally.removed.total():,} rows by {teacher} not one passed its checks ({counts}; "
        f"the first: {shown}). Nothing was written. {hint}"
    )
