"""A mixture for a size and a budget: proxies read many mixtures, a law is fitted, and what it proposes is tried at the
target's size against the natural mixture, the recipe's own, and the best of the mixtures that were tried at random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hornbook import machine
from hornbook.amounts import in_words
from hornbook.documents import shards
from hornbook.errors import UserError
from hornbook.files import whole, write_json, write_text
from hornbook.library import run_recipe
from hornbook.optimise.domains import Domain, domains, mixture, shares_of
from hornbook.optimise.law import Law, fit
from hornbook.optimise.page import page
from hornbook.optimise.plan import REPETITIONS, Plan
from hornbook.optimise.propose import divergence, draw, propose, rounded, without_crumbs
from hornbook.optimise.scores import (
    NATURAL,
    OWN,
    PROPOSED,
    RANDOM,
    Losses,
    agreed,
    bar,
    losses_of,
    scores_of,
    weights_of,
)
from hornbook.progress import Progress
from hornbook.recipe import Recipe, load, text_of
from hornbook.runs.single import ChangedCode
from hornbook.study.run import RUNS, run_study
from hornbook.tokens.selection import Entry, split

PAGE, RESULT, RECIPE, MIXTURES = "optimise.html", "optimise.json", "recipe.toml", "mixtures.parquet"
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Corpus:
    """What there is to learn from. natural: the share of each domain; most: what repetition allows at the target;
    own: what the recipe's own mixtures read.
    """

    parts: list[Domain]
    natural: Vector
    most: Vector
    own: Vector


def optimise(
    plan: Plan,
    into: Path,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    allow_unisolated: bool = False,
    changed_code: ChangedCode | None = None,
    changed_settings: Literal["redo"] | None = None,
) -> dict[str, Any]:
    """Find the mixture and try it, in the folder `into`; what is done is skipped. Returns what `optimise.json` has.

    For the last three see `run_recipe`. Raises UserError for a corpus too small for the budget, where runs fail that
    the others are held against, and as `run_study` does.
    """
    shown = progress or Progress()
    wishes: dict[str, Any] = {
        "progress": shown,
        "allow_unisolated": allow_unisolated,
        "changed_code": changed_code,
        "changed_settings": changed_settings,
    }
    corpus = _corpus(plan, into, wishes)
    drawn = draw(plan.proxies, corpus.natural, corpus.most, plan.recipe.seed)
    mixtures = {NATURAL: corpus.natural, OWN: corpus.own}
    mixtures |= {f"m{number:02d}": shares for number, shares in enumerate(drawn, 1)}

    def tried(size: int, names: Sequence[str], seeds: Sequence[int], folder: str, against: str) -> Losses:
        arms = {
            plan.named(name, size): plan.arm(size, None if name == OWN else mixture(corpus.parts, mixtures[name]))
            for name in names
        }
        study = plan.study(f"{plan.path.stem}, {folder}", arms, plan.named(against, size), seeds)
        result = run_study(study, into / folder, runs_in=into / RUNS, workers=workers, **wishes)
        return losses_of(result, {plan.named(name, size): name for name in names})

    first = plan.seeds[:1]
    proxies = {
        size: tried(size, list(mixtures), first, f"proxies-{in_words(size)}", NATURAL) for size in plan.sizes[:-1]
    }
    weights = weights_of(proxies[plan.sizes[0]], plan.measures)
    scores = {size: scores_of(losses, weights)[first[0]] for size, losses in proxies.items()}
    laws, told = _laws(plan, proxies, mixtures, corpus, weights)
    slopes = np.array([law.slope for law in laws.values()])
    heavy = np.array(list(weights.values()))
    found = propose(slopes, heavy, corpus.natural, corpus.most, plan.kl_penalty)
    mixtures[PROPOSED] = rounded(without_crumbs(found, corpus.most), corpus.most)
    largest = scores[plan.sizes[-2]]
    drawn_there = [name for name in largest if name not in (NATURAL, OWN)]
    if not drawn_there:
        raise UserError(f"all runs of drawn mixtures failed; {into} has the studies with the reasons")
    luckiest = min(drawn_there, key=lambda name: largest[name])
    mixtures[RANDOM] = mixtures[luckiest]

    verified = tried(plan.target, [PROPOSED, NATURAL, OWN, RANDOM], plan.seeds, "target", PROPOSED)
    ranked = [f"m{number:02d}" for number in range(1, plan.ranked + 1)]
    further = tried(plan.target, [NATURAL, *ranked], first, "ranking", NATURAL) if ranked else {}
    at_target = scores_of(verified, weights)
    ranking = {**(scores_of(further, weights)[first[0]] if further else {}), **at_target[first[0]]}
    ranking[luckiest] = ranking.pop(RANDOM)
    predicted = {
        name: sum(weight * laws[figure].ratio(shares, corpus.natural) for figure, weight in weights.items())
        for name, shares in mixtures.items()
    }
    result: dict[str, Any] = {
        "recipe": plan.path.stem,
        "measures": list(plan.measures),
        "sizes": {
            in_words(size): {"parameters": plan.shapes[size].parameters(), "tokens": plan.budget(size)}
            for size in plan.sizes
        },
        "seeds": list(plan.seeds),
        "kl_penalty": plan.kl_penalty,
        "domains": [{"name": part.name, **asdict(part), "languages": list(part.languages)} for part in corpus.parts],
        "mixtures": {name: shares.tolist() for name, shares in mixtures.items()},
        "divergence": {name: divergence(shares, corpus.natural) for name, shares in mixtures.items()},
        "repetitions": max(
            plan.tokens * float(share) / part.tokens
            for part, share in zip(corpus.parts, mixtures[PROPOSED], strict=True)
        ),
        "laws": {
            figure: {
                "slope": law.slope.tolist(),
                "form": law.form,
                "ridge": law.penalty,
                "drifts": law.drifts,
                "error": law.error,
                "spread": law.spread,
            }
            for figure, law in laws.items()
        },
        "weights": weights,
        "proxies": {in_words(size): one for size, one in scores.items()},
        "predicted": predicted,
        "target": {str(seed): one for seed, one in at_target.items()},
        "ranking": ranking,
        "luckiest": luckiest,
        "held_out": told,
        "bars": {name: bar(at_target, name) for name in (NATURAL, OWN, RANDOM)},
        "agreement": {
            **{f"{in_words(size)} and the target": agreed(one, ranking) for size, one in scores.items()},
            "the law and the target": agreed(predicted, ranking, PROPOSED),
            "the law and mixtures left out": agreed(told, largest),
        },
        "machine": machine.describe(),
    }
    _write(plan, corpus, mixtures, result, into)
    return result


def _corpus(plan: Plan, into: Path, wishes: Mapping[str, Any]) -> Corpus:
    """Count what is left to learn from, with the tokenizer of the recipe's own mixture at the smallest size."""
    size, seed = plan.sizes[0], plan.seeds[0]
    study = plan.study("", {plan.named(OWN, one): plan.arm(one) for one in plan.sizes}, plan.named(OWN, size), [seed])
    chosen = load(plan.path, {**study.settings, **study.arms[study.against], "seed": seed, "name": study.against})
    made = run_recipe(
        chosen, into / RUNS / f"{study.against}-{seed}", until="tokens", base=plan.base, reuse=True, **wishes
    )
    phases = chosen.pretrain.phases.values()
    read = {source for phase in phases for component in phase.mixture for source in component.sources}
    kept, _ = split(shards(made["clean"].folder), chosen.tokens.held_out, seed, read)
    figures = made["tokens"].figures["validation"]
    rates = {source: one["characters_per_token"] for source, one in figures.items() if one["characters_per_token"]}
    if not rates:
        raise UserError("nothing was held out of any source: the corpus is too small to optimise its mixture")
    usual = sum(rates.values()) / len(rates)
    parts = domains(chosen, kept, lambda source: rates.get(source, usual))
    return _counted(plan, chosen, kept, parts)


