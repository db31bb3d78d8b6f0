"""The stage after reading: documents in the wrong language or against the rules go, what is private is masked.

A rule is an entry of `rules.RULES` and the figure that it names in `measures` or `repetition`; those that take out
lines are applied in `lines`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hornbook.corpus.by_source import counts_by_source, sources
from hornbook.corpus.filter.heuristics import Heuristics
from hornbook.corpus.filter.language import identify_language
from hornbook.corpus.filter.language_shares import SHARE_FULL, cap
from hornbook.corpus.filter.privacy import mask
from hornbook.corpus.filter.settings import FilterSettings, LanguageSettings
from hornbook.display import plural
from hornbook.documents import (
    ORIGINAL,
    CorpusWriter,
    Row,
    Shard,
    corpus_schema,
    document_id,
    merge,
    no_source,
    set_aside,
    shards,
    with_own_columns,
)
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Flag, Input, Stage, Work
from hornbook.settings import Settings
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import work_through

WRONG_LANGUAGE = "language not wanted"
UNSURE_LANGUAGE = "language unsure"

_BATCH = 500  # documents judged at once


def filter_corpus(corpus: Path, settings: FilterSettings, *, into: Path, progress: Progress) -> dict[str, Any]:
    """Filter the documents of `corpus` into the corpus `into`; what is dropped lies in `removed/` with the reason.

    Columns are kept; `language` and `language_score` are added where languages matter, and `original`, the id that a
    document was read under, where its text may change. Each file of the corpus is a portion: what an interrupted call
    finished is not done again. Returns the figures: documents and characters, how many documents were dropped for each
    reason, in all and by source, lines taken out by each rule, what was masked by kind, characters of each language.
    Raises UserError when no document is left, and when rules are for sources of which none is there.
    """
    _know_sources(corpus, settings.heuristics.sources)
    schema, came = _schema(corpus, settings)
    parts = [
        Portion.over(
            shard,
            into / SCRATCH / f"filter-{number:05d}",
            partial(_filter_shard, shard, schema, came, settings),
            settings.model_dump(mode="json"),
        )
        for number, shard in enumerate(shards(corpus))
    ]
    figures = work_through(parts, "filter documents", progress)
    kept = [part.folder for part in parts]
    totals = _together(figures)
    if settings.language.shares:
        kept, dropped = cap(kept, schema, totals["languages"], settings.language.shares, into, progress)
        totals = _without(totals, dropped)
    if totals["documents"] == 0:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(totals["removed"].items()))
        raise UserError(f"the filters leave no document of {corpus}: {reasons or 'there was none'}")
    merge(kept, into)
    return {**totals, "sources": counts_by_source(into)}


def _schema(corpus: Path, settings: FilterSettings) -> tuple[Any, tuple[str, ...]]:
    """The columns of the corpus and those that are added; and names of these that documents came with."""
    import pyarrow as pa

    schema, came = with_own_columns(corpus_schema([corpus]), ())
    if settings.language.active:
        schema, came = with_own_columns(schema, [("language", pa.string()), ("language_score", pa.float64())])
    if _may_change(settings) and ORIGINAL not in schema.names:
        schema = schema.append(pa.field(ORIGINAL, pa.string()))
    return schema, came


def _may_change(settings: FilterSettings) -> bool:
    return bool(settings.privacy.mask or settings.heuristics.rules)


def _filter_shard(
    shard: Shard, schema: Any, came: Sequence[str], settings: FilterSettings, folder: Path, advance: Advance
) -> dict[str, Any]:
    """Filter one file of a corpus into a corpus of its own. Returns its figures."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("removed", "lines", "masked", "languages")}
    plain: Counter[str] = Counter(read=0, documents=0, characters=0)
    heuristics = Heuristics(settings.heuristics)
    with CorpusWriter(folder, schema) as filtered:
        for batch in shard.batches(rows=_BATCH):
            rows = [set_aside(row, came) for row in batch.to_pylist()] if came else batch.to_pylist()
            plain["read"] += len(rows)
            for row, reason in _judged(rows, settings, heuristics, counts):
                if reason is not None:
                    counts["removed"][reason] += 1
                    filtered.drop(row, reason)
                    continue
                plain["documents"] += 1
                plain["characters"] += len(row["text"])
                if settings.language.active:
                    counts["languages"][row["language"]] += len(row["text"])
                filtered.keep(row)
            advance(len(rows))
    return {**plain, **{name: dict(sorted(counted.items())) for name, counted in counts.items()}}


