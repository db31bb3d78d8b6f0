"""How likely a model finds texts, token by token, Min-K% and Min-K%++: whether it seems to have seen them.

Min-K% (Shi et al. 2024) is the mean log-likelihood of the 20% least likely tokens of a text. A text that was learned
has no tokens that surprise, so its value is high; what a value means shows only beside texts that were not learned.
Min-K%++ (Zhang et al. 2024) takes of each token its log-likelihood in standard deviations from the mean, both under the
distribution that the model predicts at its place: (log p(x) - mu) / sigma, mu = E[log p], sigma^2 = E[(log p - mu)^2].
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from hornbook.audit.differences import rounded
from hornbook.progress import Progress
from hornbook.seeds import derive, stream

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

SHARE = 0.2
_RESAMPLES = 1_000
_LEAST = 1e-6  # a deviation: below it the model is sure, and a quotient would be noise
_NAME = re.compile(r"\b[A-Za-z_]\w{2,}\b")
_NUMBER = re.compile(r"\d+")


class Surprise(NamedTuple):
    """Of every token of a text but the first its log-likelihood, and that in standard deviations (Min-K%++)."""

    likely: list[float]
    standard: list[float]


def log_likelihoods(
    model: Transformer, tokenizer: Tokenizer, texts: Sequence[str], progress: Progress, batch: int = 16
) -> list[list[float]]:
    """Each token's log-likelihood, for every token but the first, of as much of each text as fits into the context."""
    return [one.likely for one in surprises(model, tokenizer, texts, progress, batch)]


def surprises(
    model: Transformer, tokenizer: Tokenizer, texts: Sequence[str], progress: Progress, batch: int = 16
) -> list[Surprise]:
    """How much the tokens of each text surprise, of as much of it as fits into the context."""
    import torch

    rows = [tokenizer.encode_prompt(text)[: model.config.context] for text in texts]
    found = [Surprise([], []) for _ in rows]
    device = model.norm.weight.device
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))  # like lengths together: little padding
    with torch.inference_mode(), progress.task("likelihood of texts", total=len(rows)) as task:
        for start in range(0, len(order), batch):
            numbers = [number for number in order[start : start + batch] if len(rows[number]) > 1]
            if numbers:
                longest = max(len(rows[number]) for number in numbers)
                padded = torch.tensor(
                    [rows[number] + [0] * (longest - len(rows[number])) for number in numbers], device=device
                )
                logits = model(padded[:, :-1]).float().log_softmax(dim=-1)
                likely = logits.gather(2, padded[:, 1:, None])[:, :, 0]
                share = logits.exp()
                mean = (share * logits).sum(-1)
                # Of an impossible token 0 * -inf would be nan; no model of ours has one, so none is looked for.
                deviation = (share * (logits - mean[..., None]).square()).sum(-1).sqrt()
                standard = (likely - mean) / deviation.clamp_min(_LEAST)
                for row, beside, number in zip(likely.tolist(), standard.tolist(), numbers, strict=True):
                    found[number] = Surprise(row[: len(rows[number]) - 1], beside[: len(rows[number]) - 1])
            task.advance(min(batch, len(order) - start))
    return found


def min_k(likelihoods: Sequence[float], share: float = SHARE) -> float:
    """The mean of the least likely `share` of a text's tokens, one at least; not a number for a text without tokens.

    Of log-likelihoods that is Min-K%, of standard ones Min-K%++.
    """
    lowest = sorted(likelihoods)[: max(1, math.ceil(share * len(likelihoods)))] if likelihoods else []
    return fmean(lowest) if lowest else math.nan


def perturbed(text: str, *, seed: int) -> str:
    """The same kind of text with other details: numbers become others of their length, and a tenth of the different
    words of three letters or more trade places with each other throughout.
    """
    chance = stream(seed, "audit", "perturb", text)
    text = _NUMBER.sub(lambda match: _other_number(match[0], chance), text)
    names = sorted(set(_NAME.findall(text)))
    chosen = chance.sample(names, min(len(names), max(2, len(names) // 10)))
    turned = dict(zip(chosen, chosen[1:] + chosen[:1], strict=True))
    return _NAME.sub(lambda match: turned.get(match[0], match[0]), text)


def _other_number(digits: str, chance: random.Random) -> str:
    while True:
        other = str(chance.randrange(10 ** (len(digits) - 1), 10 ** len(digits)))
        if other != digits:
            return other


def compare(values: Sequence[float], others: Sequence[float], *, seed: int) -> dict[str, Any]:
    """Means of two groups, and the chance that one of the first is above one of the second (AUC; 0.5: no difference),
    with a 95% bootstrap interval, and p, one-sided (Mann and Whitney's).
    """
    import numpy as np
    from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

    first = np.array([value for value in values if not math.isnan(value)])
    second = np.array([value for value in others if not math.isnan(value)])
    if not len(first) or not len(second):
        return {"mean": None, "other": None, "auc": None, "low": None, "high": None, "p": None, "texts": len(first)}
    above = (first[:, None] > second).astype(np.float32) + 0.5 * (first[:, None] == second)
    generator = np.random.default_rng(derive(seed, "audit", "auc"))
    drawn = []
    for _ in range(_RESAMPLES):
        rows = np.bincount(generator.integers(len(first), size=len(first)), minlength=len(first)) / len(first)
        columns = np.bincount(generator.integers(len(second), size=len(second)), minlength=len(second)) / len(second)
        drawn.append(float(rows @ above @ columns))
    return {
        "mean": round(float(first.mean()), 4),
        "other": round(float(second.mean()), 4),
        "auc": round(float(above.mean()), 4),
        "low": round(float(np.percentile(drawn, 2.5)), 4),
        "high": round(float(np.percentile(drawn, 97.5)), 4),
        "p": rounded(float(mannwhitneyu(first, second, alternative="greater").pvalue)),
        "texts": len(first),
    }