def _counted(plan: Plan, recipe: Recipe, kept: Mapping[str, Sequence[Entry]], parts: list[Domain]) -> Corpus:
    tokens = np.array([part.tokens for part in parts])
    if plan.tokens > REPETITIONS * tokens.sum():
        raise UserError(
            f"{plan.tokens:,} tokens would read a corpus of {tokens.sum():,.0f} more than {REPETITIONS:g} times; "
            "lower --tokens or add documents"
        )
    if len(parts) < 2:
        raise UserError(f"the mixtures of {plan.path.name} name one source that has no scores: there is nothing to mix")
    most = np.minimum(1.0, REPETITIONS * tokens / plan.tokens)
    return Corpus(parts, tokens / tokens.sum(), most, shares_of(recipe, kept, parts))


def _laws(
    plan: Plan,
    proxies: Mapping[int, Losses],
    mixtures: Mapping[str, Vector],
    corpus: Corpus,
    weights: Mapping[str, float],
) -> tuple[dict[str, Law], dict[str, float]]:
    """The law of each figure, and by mixture the score at the largest proxies' size that is predicted without it.

    The recipe's own mixture is left out: it need not be near the natural one, and its phases may differ.
    """
    seed, target, largest = plan.seeds[0], plan.shapes[plan.target].parameters(), plan.sizes[-2]
    laws: dict[str, Law] = {}
    told: dict[str, float] = {}
    runs = [
        (size, name, by_seed[seed])
        for size, losses in proxies.items()
        for name, by_seed in losses.items()
        if name != OWN and weights.keys() <= by_seed.get(seed, {}).keys()
    ]
    shares = np.array([mixtures[name] for _, name, _ in runs])
    sizes = [float(plan.shapes[size].parameters()) for size, _, _ in runs]
    for figure, weight in weights.items():
        law = laws[figure] = fit(shares, sizes, [figures[figure] for _, _, figures in runs], corpus.natural, target)
        natural = proxies[largest][NATURAL][seed][figure]
        for (size, name, _), logarithm in zip(runs, law.held_out.tolist(), strict=True):
            if size == largest:
                told[name] = told.get(name, 0.0) + weight * math.exp(logarithm) / natural
    return laws, told


def _write(plan: Plan, corpus: Corpus, mixtures: Mapping[str, Vector], result: dict[str, Any], into: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "mixture": name,
            "domain": part.name,
            "source": part.source,
            "low": part.low,
            "high": part.high,
            "share": share,
        }
        for name, shares in mixtures.items()
        for part, share in zip(corpus.parts, shares.tolist(), strict=True)
    ]
    with whole(into / MIXTURES) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary)
    arm = plan.arm(plan.target, mixture(corpus.parts, mixtures[PROPOSED]))
    chosen = load(plan.path, {**plan.settings, **arm, "name": f"{plan.path.stem}-optimised"})
    write_text(into / RECIPE, text_of(chosen, plan.base, into))
    write_text(into / PAGE, page(result))
    write_json(into / RESULT, result)
