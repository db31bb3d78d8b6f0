"""Rows of one's own to learn from: what names them, and how they are read and told.

`shapes` says what a row is. What can't be used costs a counted line, never the training.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator
from rich.markup import escape

from hornbook.corpus.read.formats import Raw, documents
from hornbook.corpus.read.hub import PREFIX
from hornbook.corpus.read.kinds import Foreign, Found
from hornbook.corpus.read.records import has_records, records, unpacked
from hornbook.corpus.read.remote import is_address
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import DOCUMENTATION, documentation, find
from hornbook.display import plural
from hornbook.documents import is_corpus, read_rows
from hornbook.errors import UserError
from hornbook.files import digest_file, digest_value, expanded
from hornbook.progress import Progress
from hornbook.records import Fault
from hornbook.runs.stage import Input, Work
from hornbook.settings import NAME_OR_PLACE, Settings
from hornbook.terminal import in_markup
from hornbook.train.shapes import Completion, UnusableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_READ = ReadSettings(maximum_line=64_000_000)
_TOLD = 5  # reasons that are told of one source
_FEW_STEPS = 10


class Data(Settings):
    """Rows that a training reads: a file, a folder, a corpus, an address or `hf:NAME`, and their share of what is read.

    As a word: `facts.jsonl`, `facts.jsonl:0.7`.
    """

    path: Annotated[str, NAME_OR_PLACE] = Field(min_length=1)
    share: float | None = Field(None, gt=0, description="of what is read; unset: every row as often as any other")

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        path, _, share = value.rpartition(":")
        try:
            return {"path": path, "share": float(share)} if path else {"path": value}
        except ValueError:
            return {"path": value}


def alike(data: Sequence[Data]) -> tuple[Data, ...]:
    """The data, where all of them have a share or none has. Raises ValueError for others."""
    if len({one.share is None for one in data}) > 1:
        raise ValueError("give each of several data its share, a.jsonl:0.7 b.jsonl:0.3, or none of them")
    return tuple(data)


@dataclass
class Given:
    """What was found in some data. rows: what can be learnt from; shapes: how many of which kind; left_out: by reason.

    where: of each row the place that it came from, for people. theirs: whether the user named them, and no stage of
    ours left them.
    """

    name: str
    share: float | None = None
    rows: list[Any] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    shapes: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    theirs: bool = False

    def told(self) -> str:
        """What was recognised, in a line."""
        found = (
            ", ".join(f"{plural(count, 'row')} as {shape}" for shape, count in self.shapes.most_common()) or "nothing"
        )
        return f"{self.name}: {found}" + (f"; left out {self.left_out.total():,}" if self.left_out else "")


def gather(
    data: Sequence[Data],
    base: Path,
    shape: Callable[[Mapping[str, Any]], tuple[str, Any]],
    *,
    own: str,
    progress: Progress,
) -> list[Given]:
    """The rows of each of the data, as `shape` recognises them, and a line that tells of each.

    base: where relative paths start. own: the file of rows that a stage's folder has. Raises UserError for data that
    are not there, and where none of the rows can be used.
    """
    found = []
    for one in data:
        given = Given(one.path, one.share)
        for where, row in _rows(one.path, base, own):
            try:
                if isinstance(row, Fault):
                    raise UnusableError(row.reason)
                kind, made = shape(row)
            except UnusableError as error:
                given.left_out[str(error)] += 1
                given.first.setdefault(str(error), where)
            else:
                given.shapes[kind] += 1
                given.rows.append(made)
                given.where.append(where)
        found.append(given)
        progress.say(f"  {in_markup(given.told())}")
        for reason, count in given.left_out.most_common(_TOLD):
            progress.say(in_markup(f"    {plural(count, 'row')}, at {given.first[reason]} first: {reason}"))
        if not given.rows:
            reason = next(iter(given.left_out.most_common(1)), ("it is empty", 0))[0]
            raise UserError(f"{one.path} holds nothing to learn from: {reason}")
    return found


def warn_of_plain_prompts(sources: Sequence[Given], chat: str, progress: Progress) -> None:
    """Say of each of the user's data how many of its prompts are plain text, for a model that has a chat template.

    They are learnt without it, as TRL does, since a text to go on from may be what is meant. chat: what a chat is told
    by.
    """
    for source in (one for one in sources if one.theirs):
        plain = sum(
            isinstance(row, Completion) or (isinstance(row, dict) and "prompt" in row and not row.get("messages"))
            for row in source.rows
        )
        if plain:
            told = f"{source.name}: {plural(plain, 'prompt')} of plain text, learnt without the model's chat template"
            progress.say(f"  [yellow]warning:[/yellow] {in_markup(f'{told}; a chat is told by {chat}')}")


def _rows(path: str, base: Path, own: str) -> Iterator[tuple[str, Mapping[str, Any] | Fault]]:
    """Each row with its place. A text is a row whose `text` it is."""
    place = base / expanded(path)
    if not _far(path) and is_corpus(place) and not (place / own).is_file():
        for number, row in enumerate(read_rows(place, ["text"]), start=1):
            yield f"document {number}", {"text": row["text"]}
        return
    if path == DOCUMENTATION:
        yield from ((topic, {"text": text}) for topic, text in documentation() if text.strip())
        return
    for found in (one for file in _files(path, base, own) for one in unpacked(file)):
        if isinstance(found, Found) and has_records(found):
            for number, one in enumerate(records(found), start=1):
                yield f"{found.path}:{one.number or number}", one if isinstance(one, Fault) else one.value
            continue
        source = Source(name="data", path=path, split=False)
        for document in documents(found, source, _READ) if isinstance(found, Found) else [found]:
            if isinstance(document, Raw):
                yield document.path, {"text": "".join(document.blocks)}
            elif not isinstance(document, Foreign):
                yield document.path, Fault(document.reason, document.detail)


def _files(path: str, base: Path, own: str) -> list[Found]:
    """The files of some data: of a stage's folder its file of rows."""
    place = base / expanded(path)
    inside = place / own
    source = Source(name="data", path=str(inside) if not _far(path) and inside.is_file() else path)
    try:
        return [one for one in find(source, base) if isinstance(one, Found)]
    except UserError as error:
        raise UserError(str(error).removeprefix("source 'data': ")) from None


