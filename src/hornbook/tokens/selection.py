"""Which documents are read, and for what: held out, in an ingredient of a phase, or to train the tokenizer with.

Memory holds what is known of each document, never its text.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hornbook.documents import Shard, is_held_out, no_source
from hornbook.errors import UserError
from hornbook.seeds import stream
from hornbook.tokens.settings import Component, Phase

_KNOWN = ("id", "text", "source", "score", "language")


@dataclass(frozen=True, slots=True)
class Entry:
    """A document without its text: `number` counts through the corpus's files, `characters` is the text's length."""

    number: int
    id: str
    source: str
    score: float | None
    language: str | None
    characters: int


def entries(corpus: Sequence[Shard]) -> Iterator[Entry]:
    """Everything that is known of each document, in order; no text becomes a Python object."""
    import pyarrow.compute as pc

    for shard in corpus:
        number = shard.first
        for batch in shard.batches(_KNOWN):
            lengths = pc.utf8_length(batch["text"]).to_pylist()
            columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "text"}
            nothing = [None] * batch.num_rows
            columns = {"score": nothing, "language": nothing, **columns}
            rows = zip(*(columns[name] for name in ("id", "source", "score", "language")), lengths, strict=True)
            for identity, source, score, language, length in rows:
                yield Entry(number, identity, sys.intern(source), score, language and sys.intern(language), length)
                number += 1


def split(
    corpus: Sequence[Shard], share: float, seed: int, read: Collection[str]
) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Training and held-out documents by source, each in a seeded order that does not depend on the order on disk.

    share: of the documents, held out. read: the sources that some phase reads; all others are held out whole.
    """
    kept: dict[str, list[Entry]] = {}
    held_out: dict[str, list[Entry]] = {}
    for document in entries(corpus):
        held = document.source not in read or is_held_out(document.id, share, seed)
        (held_out if held else kept).setdefault(document.source, []).append(document)
    for group in (kept, held_out):
        for source in list(group):
            group[source].sort(key=lambda document: document.id)
            stream(seed, "order", source).shuffle(group[source])
    return dict(sorted(kept.items())), dict(sorted(held_out.items()))


def by_ingredient(
    kept: Mapping[str, Sequence[Entry]], phases: Mapping[str, Phase], sources: Collection[str]
) -> dict[str, list[list[Entry]]]:
    """The documents of each ingredient of each phase. sources: all that there are, those held out whole too.

    Raises UserError for a source that nothing comes from, or of which all is held out, and for an ingredient that no
    document belongs to.
    """
    numbered = [(f"pretrain.{name}.mixture.{n}", c) for name, p in phases.items() for n, c in enumerate(p.mixture)]
    for where, component in numbered:
        for source in component.sources:
            if source in sources and source not in kept:
                raise UserError(
                    f"{where}: every document of {source!r} is held out, which is drawn by lot; lower tokens.held_out, "
                    "or add documents"
                )
            if source not in kept:
                raise no_source(where, source, sources)
    chosen = {name: [_matching(kept, component) for component in phase.mixture] for name, phase in phases.items()}
    for (where, component), documents in zip(numbered, (one for many in chosen.values() for one in many), strict=True):
        if not documents:
            raise UserError(f"{where}: {_missing(component)}")
    return chosen


def _matching(kept: Mapping[str, Sequence[Entry]], component: Component) -> list[Entry]:
    """The component's documents, sources interleaved in proportion to their sizes."""
    groups = [
        [d for d in kept[source] if component.takes(d.source, d.score, d.language)] for source in component.sources
    ]
    placed = [((index + 0.5) / len(group), n, d) for n, group in enumerate(groups) for index, d in enumerate(group)]
    return [document for _, _, document in sorted(placed, key=lambda item: item[:2])]


def _missing(component: Component) -> str:
    """Why an ingredient is empty, and what to do."""
    where = f"no document of {', '.join(component.sources)}"
    if component.languages:
        return f"{where} with such a score is in {', '.join(component.languages)}; languages come from the filters"
    if component.maximum_score is not None and component.minimum_score <= 0:
        return f"{where} has a score of at most {component.maximum_score:g}; raise maximum_score"
    return f"{where} reaches the score {component.minimum_score:g}; lower minimum_score"


def tokenizer_sample(
    chosen: Mapping[str, Sequence[Sequence[Entry]]], phases: Mapping[str, Phase], characters: int
) -> Iterator[Entry]:
    """Documents for the tokenizer: each ingredient in proportion to the tokens that training reads of it."""
    total = sum(phase.tokens for phase in phases.values())
    for name, phase in phases.items():
        for component, documents in zip(phase.mixture, chosen[name], strict=True):
            left = characters * component.share * phase.tokens / total
            for document in documents:
                if left <= 0:
                    break
                left -= document.characters
                yield document


def texts(corpus: Iterable[Shard], wanted: Sequence[Entry]) -> list[str]:
    """The texts of some documents, in the order given."""
    numbers = {entry.number for entry in wanted}
    found = {number: text for shard in corpus for number, text in shard.texts(numbers)}
    return [found[entry.number] for entry in wanted]
