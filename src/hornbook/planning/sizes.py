"""How much text the sources of a recipe hold: counted where files lie here, as told by their makers elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hornbook.corpus.read.settings import Source
from hornbook.planning.datasets import Told, told
from hornbook.planning.teaching import WRITE_ANSWER, expected_tokens
from hornbook.recipe import Recipe
from hornbook.teacher.settings import PREFIX, ordered

PACKED = 3.5  # how much longer text is than its file, packed by gzip, zstd or parquet
# Largest vocabulary -> characters a token, between those of code and of prose: measured on the standard library and on
# textbooks with the pocket recipe's tokenizer (1,024: 2.1 and 2.2, its exercises 3.2) and those of phi-3-mini (32,064:
# 3.3 and 4.3), GPT-2 (50,257: 4.8; 2.3 of code, without CodeGen's tokens for indentation), phi-3-small (4.3 and 5.0).
CHARACTERS_A_TOKEN = ((4_096, 2.5), (40_000, 3.8), (60_000, 4.2), (1 << 40, 4.6))
EXERCISE_CHARACTERS = 205  # of the built-in teacher, on average

Origin = Literal["counted", "as told", "written", "unknown"]


@dataclass(frozen=True)
class Size:
    """Of one source. `origin` says how the figures came about; None is what nobody knows before reading."""

    name: str
    path: str
    documents: int | None
    tokens: float | None
    characters: float | None
    origin: Origin


def characters_a_token(recipe: Recipe) -> float:
    """An estimate from the vocabulary's size."""
    return next(ratio for most, ratio in CHARACTERS_A_TOKEN if recipe.model.vocabulary <= most)


def sizes(recipe: Recipe, base: Path) -> dict[str, Size]:
    """Every source by name, what the teacher writes included. Raises UserError for a source that is not there."""
    ratio = characters_a_token(recipe)
    found = {source.name: _source(recipe, index, base, ratio) for index, source in enumerate(recipe.sources)}
    if "write" in recipe.without:
        return found
    tasks = round(recipe.write.exercises * recipe.write.tasks)
    for name, count in (("exercises", recipe.write.exercises - tasks), ("tasks", tasks)):
        characters = count * _exercise_characters(recipe, ratio)
        found[name] = Size(name, "the teacher", count, characters / ratio, characters, "written")
    return found


def _exercise_characters(recipe: Recipe, ratio: float) -> float:
    """Of an exercise, by whoever writes them."""
    by_llm = recipe.teacher is not None and recipe.teacher.exercises
    return WRITE_ANSWER * ratio if by_llm else EXERCISE_CHARACTERS


def _source(recipe: Recipe, index: int, base: Path, ratio: float) -> Size:
    from hornbook.corpus.read.hub import HubDataset
    from hornbook.corpus.read.kinds import COMPRESSIONS, Found
    from hornbook.corpus.read.remote import is_address
    from hornbook.corpus.read.sources import DOCUMENTATION, documentation, find

    source = recipe.sources[index]
    if source.path.startswith(PREFIX):
        count, each = ordered(source.path)[1], expected_tokens(source.path, base)
        return Size(source.name, source.path, count, float(count * each), count * each * ratio, "written")
    if source.path == DOCUMENTATION:
        texts = [len(text) for _, text in documentation()]
        return _counted(recipe, index, len(texts), float(sum(texts)), ratio)
    if is_address(source.path):
        return Size(source.name, source.path, None, None, None, "unknown")
    items = [item for item in find(source, base) if isinstance(item, Found)]
    if items and isinstance(items[0].file, HubDataset):
        return _told(source, told(items[0].file), ratio)
    packed = (*COMPRESSIONS, ".tgz", ".zip", ".parquet", ".arrow")
    characters = sum(item.file.stat().st_size * (PACKED if item.path.endswith(packed) else 1) for item in items)
    return _counted(recipe, index, len(items), characters, ratio)


def _told(source: Source, known: Told, ratio: float) -> Size:
    """Tokens follow from characters where only those are told, and the other way round."""
    tokens, characters = known.tokens, known.characters
    if tokens is None and characters is not None:
        tokens = characters / ratio
    elif tokens is not None and characters is None:
        characters = tokens * ratio
    documents = None if known.documents is None else round(known.documents * source.share)
    origin: Origin = "unknown" if documents is None and tokens is None else "as told"
    tokens, characters = (None if amount is None else amount * source.share for amount in (tokens, characters))
    return Size(source.name, source.path, documents, tokens, characters, origin)


def _counted(recipe: Recipe, index: int, files: int, characters: float, ratio: float) -> Size:
    """Documents are pieces: one a file at least, and one for every maximum_characters where long texts are cut."""
    source = recipe.sources[index]
    pieces = files + int(characters / recipe.read.maximum_characters) if source.split else files
    share = source.share
    return Size(
        source.name, source.path, round(pieces * share), characters * share / ratio, characters * share, "counted"
    )
