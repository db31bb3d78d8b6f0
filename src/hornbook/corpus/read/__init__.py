"""The first stage: raw files become a corpus of documents.

`sources` says which files a source means, `formats` what documents a file holds, `chunking` where long ones are cut.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hornbook.corpus.read.chunking import chunks
from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Foreign, Found, Unreadable
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import DOCUMENTATION, STANDARD_LIBRARY, documentation, look_through
from hornbook.corpus.read.walk import spelled
from hornbook.display import plural
from hornbook.documents import REMOVED, CorpusWriter, Row, document_id, document_schema, merge
from hornbook.errors import UserError
from hornbook.files import digest_value, expanded
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Stage, Work
from hornbook.settings import Settings
from hornbook.teacher.settings import PREFIX
from hornbook.terminal import in_markup
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

# So many files left out for one reason are named on the screen; all are in `removed/`.
_COMPLAINTS = 5
_COUNTED = ("files", "documents", "characters", "bytes")
_PORTION_BYTES = 64_000_000  # of files, about
_UNKNOWN_SIZE = 16_000_000  # taken for the bytes of a file that does not tell its size


def read(
    sources: Sequence[Source], settings: ReadSettings, *, base: Path, into: Path, progress: Progress
) -> dict[str, Any]:
    """Read `sources` into the corpus `into`: `documents/` and, for what could not be used, `removed/`.

    Documents are ordered by source, file, record and chunk, and only one is held in memory at a time. Relative paths
    of sources are relative to `base`. Files are read in portions; what an interrupted call finished is not read again.
    Returns the figures: documents, characters, bytes (UTF-8), files, all of them for each source as well, how many were
    removed for each reason (`removed`), how many were read in part (`flaws`), and how many files of other kinds were
    left out (`unknown`, by ending). Raises UserError for a source that doesn't exist or holds nothing readable, and
    when no document is left at all.
    """
    counted = Counter(source.name for source in sources)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise UserError(f"two sources are called {twice[0]!r}: give each its own name")
    ordered = sorted(sources, key=lambda source: source.name)
    unknown: Counter[str] = Counter()
    items = [Item(source, file) for source in ordered for file in _found(source, base, unknown, progress)]
    parts = [_part(number, part, settings, into) for number, part in enumerate(portions(items))]
    figures = {source.name: dict.fromkeys(_COUNTED, 0) for source in ordered}
    reasons: dict[str, Counter[str]] = {source.name: Counter() for source in ordered}
    packed: dict[str, Counter[str]] = {source.name: Counter() for source in ordered}
    flaws: dict[str, Counter[str]] = {source.name: Counter() for source in ordered}
    complaints: dict[str, list[list[str]]] = {source.name: [] for source in ordered}
    for found in work_through(parts, "read documents", progress):
        for name, counts in found.items():
            reasons[name] += Counter(counts["reasons"])
            complaints[name] += counts["complaints"]
            figures[name] = {key: figures[name][key] + counts[key] for key in _COUNTED}
            packed[name] += Counter(counts["unknown"])
            flaws[name] += Counter(counts["flaws"])
    unknown += sum(packed.values(), Counter())
    for source in ordered:
        if packed[source.name]:
            progress.say(f"  {in_markup(source.name)}: in archives, {in_markup(_strange(packed[source.name]))}")
        _complain(source, reasons[source.name], flaws[source.name], complaints[source.name], progress)
    removed: Counter[str] = sum(reasons.values(), Counter())
    totals = {name: sum(one[name] for one in figures.values()) for name in _COUNTED}
    if totals["documents"] == 0:
        found = ", ".join(f"{count} {reason}" for reason, count in sorted(removed.items())) or "nothing there"
        raise UserError(f"no documents in {', '.join(sorted(figures)) or 'no sources'}: {found}")
    merge([part.folder for part in parts], into)
    return {
        **{name: totals[name] for name in ("documents", "characters", "bytes", "files")},
        "sources": {name: {**one, "removed": reasons[name].total()} for name, one in figures.items()},
        "removed": dict(sorted(removed.items())),
        "flaws": dict(sorted(sum(flaws.values(), Counter()).items())),
        "unknown": dict(sorted(unknown.items())),
    }


@dataclass(frozen=True)
class Item:
    """One file of one source; None stands for a source that has no files."""

    source: Source
    file: Found | Unreadable | None

    @property
    def size(self) -> int:
        """Bytes to read; a guess where something far away does not tell."""
        if not isinstance(self.file, Found):
            return 0
        told = self.file.file.stat().st_size
        return told if isinstance(self.file.file, Path) else told or _UNKNOWN_SIZE

    @property
    def identity(self) -> list[Any]:
        """What tells this file, as it is, from any other."""
        if not isinstance(self.file, Found):
            return [self.source.model_dump(mode="json"), repr(self.file)]
        stat = self.file.file.stat()
        return [
            self.source.model_dump(mode="json"),
            spelled(str(self.file.file)),
            self.file.path,
            stat.st_size,
            stat.st_mtime_ns,
        ]


def portions(items: Sequence[Item], size: int = _PORTION_BYTES) -> Iterator[list[Item]]:
    """The items in order, cut where a portion would hold more than `size` bytes; a larger file is alone in one."""
    held: list[Item] = []
    held_size = 0
    for item in items:
        if held and held_size + item.size > size:
            yield held
            held, held_size = [], 0
        held.append(item)
        held_size += item.size
    if held:
        yield held


def _found(source: Source, base: Path, unknown: Counter[str], progress: Progress) -> list[Found | Unreadable | None]:
    """What a source holds: files, or None for the interpreter's documentation, which has none.

    Files of kinds that are not read are said, and added to `unknown` by the endings of their names.
    """
    if source.path != DOCUMENTATION:
        files, strange = look_through(source, base)
        if strange:
            unknown += strange
            progress.say(f"  {in_markup(source.name)}: {in_markup(_strange(strange))}")
        return list(files)
    if next(documentation(), None) is None:
        progress.say(f"  {in_markup(source.name)}: this Python came without its documentation")
    return [None]


def _strange(counts: Counter[str]) -> str:
    """How many files of which other kinds, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{count:,} {kind}" for kind, count in ordered[:_COMPLAINTS]]
    if len(ordered) > _COMPLAINTS:
        told.append(f"{sum(count for _, count in ordered[_COMPLAINTS:]):,} more")
    files = plural(counts.total(), "file of another kind", "files of other kinds")
    return f"{files} left out: {', '.join(told)}"


