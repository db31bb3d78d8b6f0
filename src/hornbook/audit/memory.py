"""Whether a model knows a benchmark's rows by heart: Min-K% and Min-K%++ beside rows that it can't have seen.

What a value means shows only beside others of the same form: a row's own twin; and rows of the same benchmark that the
user knows to be new, each row beside one about as long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from hornbook.audit.differences import rounded
from hornbook.audit.likelihood import Surprise, compare, min_k, surprises
from hornbook.evaluate.benchmark import wilson_interval
from hornbook.evaluate.exam.declaration import Benchmark
from hornbook.evaluate.exam.questions import UnaskableError, solved
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

METHODS = {"Min-K%": "likely", "Min-K%++": "standard"}
_LENGTH = 0.25  # as much longer or shorter a matched row may be
Rows = Mapping[str, Mapping[str, Any]]


def memory(
    model: Transformer,
    tokenizer: Tokenizer,
    page: Benchmark,
    rows: Rows,
    twins: Rows | None,
    unseen: Rows | None,
    progress: Progress,
    *,
    seed: int,
) -> dict[str, Any] | None:
    """Figures by method, beside `twin` and `unseen`, each None where there are no such rows; None without both.

    Texts are rows with their right answers, as a corpus would hold them; a row that can't be made one is left out.
    """
    if not twins and not unseen:
        return None

    def of(some: Rows | None) -> dict[str, Surprise]:
        texts = _texts(page, some or {})
        found = surprises(model, tokenizer, list(texts.values()), progress)
        return {id_: one for id_, one in zip(texts, found, strict=True) if one.likely}

    known, changed, new = of(rows), of(twins), of(unseen)
    both = [id_ for id_ in known if id_ in changed]
    pairs = matched([len(one.likely) for one in known.values()], [len(one.likely) for one in new.values()])
    ours, others = list(known.values()), list(new.values())
    return {
        "rows": len(known),
        "left_out": len(rows) - len(known),
        "twin": {
            name: beside([_of(known[id_], field) for id_ in both], [_of(changed[id_], field) for id_ in both])
            for name, field in METHODS.items()
        }
        if both
        else None,
        "unseen": {
            name: compare(
                [_of(ours[at], field) for at, _ in pairs], [_of(others[at], field) for _, at in pairs], seed=seed
            )
            for name, field in METHODS.items()
        }
        if pairs
        else None,
        "unmatched": len(known) - len(pairs) if unseen else 0,
    }


def _texts(page: Benchmark, rows: Rows) -> dict[str, str]:
    found = {}
    for id_, fields in rows.items():
        try:
            found[id_] = solved(page, fields)
        except UnaskableError:
            continue
    return found


def _of(one: Surprise, field: str) -> float:
    return min_k(getattr(one, field))


def matched(lengths: Sequence[int], others: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of places whose lengths are near, each place once: the longest first, with the nearest that is left."""
    left = sorted(range(len(others)), key=others.__getitem__)
    pairs = []
    for at in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        best = min(left, key=lambda other: abs(others[other] - lengths[at]), default=None)
        if best is not None and abs(others[best] - lengths[at]) <= _LENGTH * lengths[at]:
            left.remove(best)
            pairs.append((at, best))
    return sorted(pairs)


def beside(values: Sequence[float], twins: Sequence[float]) -> dict[str, Any]:
    """How often a row is likelier than its own twin (0.5: nothing speaks for memory), with Wilson's interval and the
    one-sided p of the exact sign test. Keys are those of `likelihood.compare`.
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    differ = [a > b for a, b in zip(values, twins, strict=True) if not math.isclose(a, b)]
    above, changed = sum(differ), len(differ)
    ties = len(values) - changed
    low, high = wilson_interval(above + ties / 2, len(values))
    return {
        "mean": round(fmean(values), 4),
        "other": round(fmean(twins), 4),
        "auc": round((above + ties / 2) / len(values), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "p": rounded(binomtest(above, changed, alternative="greater").pvalue) if changed else 1.0,
        "texts": len(values),
    }
