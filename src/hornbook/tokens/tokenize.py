"""The tokens stage: a tokenizer trained on the mixture, and each phase's documents packed into shards.

Texts are read from disk when they are needed, and ids lie there: memory holds what is known of the documents, and the
sample that the tokenizer learns from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.documents import Shard, is_held_out, shards
from hornbook.errors import UserError, nearest
from hornbook.files import write_json
from hornbook.model.tokenizer import PAD, Tokenizer
from hornbook.progress import Progress
from hornbook.seeds import stream
from hornbook.tokens import pack, train_tokenizer
from hornbook.tokens.documents import Entry, entries
from hornbook.tokens.encode import Chosen, Encoded
from hornbook.tokens.settings import Component, Phase, TokensSettings
from hornbook.tokens.shards import write_blocks

_EXAMPLE = 300  # characters of a document that are shown cut into tokens
_RATE_SAMPLE = 1_000_000  # characters that tell how many make a token
_MARGIN = 1.05  # more text than the tokens seem to need, so that a second look is rarely needed
_ROWS = 4_096  # rows laid out at once


@dataclass(frozen=True)
class _Order:
    """A shard to write: so many tokens (or all there are) of these documents, in this order."""

    folder: str
    name: str
    chosen: Sequence[Entry]
    wanted: int

    def reach(self, rate: float) -> Iterator[Entry]:
        """The first documents, as many as hold the tokens when `rate` characters make one."""
        left = self.wanted * rate
        for entry in self.chosen:
            if left <= 0:
                return
            left -= entry.characters + rate  # the token at the end
            yield entry

    def used(self, encoded: Encoded) -> list[Entry] | None:
        """The documents that go in: the first until the tokens are reached. None while not enough are encoded."""
        used, tokens = [], 0
        for entry in self.chosen:
            if tokens >= self.wanted:
                break
            if encoded.lengths[entry.number] < 0:
                return None
            tokens += int(encoded.lengths[entry.number])
            used.append(entry)
        return used


def tokenize(
    corpus: Path,
    settings: TokensSettings,
    phases: Mapping[str, Phase],
    *,
    vocabulary: int,
    context: int,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Write `tokenizer/`, `shards/` (one per component of each phase) and `validation/` (one per source)."""
    stored = shards(corpus)
    kept, held_out = _split(stored, corpus, settings.held_out, seed)
    _check_sources(phases, kept)
    row = context + 1
    with progress.task("training the tokenizer"):
        sample = _texts(stored, list(_sample(kept, phases, settings.training_characters)))
        train_tokenizer.save(train_tokenizer.train(sample, vocabulary), into / "tokenizer", context=context)
    tokenizer = Tokenizer(into / "tokenizer")
    asked: dict[str, list[dict[str, Any]]] = {name: [] for name in phases}
    orders: list[_Order] = []
    for name, phase in phases.items():
        for index, component in enumerate(phase.mixture):
            chosen = _matching(kept, component)
            if not chosen:
                raise UserError(f"pretrain.{name}.mixture.{index}: {_missing(component)}")
            asked[name].append(_asked(component) | {"available": len(chosen)})
            orders.append(_Order("shards", f"{name}-{index}", chosen, int(component.share * phase.tokens) + row))
    orders += [_Order("validation", source, chosen, settings.validation_tokens) for source, chosen in held_out.items()]
    encoded = Encoded(stored, into / "tokenizer", into=into, progress=progress)
    facts = _write(orders, encoded, _rate(sample, tokenizer), tokenizer, row, into, progress)
    first = [chosen[0] for chosen in kept.values()]
    shown = zip(kept, _texts(stored, first), strict=True)
    write_json(into / "examples.json", {source: _pieces(tokenizer, text[:_EXAMPLE]) for source, text in shown})
    return {
        "vocabulary": tokenizer.size,
        "tokenizer_characters": sum(map(len, sample)),
        "phases": {
            name: [one | facts["shards", f"{name}-{index}"] for index, one in enumerate(told)]
            for name, told in asked.items()
        },
        "validation": {source: facts["validation", source] for source in held_out},
    }


def _split(
    stored: Sequence[Shard], corpus: Path, share: float, seed: int
) -> tuple[dict[str, list[Entry]], dict[str, list[Entry]]]:
    """Training and held-out documents by source, each in a seeded order that does not depend on the order on disk."""
    kept: dict[str, list[Entry]] = {}
    held_out: dict[str, list[Entry]] = {}
    for document in entries(stored):
        held = is_held_out(document.id, share, seed)
        (held_out if held else kept).setdefault(document.source, []).append(document)
    for group in (kept, held_out):
        for source in list(group):
            group[source].sort(key=lambda document: document.id)
            stream(seed, "order", source).shuffle(group[source])
    if not kept:
        raise UserError(f"{corpus} holds no documents to learn from")
    return dict(sorted(kept.items())), dict(sorted(held_out.items()))


