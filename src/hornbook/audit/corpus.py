"""Which items of which benchmarks are in a corpus, and where."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.corpus.decontaminate.benchmarks import Benchmark, Benchmarks, say_left_out
from hornbook.corpus.decontaminate.finder import Finder, Limits
from hornbook.documents import is_corpus, no_corpus, read_batches
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs import manifest

SHOWN = 20  # hits of a benchmark that the page shows
_CHARACTERS = 1_600


@dataclass(frozen=True)
class Found:
    """An item in a document."""

    benchmark: str
    item: str
    rule: str
    share: float
    document: str
    source: str
    path: str
    question: str
    excerpt: str


def corpus_of(folder: Path) -> Path:
    """The corpus that a folder means: itself, or the last one of a run. Raises UserError where there is none."""
    if is_corpus(folder):
        return folder
    stages = [one for one in sorted(folder.glob("[0-9][0-9]-*")) if is_corpus(one)]
    if not stages:
        raise UserError(no_corpus(folder))
    return stages[-1]


def learned_from(model: Path) -> Path | None:
    """The corpus that a run's model was trained on: back from manifest to manifest; None where that leads nowhere."""
    stage = next((one for one in (model, *model.absolute().parents) if (one / manifest.FILE).is_file()), None)
    if stage is None:
        return None
    beside = {
        one.stage: (folder, one) for folder in stage.parent.iterdir() if (one := manifest.read(folder)) is not None
    }
    waiting, seen = [stage], set()
    while waiting:
        folder = waiting.pop(0)
        if is_corpus(folder):
            return folder
        found = manifest.read(folder)
        for name, content in (found.inputs if found is not None else {}).items():
            if name in beside and name not in seen and content in beside[name][1].contents:
                seen.add(name)
                waiting.append(beside[name][0])
    return None


def audit_corpus(
    corpus: Path, benchmarks: Benchmarks, progress: Progress, limits: Limits | None = None
) -> dict[str, Any]:
    """Look for every item in every document. Raises UserError for a corpus without text.

    Returns how many documents were looked at and, for each benchmark, how many of its items are there (and by which
    rule; `found`: their ids), in how many documents, how many were too short to look for (`short_ids`), and the hits,
    those of the highest share first. `left_out`: for each file of the benchmarks of which something can't be used, why;
    `incomplete` names those of a benchmark.
    """
    say_left_out(benchmarks.left_out, progress)
    with progress.task("prepare benchmarks", total=sum(len(one.items) for one in benchmarks)) as task:
        finder = Finder(benchmarks, limits or Limits(), task=task)
    found: dict[str, list[Found]] = defaultdict(list)
    documents = characters = 0
    with progress.task("look for benchmarks") as task:
        for batch in read_batches(corpus, ["id", "text", "source", "path"]):
            rows = batch.to_pylist()
            for row, hits in zip(rows, finder.find([row["text"] for row in rows]), strict=True):
                characters += len(row["text"])
                for hit in hits:
                    found[hit.item.benchmark].append(
                        Found(
                            hit.item.benchmark,
                            hit.item.id,
                            hit.rule,
                            hit.share,
                            row["id"],
                            row["source"],
                            row.get("path") or "",
                            hit.item.text[:_CHARACTERS],
                            hit.excerpt[:_CHARACTERS],
                        )
                    )
            documents += len(rows)
            task.advance(len(rows))
    if not characters:
        raise UserError(f"{corpus} holds no text, so nothing can be in it or not in it")
    short: dict[str, list[str]] = defaultdict(list)
    for item in finder.too_short:
        short[item.benchmark].append(item.id)
    return {
        "documents": documents,
        "characters": characters,
        "left_out": benchmarks.left_out,
        "benchmarks": [_row(one, found[one.name], short[one.name]) for one in benchmarks],
    }


def _row(benchmark: Benchmark, hits: list[Found], short: list[str]) -> dict[str, Any]:
    ordered = sorted(hits, key=lambda hit: (-hit.share, hit.item, hit.document))
    best = {hit.item: hit for hit in reversed(ordered)}
    return {
        "name": benchmark.name,
        "kind": benchmark.kind,
        "items": len(benchmark.items),
        "incomplete": list(benchmark.incomplete),
        "short": len(short),
        "short_ids": short,
        "leaked": len(best),
        "documents": len({hit.document for hit in hits}),
        "found": sorted(best),
        "rules": dict(sorted(Counter(hit.rule for hit in best.values()).items())),
        "hits": [vars(hit) for hit in sorted(best.values(), key=lambda hit: (-hit.share, hit.item))][:SHOWN],
    }
