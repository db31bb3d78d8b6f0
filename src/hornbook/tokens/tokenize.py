"""The tokens stage: a tokenizer trained on the mixture, and each phase's documents packed into shards.

Texts are read from disk when they are needed, and ids lie there: memory holds what is known of the documents, and the
sample that the tokenizer learns from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from hornbook.documents import shards
from hornbook.errors import UserError
from hornbook.files import digest_file, expanded, write_json
from hornbook.model import folder_from
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.stage import Input, Key, Stage, Work
from hornbook.settings import Settings
from hornbook.tokens.selection import Entry, by_ingredient, split, texts, tokenizer_sample
from hornbook.tokens.settings import OptionalPhase, Phase, TokensSettings, phases_of

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens.encode import EncodedDocuments

_EXAMPLE = 300  # characters of a document that are shown cut into tokens
_RATE_SAMPLE = 1_000_000  # characters that tell how many make a token
_MARGIN = 1.05  # more text than the tokens seem to need, so that a second look is rarely needed
_ROWS = 4_096  # rows laid out at once


def tokenize(  # noqa: PLR0913 (one for each wish)
    corpus: Path,
    settings: TokensSettings,
    phases: Mapping[str, Phase],
    *,
    vocabulary: int,
    context: int,
    seed: int,
    into: Path,
    progress: Progress,
    initial: Path | None = None,
) -> dict[str, Any]:
    """Write `tokenizer/`, `shards/` (one per ingredient of each phase) and `validation/` (one per source).

    Rows are `settings.length` tokens and one more, unless told as many as the `context` has. The tokenizer is that of
    the model folder `initial`, or learnt from the mixture where there is none. Raises UserError where an ingredient
    finds no documents.
    """
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens import train_tokenizer
    from hornbook.tokens.encode import EncodedDocuments

    stored = shards(corpus)
    read = {source for phase in phases.values() for component in phase.mixture for source in component.sources}
    kept, held_out = split(stored, settings.held_out, seed, read)
    if not kept and not held_out:
        raise UserError(f"{corpus} holds no documents to learn from")
    chosen = by_ingredient(kept, phases, {*kept, *held_out})
    sample = texts(stored, list(tokenizer_sample(chosen, phases, settings.training_characters)))
    if initial is not None:
        Tokenizer(initial).save(into / "tokenizer")
    else:
        with progress.task("training the tokenizer"):
            train_tokenizer.save(train_tokenizer.train(sample, vocabulary), into / "tokenizer", context=context)
    tokenizer = Tokenizer(into / "tokenizer")
    if tokenizer.size > vocabulary:
        raise UserError(
            f"{initial}: its tokenizer has {tokenizer.size:,} ids, the model a vocabulary of {vocabulary:,}"
        )
    row = (settings.length or context) + 1
    planned = [
        _PlannedShard("shards", f"{name}-{index}", documents, int(component.share * phase.tokens) + row)
        for name, phase in phases.items()
        for index, (component, documents) in enumerate(zip(phase.mixture, chosen[name], strict=True))
    ]
    planned += [
        _PlannedShard("validation", source, documents, settings.validation_tokens)
        for source, documents in held_out.items()
    ]
    encoded = EncodedDocuments(stored, into / "tokenizer", into=into, progress=progress)
    figures = _write(planned, encoded, _characters_per_token(sample, tokenizer), tokenizer, row, into, progress)
    shown = zip(kept, texts(stored, [documents[0] for documents in kept.values()]), strict=True)
    write_json(into / "examples.json", {source: _cut(tokenizer, text[:_EXAMPLE]) for source, text in shown})
    return {
        "vocabulary": tokenizer.size,
        "tokenizer_characters": sum(map(len, sample)),
        "phases": {
            name: [
                {
                    "sources": list(component.sources),
                    "minimum_score": component.minimum_score,
                    "maximum_score": component.maximum_score,
                    "languages": list(component.languages),
                    "share": component.share,
                    "available": len(chosen[name][index]),
                    **figures["shards", f"{name}-{index}"],
                }
                for index, component in enumerate(phase.mixture)
            ]
            for name, phase in phases.items()
        },
        "validation": {source: figures["validation", source] for source in held_out},
    }


@dataclass(frozen=True)
class _PlannedShard:
    """A shard to write: so many tokens (or all there are) of these documents, in this order."""

    folder: str
    name: str
    documents: Sequence[Entry]
    tokens: int

    def likely(self, characters_per_token: float) -> Iterator[Entry]:
        """The first documents, as many as hold the tokens when so many characters make one."""
        left = self.tokens * characters_per_token
        for entry in self.documents:
            if left <= 0:
                return
            left -= entry.characters + characters_per_token  # the token at the end
            yield entry

    def needed(self, encoded: EncodedDocuments) -> list[Entry] | None:
        """The documents that go in: the first until the tokens are reached. None while not enough are encoded."""
        needed, tokens = [], 0
        for entry in self.documents:
            if tokens >= self.tokens:
                break
            if encoded.lengths[entry.number] < 0:
                return None
            tokens += int(encoded.lengths[entry.number])
            needed.append(entry)
        return needed


def _characters_per_token(sample: Sequence[str], tokenizer: Tokenizer) -> float:
    """By the beginning of the tokenizer's own sample."""
    characters = tokens = 0
    for text in sample:
        characters += len(text)
        tokens += len(tokenizer.encode(text))
        if characters >= _RATE_SAMPLE:
            break
    return characters / max(tokens, 1)