def _part(number: int, items: Sequence[Item], settings: ReadSettings, into: Path) -> Portion:
    return Portion(
        folder=into / SCRATCH / f"read-{number:05d}",
        key=digest_value([settings.model_dump(mode="json"), [item.identity for item in items]]),
        work=partial(_read_files, items, settings),
        size=sum(item.size for item in items),
        units=len(items),
    )


def _read_files(items: Sequence[Item], settings: ReadSettings, folder: Path, advance: Advance) -> dict[str, Any]:
    """Read some files into a corpus of their own.

    Returns the figures of each source; under `reasons` how many were left out for each, under `complaints` the path,
    the reason and more of the first of them.
    """
    figures: dict[str, dict[str, Any]] = {}
    with CorpusWriter(folder, document_schema(), more=True) as corpus:
        for item in items:
            name = item.source.name
            if name not in figures:
                counters: dict[str, Counter[str]] = {kind: Counter() for kind in ("reasons", "flaws", "unknown")}
                figures[name] = {**dict.fromkeys(_COUNTED, 0), **counters, "complaints": []}
            _read_item(item, settings, figures[name], corpus)
            advance(1)
    return figures


def _read_item(item: Item, settings: ReadSettings, figures: dict[str, Any], corpus: CorpusWriter) -> None:
    """Read one file, and add to the figures of its source."""
    source = item.source
    figures["files"] += isinstance(item.file, Found)
    for document in _documents(item, settings):
        if isinstance(document, Foreign):
            figures["unknown"][document.kind] += 1
            continue
        if not _chosen(document.path, source.share):
            continue
        if isinstance(document, Bad):
            figures["reasons"][document.reason] += 1
            if figures["reasons"][document.reason] <= _COMPLAINTS:
                figures["complaints"].append([document.path, document.reason, document.detail])
            row = {"source": source.name, "path": document.path, "text": document.text}
            corpus.drop(row, document.reason)
            continue
        if document.flaw:
            figures["flaws"][document.flaw] += 1
            if figures["flaws"][document.flaw] <= _COMPLAINTS:
                figures["complaints"].append([document.path, document.flaw, ""])
        for row in _rows(document, source, settings):
            figures["documents"] += 1
            figures["characters"] += len(row["text"])
            figures["bytes"] += len(row["text"].encode("utf-8"))
            corpus.keep(row)