def _check_sources(phases: Mapping[str, Phase], kept: Mapping[str, list[Entry]]) -> None:
    for name, phase in phases.items():
        for index, component in enumerate(phase.mixture):
            for source in component.sources:
                if source not in kept:
                    raise UserError(
                        f"pretrain.{name}.mixture.{index}: no document comes from {source!r}{nearest(source, kept)}; "
                        f"there are {', '.join(kept)}"
                    )


def _asked(component: Component) -> dict[str, Any]:
    """What the recipe asks of an ingredient, for the table of what went in."""
    return {
        "sources": list(component.sources),
        "minimum_score": component.minimum_score,
        "maximum_score": component.maximum_score,
        "languages": list(component.languages),
        "share": component.share,
    }


def _missing(component: Component) -> str:
    """Why an ingredient is empty, and what to do."""
    where = f"no document of {', '.join(component.sources)}"
    if component.languages:
        return f"{where} with such a score is in {', '.join(component.languages)}; languages come from the filters"
    if component.maximum_score is not None and component.minimum_score <= 0:
        return f"{where} has a score of at most {component.maximum_score:g}; raise maximum_score"
    return f"{where} reaches the score {component.minimum_score:g}; lower minimum_score"


def _matching(kept: Mapping[str, list[Entry]], component: Component) -> list[Entry]:
    """The component's documents, sources interleaved in proportion to their sizes."""
    groups = [
        [d for d in kept[source] if component.takes(d.source, d.score, d.language)] for source in component.sources
    ]
    placed = [((index + 0.5) / len(group), n, d) for n, group in enumerate(groups) for index, d in enumerate(group)]
    return [document for _, _, document in sorted(placed, key=lambda item: item[:2])]


def _sample(kept: Mapping[str, list[Entry]], phases: Mapping[str, Phase], characters: int) -> Iterator[Entry]:
    """Documents for the tokenizer: each component in proportion to the tokens that training reads of it."""
    total = sum(phase.tokens for phase in phases.values())
    for phase in phases.values():
        for component in phase.mixture:
            left = characters * component.share * phase.tokens / total
            for document in _matching(kept, component):
                if left <= 0:
                    break
                left -= document.characters
                yield document


def _texts(stored: Iterable[Shard], wanted: Sequence[Entry]) -> list[str]:
    """The texts of some documents, in the order given."""
    numbers = {entry.number for entry in wanted}
    texts = {number: text for shard in stored for number, text in shard.texts(numbers)}
    return [texts[entry.number] for entry in wanted]


def _rate(sample: Sequence[str], tokenizer: Tokenizer) -> float:
    """How many characters make a token, by the beginning of the tokenizer's own sample."""
    characters = tokens = 0
    for text in sample:
        characters += len(text)
        tokens += len(tokenizer.encode(text))
        if characters >= _RATE_SAMPLE:
            break
    return characters / max(tokens, 1)


def _write(
    orders: Sequence[_Order],
    encoded: Encoded,
    rate: float,
    tokenizer: Tokenizer,
    row: int,
    into: Path,
    progress: Progress,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Write all shards; returns the figures of each by folder and name.

    How many tokens a text has is known only once it is encoded: where the guess was short, more is encoded.
    """
    facts: dict[tuple[str, str], dict[str, Any]] = {}
    left = list(orders)
    rate *= _MARGIN
    while left:
        encoded.ask(entry.number for order in left for entry in order.reach(rate))
        short = []
        for order in left:
            used = order.used(encoded)
            if used is None:
                short.append(order)
            else:
                facts[order.folder, order.name] = _write_shard(order, used, encoded, tokenizer, row, into, progress)
        left = short
        rate *= 1.5
    return facts


def _write_shard(
    order: _Order,
    used: Sequence[Entry],
    encoded: Encoded,
    tokenizer: Tokenizer,
    row: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Pack the documents and write one shard; returns its figures."""
    sequences = Chosen(encoded, [entry.number for entry in used])
    lengths = encoded.lengths[sequences.numbers].tolist()
    plan = pack.pack(lengths, row)
    pad = tokenizer.control(PAD)
    tokens = sum(lengths)

    def blocks() -> Iterator[Any]:
        with progress.task(f"packing {order.name}", len(plan)) as bar:
            for start in range(0, len(plan), _ROWS):
                part = plan[start : start + _ROWS]
                yield pack.fill(part, sequences, row, pad)
                bar.advance(len(part))

    facts = {
        "documents": len(used),
        "tokens": tokens,
        "rows": len(plan),
        "characters_per_token": round(sum(entry.characters for entry in used) / max(tokens, 1), 3),
        "padding": round(1 - tokens / (len(plan) * row) if plan else 0.0, 4),
    }
    folder = into / order.folder
    told = {key: facts[key] for key in ("documents", "tokens")}
    write_blocks(folder, order.name, blocks(), len(plan), row, tokenizer.size, **told)
    write_json(folder / f"{order.name}.documents.json", [entry.id for entry in used])
    return facts


def _pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    """A text cut where its tokens are cut, for people to look at."""
    return [tokenizer.decode([token]) for token in tokenizer.encode(text)]