def _write(
    planned: Sequence[_PlannedShard],
    encoded: EncodedDocuments,
    characters_per_token: float,
    tokenizer: Tokenizer,
    row: int,
    into: Path,
    progress: Progress,
) -> dict[tuple[str, str], dict[str, Any]]:
    """Write all shards; returns the figures of each by folder and name.

    How many tokens a text has is known only once it is encoded: where the guess was short, more is encoded.
    """
    figures: dict[tuple[str, str], dict[str, Any]] = {}
    left = list(planned)
    guess = characters_per_token * _MARGIN
    while left:
        encoded.encode(entry.number for shard in left for entry in shard.likely(guess))
        short = []
        for shard in left:
            needed = shard.needed(encoded)
            if needed is None:
                short.append(shard)
            else:
                figures[shard.folder, shard.name] = _write_shard(shard, needed, encoded, tokenizer, row, into, progress)
        left = short
        guess *= 1.5
    return figures


def _write_shard(
    shard: _PlannedShard,
    documents: Sequence[Entry],
    encoded: EncodedDocuments,
    tokenizer: Tokenizer,
    row: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Pack the documents and write one shard; returns its figures."""
    from hornbook.tokens import pack
    from hornbook.tokens.encode import Subset
    from hornbook.tokens.shards import write_blocks, write_documents

    sequences = Subset(encoded, [entry.number for entry in documents])
    lengths = encoded.lengths[sequences.numbers].tolist()
    plan = pack.pack(lengths, row)
    pad = tokenizer.pad
    tokens = sum(lengths)

    def blocks() -> Iterator[Any]:
        with progress.task(f"packing {shard.name}", len(plan)) as bar:
            for start in range(0, len(plan), _ROWS):
                part = plan[start : start + _ROWS]
                yield pack.fill(part, sequences, row, pad)
                bar.advance(len(part))

    counts = {"documents": len(documents), "tokens": tokens}
    folder = into / shard.folder
    write_blocks(folder, shard.name, blocks(), len(plan), row, tokenizer.size, **counts)
    write_documents(folder, shard.name, [entry.id for entry in documents])
    return {
        **counts,
        "rows": len(plan),
        "characters_per_token": round(sum(entry.characters for entry in documents) / max(tokens, 1), 3),
        "padding": round(1 - tokens / (len(plan) * row) if plan else 0.0, 4),
    }


def _cut(tokenizer: Tokenizer, text: str) -> list[str]:
    """A text cut where its tokens are cut, for people to look at."""
    return [tokenizer.decode([token]) for token in tokenizer.encode(text)]


class TokensStageSettings(Settings):
    """What the tokens stage depends on."""

    seed: int = 1
    tokens: TokensSettings = TokensSettings()
    vocabulary: Annotated[int, Key("model.vocabulary")]
    context: Annotated[int, Key("model.context")]
    phase1: Annotated[OptionalPhase, Key("pretrain.phase1")] = OptionalPhase()
    phase2: Annotated[Phase, Key("pretrain.phase2")]
    initial_model: Annotated[str, Key("initial_model")] = ""

    @property
    def phases(self) -> dict[str, Phase]:
        """Those that there are, in their order."""
        return phases_of(self.phase1, self.phase2)


def _tokens(work: Work[TokensStageSettings]) -> dict[str, Any]:
    settings = work.settings
    settings.tokens.check_model(settings.vocabulary, settings.context, settings.initial_model)
    return tokenize(
        work.inputs["corpus"],
        settings.tokens,
        settings.phases,
        vocabulary=settings.vocabulary,
        context=settings.context,
        seed=settings.seed,
        into=work.into,
        progress=work.progress,
        initial=_given(settings, work.base),
    )


def _given(settings: TokensStageSettings, base: Path) -> Path | None:
    """The folder of a tokenizer that is there already, a model's or its own; None where one is learnt."""
    from hornbook.model.tokenizers import FILES

    named = settings.tokens.tokenizer or settings.initial_model
    if not named:
        return None
    place = base / expanded(named)
    return place if any((place / name).is_file() for name in FILES) else folder_from(named, base)


def _tokenizer_of(settings: TokensStageSettings, base: Path) -> list[str] | None:
    """What tells the files of a given tokenizer from others."""
    from hornbook.model.tokenizers import FILES

    folder = _given(settings, base)
    return None if folder is None else [digest_file(folder / name) for name in FILES if (folder / name).is_file()]


def _packed(figures: dict[str, Any]) -> int:
    return sum(component["tokens"] for phase in figures["phases"].values() for component in phase)


TOKENS = Stage(
    name="tokens",
    summary="tokenizer and packed shards",
    settings=TokensStageSettings,
    run=_tokens,
    inputs=(Input("corpus", ("clean",), "A corpus folder: one with documents/ in it.", reads="documents"),),
    decides=lambda settings, base: {
        "seed": settings.seed,
        "vocabulary": settings.vocabulary,
        "context": settings.context,
        "phases": {
            name: phase.model_dump(mode="json", include=set(Phase.model_fields))  # not how it is trained
            for name, phase in settings.phases.items()
        },
        **settings.tokens.model_dump(mode="json", exclude={"tokenizer"}),  # whose files count, not its name
    },
    outside=_tokenizer_of,
    headline=lambda f: f"vocabulary of {f['vocabulary']:,}, {_packed(f) / 1e6:.2f} million tokens packed",
    estimate=lambda settings, volume: Effort(
        f"{sum(volume.phases.values()) / 1e6:.2f} M tokens", 5 + volume.encoded / 250_000
    ),
)
