"""The first stage: raw files become a corpus of documents."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from hornbook.corpus.formats import Bad, Raw, documents
from hornbook.corpus.pieces import cut
from hornbook.corpus.settings import ReadSettings, Source
from hornbook.corpus.shards import (
    DOCUMENTS,
    REMOVED,
    Row,
    ShardWriter,
    document_schema,
    removed_row,
    removed_schema,
)
from hornbook.corpus.sources import DOCUMENTATION, STANDARD_LIBRARY, Unreadable, documentation, find
from hornbook.errors import UserError
from hornbook.identity import document_id
from hornbook.progress import Progress

# So many files left out for one reason are named on the screen; all are in `removed/`.
_COMPLAINTS = 5


def read(
    sources: Sequence[Source], settings: ReadSettings, *, base: Path, into: Path, progress: Progress
) -> dict[str, Any]:
    """Read `sources` into the corpus `into`: `documents/` and, for what could not be used, `removed/`.

    Documents are ordered by source, file, record and piece, and only one is held in memory at a time. Relative paths
    of sources are relative to `base`. Returns the figures: documents, characters, bytes (UTF-8), files, all of them
    for each source as well, and how many were removed for each reason. Raises UserError for a source that doesn't
    exist or holds nothing readable, and when no document is left at all.
    """
    counted = Counter(source.name for source in sources)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise UserError(f"two sources are called {twice[0]!r}: give each its own name")
    figures: dict[str, dict[str, int]] = {}
    reasons: Counter[str] = Counter()
    with (
        ShardWriter(into / DOCUMENTS, document_schema()) as kept,
        ShardWriter(into / REMOVED, removed_schema()) as removed,
    ):
        for source in sorted(sources, key=lambda source: source.name):
            figures[source.name], left_out = _read_source(source, settings, base, kept, removed, progress)
            reasons += left_out
    if kept.rows == 0:
        found = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "nothing there"
        raise UserError(f"no documents in {', '.join(sorted(figures)) or 'no sources'}: {found}")
    totals = {
        name: sum(one[name] for one in figures.values()) for name in ("documents", "characters", "bytes", "files")
    }
    return {**totals, "sources": figures, "removed": dict(sorted(reasons.items()))}


def _read_source(
    source: Source, settings: ReadSettings, base: Path, kept: ShardWriter, removed: ShardWriter, progress: Progress
) -> tuple[dict[str, int], Counter[str]]:
    """Read one source. Returns its figures, and how many were left out for each reason."""
    figures = dict.fromkeys(("files", "documents", "characters", "bytes"), 0)
    reasons: Counter[str] = Counter()
    # The files of the standard library are not the user's to mend: there a count is enough.
    named = 0 if source.path == STANDARD_LIBRARY else _COMPLAINTS
    for item in _items(source, settings, base, figures, progress):
        if not _chosen(item.path, source.share):
            continue
        if isinstance(item, Bad):
            reasons[item.reason] += 1
            if reasons[item.reason] <= named:
                _complain(item, source, progress)
            removed.add(removed_row({"source": source.name, "path": item.path, "text": item.text}, item.reason))
            continue
        for row in _rows(item, source, settings):
            figures["documents"] += 1
            figures["characters"] += len(row["text"])
            figures["bytes"] += len(row["text"].encode("utf-8"))
            kept.add(row)
    for reason, count in sorted(reasons.items()):
        if count > named:
            progress.say(f"  {escape(source.name)}: {count} in all left out as {reason!r}, listed in {REMOVED}/")
    return {**figures, "removed": reasons.total()}, reasons


def _items(
    source: Source, settings: ReadSettings, base: Path, figures: dict[str, int], progress: Progress
) -> Iterator[Raw | Bad]:
    """Everything found in a source, in order."""
    if source.path == DOCUMENTATION:
        topics = list(documentation())
        if not topics:
            progress.say(f"  {escape(source.name)}: this Python came without its documentation")
        yield from (Raw(topic, (text,)) for topic, text in topics if text.strip())
        return
    files = find(source, base)
    with progress.task(f"read {escape(source.name)}", total=len(files)) as task:
        for found in files:
            if isinstance(found, Unreadable):
                yield Bad(found.path, found.reason)
            else:
                figures["files"] += 1
                yield from documents(found, source, settings)
            task.advance()


def _rows(raw: Raw, source: Source, settings: ReadSettings) -> Iterator[Row]:
    """A document's pieces; `path` names the piece where there is more than one."""
    pieces = cut(raw.blocks, settings.maximum_characters, raw.kind) if source.split else iter(["".join(raw.blocks)])
    for text, path in _named(pieces, raw.path):
        if text.strip():
            yield {"id": document_id(text), "text": text, "source": source.name, "path": path}


def _named(pieces: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
    iterator = iter(pieces)
    first = next(iterator, "")
    second = next(iterator, None)
    if second is None:
        yield first, path
        return
    yield first, f"{path}#1"
    yield second, f"{path}#2"
    for number, text in enumerate(iterator, start=3):
        yield text, f"{path}#{number}"


def _complain(bad: Bad, source: Source, progress: Progress) -> None:
    detail = f" ({bad.detail})" if bad.detail else ""
    progress.say(f"  {escape(source.name)}: {escape(bad.path)}: {escape(bad.reason + detail)}, left out")


def _chosen(path: str, share: float) -> bool:
    """Whether a document is in the share to be read: the same documents on every machine."""
    return int.from_bytes(hashlib.sha256(path.encode("utf-8")).digest()[:4], "big") < share * 2**32
