"""A recipe small enough to be tried in under a minute: every stage and setting kept, sizes cut by one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

from hornbook.corpus.read.kinds import ARCHIVES, CONTAINERS, RECORDS, TABLES, ending
from hornbook.corpus.read.settings import STANDARD_INPUT, Source
from hornbook.evaluate.evaluate import BEFORE
from hornbook.files import expanded, write_text
from hornbook.model.config import ModelConfig
from hornbook.planning.sizes import Size, sizes
from hornbook.recipe import Recipe
from hornbook.settings import validated
from hornbook.teacher.settings import PREFIX, ordered

# The most of each size that a recipe tells. What is less, or is not told, stays.
MOST: Mapping[str, int] = {
    "grade.sample": 60,
    "write.exercises": 200,
    "write.problems": 10,
    "write.conversations": 60,
    "write.preferences": 40,
    "tokens.length": 128,
    "tokens.training_characters": 100_000,
    "tokens.validation_tokens": 2_000,
    "pretrain.phase1.tokens": 12_288,
    "pretrain.phase2.tokens": 12_288,
    **{
        f"{table}.{name}": most
        for table in ("pretrain", "pretrain.phase1", "pretrain.phase2", "sft", "dpo", "longrope.extend")
        for name, most in (("batch", 4), ("micro_batch", 2))
    },
    "evaluate.problems": 10,
    "evaluate.new_tokens": 24,
    "evaluate.exam.limit": 4,
    "quantize.calibration_rows": 8,
    "quantize.measured_rows": 8,
    "samples.held_out": 2,
    "samples.new_tokens": 24,
    **{
        f"longrope.{table}.{name}": most
        for table in ("search", "extend.recovery")
        for name, most in (
            ("population", 4), ("iterations", 1), ("mutations", 2), ("crossovers", 2), ("parents", 2), ("documents", 2),
        )
    },
    "longrope.extend.tokens": 4_096,
    "longrope.measure.documents": 2,
    "longrope.measure.passkeys": 1,
}  # fmt: skip
CHARACTERS = 200_000  # of a source that lies here, and files of one that doesn't: so many documents at least
DOCUMENTS = 24
CONTEXT, LAYERS, HEADS, HEAD_SIZE, WIDTH, VOCABULARY = 256, 2, 4, 32, 128, 512  # of the model, at most
COLUMNS = 32  # widths are multiples of it: quantization's smallest groups


def smoke(recipe: Recipe, base: Path, folder: Path) -> tuple[Recipe, str]:
    """The recipe with its sizes cut, and what was cut, in a line. base: where its relative paths start.

    Sources that are not on this machine are stood in by files that are written into `folder`, and no score or language
    is asked of these. Raises UserError for a source that should be here and is not.
    """
    values = recipe.model_dump()
    small = small_model(recipe.model, keeps_tokenizer=bool(recipe.initial_model or recipe.tokens.tokenizer))
    values["model"] = small.model_dump()
    if recipe.initial_model:
        values["tokens"]["tokenizer"] = values.pop("initial_model")
        values["pretrain"]["freeze"] = ()  # random weights are nothing to keep
        for phase in ("phase1", "phase2"):
            values["pretrain"][phase]["rehearse"] = 0.0
        if values["evaluate"]["checkpoints"]:
            values["evaluate"]["checkpoints"] = [one for one in recipe.evaluate.checkpoints if one != BEFORE]
    for key, most in MOST.items():
        _cut(values, key, min(most, small.context) if key == "tokens.length" else most)
    if recipe.longrope is not None:
        values["longrope"]["context"] = small.context * min(4, ceil(recipe.longrope.context / recipe.model.context))
    for table in ("pretrain", "sft", "dpo"):
        values[table]["compile"] = False
    elsewhere = [source for source in recipe.sources if not _here(source)]
    stand_ins = _stand_ins(recipe, elsewhere, folder)
    there = recipe.model_copy(update={"sources": tuple(stand_ins.get(one.name, one) for one in recipe.sources)})
    found = sizes(there, base)
    for phase in ("phase1", "phase2"):
        for component in values["pretrain"][phase]["mixture"]:
            if stand_ins.keys() & set(component["sources"]):  # what is asked of the real ones means nothing of these
                component |= {"minimum_score": 0.0, "maximum_score": None, "languages": ()}
    values["sources"] = [_part(source, found[source.name], base).model_dump() for source in there.sources]
    values["name"] = f"{recipe.name} (smoke)"
    made = validated(Recipe, values, "recipe", f"{recipe.name}, cut for a trial: ")
    return made, _told(recipe, made, [source.name for source in elsewhere])


def small_model(config: ModelConfig, *, keeps_tokenizer: bool = False) -> ModelConfig:
    """A model with the same switches that is a few hundred wide at most, and sees a few hundred tokens at most.

    Query heads share keys as before, kinds of attention alternate as before, and windows, blocks and LongRoPE's switch
    keep their share of the context.
    """
    shared = config.heads // config.key_value_heads
    heads = min(config.heads, max(shared, HEADS // shared * shared))
    size = min(config.head_size, HEAD_SIZE, max(16, WIDTH // heads))
    size = size if not int(size * config.rotary_share) % 2 and size * config.rotary_share >= 2 else config.head_size
    while heads * size % COLUMNS and heads < config.heads:
        heads += shared
    width = _columns(min(config.width, heads * size))
    context = min(config.context, CONTEXT)
    ratio = context / config.context
    pairs = int(size * config.rotary_share) // 2
    scale = config.attention_scale  # 1 means none; any other goes by the head's size, as in muP, logits' by the width

    def part(tokens: int) -> int:
        return max(1, round(tokens * ratio))

    values = config.model_dump() | {
        "layers": min(config.layers, max(LAYERS, len(config.attention or ()))),
        "width": width,
        "heads": heads,
        "kv_heads": None if config.kv_heads is None else heads // shared,
        "head_dim": None if width == heads * size else size,
        "mlp_width": _columns(min(config.mlp_width, width * config.mlp_width / config.width)),
        "context": context,
        "vocabulary": config.vocabulary if keeps_tokenizer else min(config.vocabulary, VOCABULARY),
        "sliding_window": None if config.sliding_window is None else part(config.sliding_window),
        "attention_scale": scale if scale in (None, 1.0) else scale * config.head_size / size,
        "logit_scale": 1.0 if config.logit_scale == 1 else config.logit_scale * config.width / width,
        "dummy_tokens": config.dummy_tokens if keeps_tokenizer else (),
    }
    if config.blocksparse is not None:
        values["blocksparse"]["block"] = part(config.blocksparse.block)
    if config.longrope is not None:
        values["longrope"]["original"] = part(config.longrope.original)
        for name in ("short", "long"):
            factors = values["longrope"][name]
            values["longrope"][name] = [factors[at * len(factors) // pairs] for at in range(pairs)]
    return ModelConfig.model_validate(values)


def _columns(width: float) -> int:
    """The nearest width that weights of 4 bits can have."""
    return max(1, round(width / COLUMNS)) * COLUMNS


def _cut(values: dict[str, Any], key: str, most: int) -> None:
    """Lower a size that is told and larger."""
    *path, last = key.split(".")
    table: Any = values
    for name in path:
        table = table.get(name) if isinstance(table, dict) else None
    if isinstance(table, dict) and isinstance(table.get(last), int) and table[last] > most:
        table[last] = most


def _here(source: Source) -> bool:
    """Whether a source can be read without a network and without waiting for anybody."""
    from hornbook.corpus.read.hub import PREFIX as HUB
    from hornbook.corpus.read.remote import is_address

    return not source.path.startswith(HUB) and not is_address(source.path) and source.path != STANDARD_INPUT


def _part(source: Source, size: Size, base: Path) -> Source:
    """A part of a source that has about so many characters, and so many documents at least."""
    if source.path.startswith(PREFIX):
        kind, count = ordered(source.path)
        return source.model_copy(update={"path": f"{PREFIX}{kind}#{min(count, MOST['grade.sample'])}"})
    if not size.characters or not size.documents:
        return source
    part = max(CHARACTERS / size.characters, DOCUMENTS / size.documents)
    if _texts_alone(base / expanded(source.path)):
        return source
    return source.model_copy(update={"share": source.share * min(1.0, part)})


def _texts_alone(place: Path) -> bool:
    """Whether it is a few files of one text each, or one such file: a share is of texts, and might be none of them."""
    files = [place] if place.is_file() else list(islice((one for one in place.rglob("*") if one.is_file()), DOCUMENTS))
    many = {*RECORDS, *TABLES, *ARCHIVES, *CONTAINERS}
    return 0 < len(files) < DOCUMENTS and not any(ending(one.name)[0] in many for one in files)


def _stand_ins(recipe: Recipe, sources: Sequence[Source], folder: Path) -> dict[str, Source]:
    """Files in place of each of these sources: stories where the filters' rules ask for prose, else modules of Python's
    library. No two sources have one in common.
    """
    rules = recipe.filter.heuristics
    prose = {one.name for one in recipe.sources if rules.rules and (not rules.sources or one.name in rules.sources)}
    found: dict[str, Source] = {}
    for texts, chosen in ((_stories(recipe.seed), True), (_modules(), False)):
        several = [source for source in sources if (source.name in prose) is chosen]
        for number, (name, text) in enumerate(islice(texts, DOCUMENTS * len(several))):
            source = several[number % len(several)]
            place = folder / source.name
            if not (place / name).is_file() or (place / name).read_text(encoding="utf-8") != text:  # its time counts
                write_text(place / name, text)
            found[source.name] = source.model_copy(update={"path": str(place.resolve()), "share": 1.0})
    return found


def _stories(seed: int) -> Iterator[tuple[str, str]]:
    """Files of a few of the built-in teacher's stories each."""
    from hornbook.teacher.builtin.stories import stories

    told = (story.text for story in stories(10_000, seed=seed))
    for number, several in enumerate(zip(told, told, told, told, strict=False)):
        yield f"stories-{number:04d}.txt", "\n\n".join(several)


