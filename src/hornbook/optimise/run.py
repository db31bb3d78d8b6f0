"""A mixture for a size and a budget: proxies read many mixtures, a law is fitted, and what it proposes is tried at the
target's size against the natural mixture, the recipe's own, and the best of the mixtures that were tried at random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hornbook import machine
from hornbook.documents import shards
from hornbook.errors import UserError, nearest
from hornbook.files import whole, write_json, write_text
from hornbook.library import run_recipe
from hornbook.model.config import ModelConfig
from hornbook.optimise.domains import Domain, domains, mixture, shares_of
from hornbook.optimise.law import Law, agreement, fit
from hornbook.optimise.page import page
from hornbook.optimise.propose import divergence, draw, propose, without_crumbs
from hornbook.optimise.shapes import in_words, scaled
from hornbook.planning.efforts import efforts
from hornbook.progress import Progress
from hornbook.recipe import STAGES, Recipe, base_of, load, locate, text_of
from hornbook.runs.effort import Effort
from hornbook.runs.single import ChangedCode
from hornbook.study.run import RUNS, run_study
from hornbook.study.settings import Study
from hornbook.study.statistics import paired
from hornbook.tokens.selection import Entry, split

PAGE, RESULT, RECIPE, MIXTURES = "optimise.html", "optimise.json", "recipe.toml", "mixtures.parquet"
REPETITIONS = 4.0  # of a document at most: as often it is worth nearly what fresh text is (arXiv:2305.16264)
FARTHEST = 0.1  # nats of divergence from the natural mixture
NATURAL, OWN, PROPOSED, RANDOM = "natural", "recipe", "proposed", "random"
MEASURES = ("body", "bits")  # of the study's those that are losses and compare between tokenizers
CHECKPOINT = "phase2"
_LATER = ("sft", "dpo", "quantize")  # what comes after pretraining

Vector = NDArray[np.float64]
Losses = dict[str, dict[int, dict[str, float]]]  # by mixture, seed and figure


class Plan:
    """What is to be found out: a recipe at some sizes, the last of which is the target's, that reads `tokens`."""

    def __init__(  # noqa: PLR0913 (one for each wish)
        self,
        recipe: str,
        sizes: Sequence[int],
        tokens: int,
        settings: Mapping[str, Any] | None = None,
        *,
        proxies: int = 24,
        seeds: int = 5,
        ranked: int = 6,
        farthest: float = FARTHEST,
        measures: Sequence[str] = (),
    ) -> None:
        """proxies: mixtures drawn, each read at every smaller size. seeds: of the runs at the target's size. ranked:
        drawn mixtures that are read there, too. farthest: nats that the proposed mixture's divergence from the natural
        one may be. measures: what is made small, their mean.

        Raises UserError for what cannot be: fewer than two sizes, measures that the recipe does not have.
        """
        _, self.path = locate(recipe)
        self.settings, self.tokens, self.farthest = dict(settings or {}), tokens, farthest
        self.recipe = load(self.path, self.settings)
        self.base = base_of(self.path, self.recipe)
        self.seeds = tuple(range(self.recipe.seed, self.recipe.seed + seeds))
        self.proxies, self.ranked = proxies, min(ranked, proxies)
        if self.recipe.initial_model:
            raise UserError(
                f"{self.path.name} goes on from a model, whose size is given; optimise makes models of several"
            )
        self.sizes = sorted(set(sizes))
        if len(self.sizes) < 2:
            raise UserError("--sizes names two sizes at least: those of the proxies, and last the target's")
        there = "evaluate" not in self.recipe.without
        if not there and self.recipe.samples is None:
            raise UserError(f"{self.path.name} measures nothing: it leaves evaluate out and has no [samples]")
        self.until = "evaluate" if there else "samples"
        self.measures = tuple(measures) or (MEASURES if there else MEASURES[1:])
        for name in self.measures:
            if name not in MEASURES:
                raise UserError(f"{name!r} is none of {', '.join(MEASURES)}{nearest(name, MEASURES)}")
            if name == "body" and not there:
                raise UserError(f"body is of held-out problems, and {self.path.name} leaves evaluate out")

    @property
    def target(self) -> int:
        """The size that the mixture is for."""
        return self.sizes[-1]

    @cached_property
    def shapes(self) -> dict[int, ModelConfig]:
        """The model at each size."""
        form = self.recipe.quantize.form
        return {size: scaled(self.recipe.model, size, multiple=form.group) for size in self.sizes}

    def budget(self, size: int) -> int:
        """Tokens that a model of this size reads: as many for each parameter as at the target."""
        return max(1, round(self.tokens * self.shapes[size].parameters() / self.shapes[self.target].parameters()))

    def arm(self, size: int, ingredients: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """What the recipe changes to at a size; ingredients: of both phases, in place of the recipe's own."""
        shape, phases = self.shapes[size].model_dump(), self.recipe.pretrain
        own = self.recipe.model.model_dump()
        changed = {f"model.{name}": value for name, value in shape.items() if value != own[name]}
        whole = phases.phase1.tokens + phases.phase2.tokens
        for name, phase in (("phase1", phases.phase1), ("phase2", phases.phase2)):
            changed[f"pretrain.{name}.tokens"] = max(1, round(self.budget(size) * phase.tokens / whole))
            if ingredients is not None:
                changed[f"pretrain.{name}.mixture"] = ingredients
                changed[f"pretrain.{name}.maximum_epochs"] = REPETITIONS
        return changed

    def study(self, name: str, arms: Mapping[str, Any], against: str, seeds: Sequence[int]) -> Study:
        """A study of these arms, as far as pretraining and what measures it."""
        left_out = [stage for stage in _LATER if STAGES[stage].leave_out]
        settings = {
            **self.settings,
            "without": list(dict.fromkeys([*self.recipe.without, *left_out])),
            # Only likelihoods decide; the answers that evaluate has written besides are kept short.
            **({"evaluate.problems": 1, "evaluate.new_tokens": 1} if self.until == "evaluate" else {}),
        }
        settings.pop("seed", None)
        return Study(
            name=name,
            recipe=str(self.path.absolute()),
            settings=settings,
            arms=dict(arms),
            against=against,
            seeds=tuple(seeds),
            measures=self.measures,
            checkpoints=(CHECKPOINT,),
            until=self.until,
        )

    def named(self, what: str, size: int) -> str:
        """The arm of a mixture at a size, which is also its run's folder."""
        return f"{what}-{in_words(size)}"


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
        return _losses(result, {plan.named(name, size): name for name in names}, corpus.parts)

    first = plan.seeds[:1]
    proxies = {
        size: tried(size, list(mixtures), first, f"proxies-{in_words(size)}", NATURAL) for size in plan.sizes[:-1]
    }
    weights = _weights(proxies[plan.sizes[0]], plan.measures)
    scores = {size: _scores(losses, weights)[first[0]] for size, losses in proxies.items()}
    laws, told = _laws(plan, proxies, mixtures, corpus, weights)
    slopes = np.array([law.slope for law in laws.values()])
    heavy = np.array(list(weights.values()))
    found = propose(slopes, heavy, corpus.natural, corpus.most, plan.farthest)
    mixtures[PROPOSED] = without_crumbs(found, corpus.most)
    largest = scores[plan.sizes[-2]]
    luckiest = min((name for name in largest if name not in (NATURAL, OWN)), key=lambda name: largest[name])
    mixtures[RANDOM] = mixtures[luckiest]

    verified = tried(plan.target, [PROPOSED, NATURAL, OWN, RANDOM], plan.seeds, "target", PROPOSED)
    ranked = [f"m{number:02d}" for number in range(1, plan.ranked + 1)]
    further = tried(plan.target, [NATURAL, *ranked], first, "ranking", NATURAL) if ranked else {}
    at_target = _scores(verified, weights)
    ranking = {**(_scores(further, weights)[first[0]] if further else {}), **at_target[first[0]]}
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
        "domains": [{"name": part.name, **asdict(part), "languages": list(part.languages)} for part in corpus.parts],
        "mixtures": {name: shares.tolist() for name, shares in mixtures.items()},
        "divergence": {name: divergence(shares, corpus.natural) for name, shares in mixtures.items()},
        "repetitions": max(
            plan.tokens * float(share) / part.tokens
            for part, share in zip(corpus.parts, mixtures[PROPOSED], strict=True)
        ),
        "laws": {
            figure: {
                "slope": dict(zip((part.name for part in corpus.parts), law.slope.tolist(), strict=True)),
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
        "bars": {name: _bar(at_target, name) for name in (NATURAL, OWN, RANDOM)},
        "agreement": {
            **{f"{in_words(size)} and the target": _agreement(one, ranking) for size, one in scores.items()},
            "the law and the target": _agreement(predicted, ranking, PROPOSED),
            "the law and mixtures left out": _agreement(told, largest),
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
    kept, _ = split(shards(made["clean"].folder), chosen.tokens.held_out, seed)
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


def _losses(result: Mapping[str, Any], names: Mapping[str, str], parts: Sequence[Domain]) -> Losses:
    """Every figure of a study's runs that counts: those of text are of the sources that are mixed."""
    sources = {part.source for part in parts}
    found: Losses = {}
    for one in result["comparisons"]:
        source = one["measure"].partition(".")[2]
        if source and source not in sources:
            continue
        for arm, by_seed in one["values"].items():
            for seed, value in by_seed.items():
                found.setdefault(names[arm], {}).setdefault(int(seed), {})[one["measure"]] = value
    failed = [run for run in result["runs"] if run["failed"] is not None and names[run["arm"]][0] != "m"]
    if failed or NATURAL not in found:
        told = (
            f"{failed[0]['arm']} with seed {failed[0]['seed']} failed: {failed[0]['failed']}"
            if failed
            else "no figures"
        )
        raise UserError(f"the others are held against what is not there: {told}")
    return found


def _weights(losses: Losses, measures: Sequence[str]) -> dict[str, float]:
    """What each figure counts: all measures alike, and within one the sources alike."""
    figures = list(next(iter(losses[NATURAL].values())))
    names = [figure.partition(".")[0] for figure in figures]
    for measure in measures:
        if measure not in names:
            why = "no held-out problem fits the model's context" if measure == "body" else "nothing was held out"
            raise UserError(f"{measure} was not measured: {why}; leave it out of --measures")
    return {figure: 1 / len(measures) / names.count(name) for figure, name in zip(figures, names, strict=True)}


def _scores(losses: Losses, weights: Mapping[str, float]) -> dict[int, dict[str, float]]:
    """By seed and mixture: the mean of the losses, each as a multiple of the natural mixture's with the same seed."""
    found: dict[int, dict[str, float]] = {}
    for name, by_seed in losses.items():
        for seed, figures in by_seed.items():
            natural = losses[NATURAL].get(seed, {})
            if weights.keys() <= figures.keys() and weights.keys() <= natural.keys():
                score = sum(weight * figures[figure] / natural[figure] for figure, weight in weights.items())
                found.setdefault(seed, {})[name] = score
    return found


def _laws(
    plan: Plan,
    proxies: Mapping[int, Losses],
    mixtures: Mapping[str, Vector],
    corpus: Corpus,
    weights: Mapping[str, float],
) -> tuple[dict[str, Law], dict[str, float]]:
    """The law of each figure, and by mixture the score at the largest proxies' size that is predicted without it.

    The recipe's own mixture is left out: it need not be near the natural one, and its two phases differ.
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


def _bar(scores: Mapping[int, Mapping[str, float]], other: str) -> dict[str, Any]:
    """The proposed mixture's score less another's, paired by seed; below 0 is better."""
    differences = [told[PROPOSED] - told[other] for told in scores.values() if PROPOSED in told and other in told]
    if not differences:
        raise UserError(f"no run of {PROPOSED} at the target's size can be held against one of {other}")
    return {**asdict(paired(differences)), "wins": sum(one < 0 for one in differences)}


def _agreement(first: Mapping[str, float], second: Mapping[str, float], *without: str) -> dict[str, Any]:
    """Pairs of mixtures that both scores order alike."""
    shared = [name for name in first if name in second and name not in without]
    same, pairs = agreement([first[name] for name in shared], [second[name] for name in shared])
    return {"same": same, "pairs": pairs, "share": same / pairs if pairs else None}


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


@dataclass(frozen=True)
class Expected:
    """Runs of one kind, and the work that each of them is. What all with one seed share counts once."""

    what: str
    size: int
    runs: int
    efforts: list[Effort]


def expected(plan: Plan) -> list[Expected]:
    """What an optimisation would do, from nothing."""
    proxies = plan.sizes[:-1]
    counts = [("proxies", size, plan.proxies + 2) for size in proxies]
    counts += [("target", plan.target, 4 * len(plan.seeds)), ("ranking", plan.target, plan.ranked)]
    rows = []
    for what, size, runs in counts:
        study = plan.study("", {"a": plan.arm(size), "b": {}}, "a", plan.seeds[:1])
        recipe = load(plan.path, {**study.settings, **study.arms["a"]})
        found = efforts(recipe, plan.base)
        each = [stage for stage in ("tokens", "pretrain", plan.until) if stage in found]
        if size == plan.sizes[0]:
            names = list(found)
            shared = [found[stage] for stage in names[: names.index("tokens")]]
            rows.append(Expected("documents", size, len(plan.seeds), shared))
        rows.append(Expected(what, size, runs, [found[stage] for stage in each]))
    return [row for row in rows if row.runs]