def _documents(item: Item, settings: ReadSettings) -> Iterator[Raw | Bad | Foreign]:
    """Everything in a file, in order."""
    if item.file is None:
        yield from (Raw(topic, (text,)) for topic, text in documentation() if text.strip())
    elif isinstance(item.file, Unreadable):
        yield Bad(item.file.path, item.file.reason, item.file.detail)
    else:
        yield from documents(item.file, item.source, settings)


def _complain(
    source: Source,
    reasons: Counter[str],
    flaws: Counter[str],
    complaints: Sequence[Sequence[str]],
    progress: Progress,
) -> None:
    """Name the first that were left out, or read in part, for each reason, and count them where there are more.

    The files of the standard library are not the user's to mend: there a count is enough.
    """
    most = 0 if source.path == STANDARD_LIBRARY else _COMPLAINTS
    named: Counter[str] = Counter()
    for path, reason, detail in complaints:
        named[reason] += 1
        if named[reason] <= most:
            told = in_markup(reason + (f" ({detail})" if detail else ""))
            done = "read as far as it goes" if reason in flaws else "left out"
            progress.say(f"  {in_markup(source.name)}: {in_markup(path)}: {told}, {done}")
    for reason, count in sorted(reasons.items()):
        if count > most:
            progress.say(f"  {in_markup(source.name)}: {count:,} in all left out as {reason!r}, listed in {REMOVED}/")
    for flaw, count in sorted(flaws.items()):
        if count > most:
            progress.say(f"  {in_markup(source.name)}: {count:,} in all read in part, as {flaw!r}")


def _rows(raw: Raw, source: Source, settings: ReadSettings) -> Iterator[Row]:
    """A document's chunks; `path` names the chunk where there is more than one."""
    found = chunks(raw.blocks, settings.maximum_characters, raw.kind) if source.split else iter(["".join(raw.blocks)])
    for text, path in _named(found, raw.path):
        if text.strip():
            yield {"id": document_id(text), "text": text, "source": source.name, "path": path, **raw.columns}


def _named(texts: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
    iterator = iter(texts)
    first = next(iterator, "")
    second = next(iterator, None)
    if second is None:
        yield first, path
        return
    yield first, f"{path}#1"
    yield second, f"{path}#2"
    for number, text in enumerate(iterator, start=3):
        yield text, f"{path}#{number}"


def _chosen(path: str, share: float) -> bool:
    """Whether a document is in the share to be read: the same documents on every machine."""
    return int.from_bytes(hashlib.sha256(path.encode("utf-8")).digest()[:4], "big") < share * 2**32


class ReadStageSettings(Settings):
    """What the read stage depends on."""

    sources: tuple[Source, ...]
    read: ReadSettings = ReadSettings()

    @property
    def real(self) -> tuple[Source, ...]:
        """The sources that are there, not to be written."""
        return tuple(source for source in self.sources if not source.path.startswith(PREFIX))


def _read(work: Work[ReadStageSettings]) -> dict[str, Any]:
    return read(work.settings.real, work.settings.read, base=work.base, into=work.into, progress=work.progress)


def _fingerprint(settings: ReadStageSettings, base: Path) -> Any:
    from hornbook.corpus.read.sources import fingerprint

    return fingerprint(settings.real, base)


def _places(settings: ReadStageSettings, base: Path) -> list[Path]:
    found = (base / expanded(one.path) for one in settings.real)
    return [place for place in found if place.exists()]


READ = Stage(
    name="read",
    summary="real documents",
    settings=ReadStageSettings,
    run=_read,
    on_workers=True,
    wanted=lambda settings: bool(settings.real),
    decides=lambda settings, base: {
        "sources": [source.model_dump(mode="json") for source in settings.real],
        **settings.read.model_dump(mode="json"),
    },
    outside=_fingerprint,
    reads=_places,
    headline=lambda f: f"{plural(f['documents'], 'document')}, {f['characters'] / 1e6:.1f} million characters",
    estimate=lambda settings, volume: Effort(f"{volume.raw / 1e6:.0f} MB", volume.raw / 12e6),
)