def _know_sources(corpus: Path, meant: Sequence[str]) -> None:
    there = sources(corpus) if meant else set()
    for name in meant:
        if name not in there:
            raise no_source("filter.heuristics.sources", name, there)


def _judged(
    rows: Sequence[Row], settings: FilterSettings, heuristics: Heuristics, counts: Mapping[str, Counter[str]]
) -> Iterator[tuple[Row, str | None]]:
    """The rows as they are to be kept, or as they were with the reason why they are dropped, in order."""
    reasons: list[str | None] = [None] * len(rows)
    if settings.language.active:
        for number, row in enumerate(rows):
            row["language"], row["language_score"] = identify_language(row["text"], row.get("path") or "")
            reasons[number] = _against_language(row, settings.language)
    left = [number for number, reason in enumerate(reasons) if reason is None]
    texts = {number: rows[number]["text"] for number in left}
    if settings.heuristics.rules:
        meant = settings.heuristics.sources
        left = [number for number in left if not meant or rows[number]["source"] in meant]
        known = [rows[number].get("language") for number in left]
        for number, verdict in zip(left, heuristics.judge([texts[number] for number in left], known), strict=True):
            reasons[number], texts[number] = verdict.broken, verdict.text
            if verdict.broken is None:
                counts["lines"].update(verdict.lines)
    for number, (row, reason) in enumerate(zip(rows, reasons, strict=True)):
        if reason is None and _may_change(settings):
            text, masked = mask(texts[number], settings.privacy.mask)
            counts["masked"].update(masked)
            row["original"] = row.get("original") or row["id"]
            if text != row["text"]:
                row["id"], row["text"] = document_id(text), text
        yield row, reason


def _against_language(row: Row, settings: LanguageSettings) -> str | None:
    """Why a document's language drops it, if it does."""
    if settings.keep and row["language"] not in settings.keep:
        return WRONG_LANGUAGE
    return UNSURE_LANGUAGE if row["language_score"] < settings.minimum_score else None


def _together(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of several portions' figures."""
    totals: dict[str, Any] = {}
    for name in figures[0]:
        if isinstance(figures[0][name], dict):
            counted: Counter[str] = Counter()
            for one in figures:
                counted.update(one[name])
            totals[name] = dict(sorted(counted.items()))
        else:
            totals[name] = sum(one[name] for one in figures)
    return totals


def _without(totals: dict[str, Any], dropped: Counter[str]) -> dict[str, Any]:
    """The figures after documents were dropped for their languages' shares."""
    documents = dropped.pop("", 0)
    languages = {name: count - dropped[name] for name, count in totals["languages"].items()}
    removed = {**totals["removed"], **({SHARE_FULL: documents} if documents else {})}
    return {
        **totals,
        "documents": totals["documents"] - documents,
        "characters": totals["characters"] - dropped.total(),
        "languages": {name: count for name, count in languages.items() if count},
        "removed": dict(sorted(removed.items())),
    }


class FilterStageSettings(Settings):
    """What the filter stage depends on."""

    filter: FilterSettings = FilterSettings()


def _filter(work: Work[FilterStageSettings]) -> dict[str, Any]:
    return filter_corpus(work.inputs["corpus"], work.settings.filter, into=work.into, progress=work.progress)


FILTER = Stage(
    name="filter",
    summary="languages, rules, privacy",
    settings=FilterStageSettings,
    run=_filter,
    on_workers=True,
    inputs=(Input("corpus", ("read",), "A corpus folder: one with documents/ in it."),),
    wanted=lambda settings: settings.filter.active,
    headline=lambda f: (
        f"{plural(f['documents'], 'document')} kept, {sum(f['removed'].values()):,} removed"
        + (f", {sum(f['masked'].values()):,} masked" if f["masked"] else "")
    ),
    estimate=lambda settings, volume: Effort(f"{volume.raw / 1e6:.0f} MB", volume.raw / 4e6),
    flags=(
        Flag("--rules", "heuristics.rules", "gopher, c4, fineweb, or a single rule; can be repeated."),
        Flag("--language", "language.keep", "Keep this language, such as en; can be repeated."),
        Flag("--mask", "privacy.mask", "Mask email, ip, phone, card, iban, identity or secret; can be repeated."),
    ),
)
