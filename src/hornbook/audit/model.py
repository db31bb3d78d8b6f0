"""What a model owes to leaks: its scores on the similar and on the other part of a benchmark, and Min-K%."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.audit.answers import answered, has_tests
from hornbook.audit.differences import apart, score
from hornbook.audit.likelihood import compare, log_likelihoods, min_k, perturbed
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item
from hornbook.corpus.decontaminate.finder import Finder, Limits
from hornbook.documents import read_batches
from hornbook.machine import Precision
from hornbook.progress import Progress
from hornbook.seeds import stream

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

THRESHOLDS = (0.95, 0.9, 0.85, 0.8)  # phi-1's
_LOOSE = Limits(match=0.3, code_match=0.3, letters=13, similarity=0.5)
Key = tuple[str, str]


@dataclass(frozen=True)
class Asking:
    """How a model is asked: at most `most` items of a benchmark, drawn by `seed`. It is to compute in `precision`."""

    seed: int = 1
    most: int = 200
    allow_unisolated: bool = False
    precision: Precision = "fp32"


def audit_model(
    model: Transformer,
    tokenizer: Tokenizer,
    benchmarks: Sequence[Benchmark],
    corpus: Path | None,
    unseen: Sequence[str],
    asking: Asking,
    progress: Progress,
) -> dict[str, Any]:
    """For each benchmark the scores on the part that is like the corpus and on the rest, and Min-K%.

    `corpus` is what the model learned from, None where that is not known: then there is no split. `unseen` are texts
    that it can't have learned; Min-K% is compared with them where there are any.
    """
    seed = asking.seed
    drawn = {one.name: _drawn(one.items, asking.most, seed) for one in benchmarks}
    items = [item for some in drawn.values() for item in some]
    chosen = [Benchmark(one.name, one.kind, tuple(drawn[one.name])) for one in benchmarks]
    near = similarity(corpus, chosen, progress) if corpus is not None else None
    right = answered(model, tokenizer, items, progress, allow_unisolated=asking.allow_unisolated)
    others = [min_k(one) for one in log_likelihoods(model, tokenizer, unseen, progress)]
    rows = []
    for one in chosen:
        texts = [item.text for item in one.items]
        seen = [min_k(like) for like in log_likelihoods(model, tokenizer, texts, progress)]
        changed = [perturbed(text, seed=seed) for text in texts]
        turned = [min_k(like) for like in log_likelihoods(model, tokenizer, changed, progress)]
        unjudged = sum(has_tests(item) and _key(item) not in right for item in one.items)
        known = {(item.benchmark, item.id): right[item.benchmark, item.id] for item in one.items if _key(item) in right}
        rows.append(
            {
                "name": one.name,
                "items": len(one.items),
                "score": score(list(known.values())),
                "unjudged": unjudged,
                "split": split(known, near) if known and near is not None else None,
                "perturbed": compare(seen, turned, seed=seed),
                "unseen": compare(seen, others, seed=seed) if others else None,
            }
        )
    return {
        "benchmarks": rows,
        "similarity": near is not None,
        "unseen": len(unseen),
        "precision": asking.precision,
    }


def similarity(corpus: Path, benchmarks: Sequence[Benchmark], progress: Progress) -> dict[Key, float]:
    """How much of each item the document that is most like it holds: shape of code, or words in order; 0 for none."""
    finder = Finder(benchmarks, _LOOSE, loose=True)
    near = {_key(item): 0.0 for item in finder.items}
    with progress.task("compare with the corpus") as task:
        for batch in read_batches(corpus, ["id", "text"]):
            texts = batch["text"].to_pylist()
            for hits in finder.find(texts):
                for hit in hits:
                    near[_key(hit.item)] = max(near[_key(hit.item)], hit.share)
            task.advance(len(texts))
    return near


def split(right: Mapping[Key, bool], near: Mapping[Key, float]) -> list[dict[str, Any]]:
    """For each threshold the score of the items at least so similar to the corpus, of the others, and how far apart
    these are.
    """
    rows = []
    for threshold in THRESHOLDS:
        similar = [passed for key, passed in right.items() if near[key] >= threshold]
        rest = [passed for key, passed in right.items() if near[key] < threshold]
        rows.append(
            {
                "threshold": threshold,
                "similar": score(similar),
                "other": score(rest),
                "difference": apart(similar, rest),
            }
        )
    return rows


def _drawn(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    if len(items) <= most:
        return list(items)
    numbers = stream(seed, "audit", items[0].benchmark).sample(range(len(items)), most)
    return [items[number] for number in sorted(numbers)]


def _key(item: Item) -> Key:
    return (item.benchmark, item.id)