def _modules() -> Iterator[tuple[str, str]]:
    """Files of Python's library, no tests among them."""
    from hornbook.corpus.read.kinds import Found
    from hornbook.corpus.read.sources import STANDARD_LIBRARY, find

    for item in find(Source(name="library", path=STANDARD_LIBRARY), Path()):
        if isinstance(item, Found) and isinstance(item.file, Path) and "/" not in item.path:
            text = item.file.read_text(encoding="utf-8", errors="replace")
            if 4_000 < len(text) < 20_000:
                yield item.path, text


def _told(before: Recipe, after: Recipe, elsewhere: list[str]) -> str:
    """What was cut, in a line."""
    counts = [
        ("parameters", before.model.parameters(), after.model.parameters()),
        ("tokens of context", before.model.context, after.model.context),
        ("tokens of pretraining", _tokens(before), _tokens(after)),
    ]
    if "write" not in before.without:
        counts += [
            (name, getattr(before.write, name), getattr(after.write, name))
            for name in ("exercises", "problems", "conversations", "preferences")
        ]
    told = [f"{old:,} {name} → {new:,}" for name, old, new in counts if new < old]
    stood_in = f"; {', '.join(elsewhere)}: modules of Python's library and stories in their place" if elsewhere else ""
    return f"Cut for a trial: {', '.join(told)}; texts to {CHARACTERS:,} characters a source; not compiled{stood_in}."


def _tokens(recipe: Recipe) -> int:
    return sum(phase.tokens for phase in recipe.pretrain.phases.values())