def _far(path: str) -> bool:
    return path.startswith(PREFIX) or is_address(path)


@dataclass(frozen=True)
class RowsInput:
    """The rows that a stage learns from: those that another stage left, or the user's own, which a setting names.

    name: of the stage's input. file: of rows, in a stage's folder. shape: what a row is learnt as. data: the setting.
    """

    name: str
    file: str
    shape: Callable[[Mapping[str, Any]], tuple[str, Any]]
    data: Callable[[Any], tuple[Data, ...]]

    def declared(self, made_by: tuple[str, ...], what: str) -> Input:
        """The stage's input, which is read where no data of the user's take its place."""
        return Input(
            self.name,
            made_by,
            what,
            rows=self.file,
            needs=("write",) if made_by else (),
            when=lambda settings, base: not self.data(settings),
        )

    def given(self, work: Work[Any]) -> list[Given]:
        """The rows, as `gather` reads and tells them."""
        own = work.inputs.get(self.name)
        if own is None:
            found = gather(self.data(work.settings), work.base, self.shape, own=self.file, progress=work.progress)
            return [replace(one, theirs=True) for one in found]
        place = own.absolute()  # told by its name, which is the same wherever a run lies
        return gather([Data(path=place.name)], place.parent, self.shape, own=self.file, progress=work.progress)

    def fingerprint(self, settings: Any, base: Path) -> list[str] | None:
        """A hash of what each of the user's data holds; of what lies elsewhere, its address. None without any."""
        data = self.data(settings)
        return [one.path if _far(one.path) else _content(one.path, base, self.file) for one in data] or None

    def places(self, settings: Any, base: Path) -> list[Path]:
        """Those of the user's data that lie on this machine."""
        found = [base / expanded(one.path) for one in self.data(settings) if not _far(one.path)]
        return [place for place in found if place.exists()]


def _content(path: str, base: Path, own: str) -> str:
    if path == DOCUMENTATION:
        return sys.version
    place = base / expanded(path)
    if is_corpus(place) and not (place / own).is_file():
        files = sorted((place / "documents").glob("*.parquet"))
    else:
        files = [one.file for one in _files(path, base, own) if isinstance(one.file, Path)]
    return digest_value([_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files])


@cache
def _digest(file: Path, time: int, size: int) -> str:
    """A file's hash, reckoned once as long as it is not written to."""
    return digest_file(file)


def reading_order(sizes: Sequence[int], sources: Sequence[Given], epochs: float, seed: int) -> NDArray[np.int64]:
    """Which of the rows of all sources, one source after the other, is read when; as many as `epochs` of all have.

    sizes: rows of each source. Without shares each epoch reads every row once; with them a small source may be read
    more often, and a large one less.
    """
    import numpy as np

    from hornbook.tokens.mixture import schedule

    total = max(1, int(sum(sizes) * epochs))
    shares = [source.share for source in sources if source.share is not None]
    if len(shares) < len(sizes):
        return schedule([sum(sizes)], [1.0], total, max(1.0, epochs), seed).rows
    plan = schedule(sizes, shares, total, float(total), seed)
    return plan.rows + np.concatenate([[0], np.cumsum(sizes)[:-1]])[plan.shards]


def tell_few_steps(steps: int, progress: Progress) -> None:
    """Say so where a training ends before it has learnt much."""
    if steps < _FEW_STEPS:
        progress.say(f"  only {plural(steps, 'step')} in all; more epochs or a smaller batch make more of them")


def tell_unread(
    order: NDArray[np.int64],
    batch: int,
    sizes: Sequence[int],
    sources: Sequence[Given],
    what: str,
    progress: Progress,
) -> None:
    """Say how many of the rows no step reads, though each epoch would: the last ones of the order fill none. With
    shares, of which of the data none is read.

    order: as `reading_order` gives it for these sizes. what: what one row is called.
    """
    import numpy as np

    there, read = len(np.unique(order)), np.unique(order[: len(order) // batch * batch])
    if all(source.share is None for source in sources):
        if there > len(read):
            told = f"never read, since the last ones fill no step of {batch:d}: {there - len(read):,} of"
            progress.say(f"  {escape(f'{told} {plural(there, what)}')}")
        return
    of_each = np.histogram(read, bins=np.concatenate([[0], np.cumsum(sizes)]))[0]
    for source, size, count in zip(sources, sizes, of_each, strict=True):
        if size and not count:
            told = f"{source.name}: never read: its share of all {what}s that are read comes to none"
            progress.say(f"  [yellow]warning:[/yellow] {in_markup(f'{told}; raise it, or epochs')}")
