"""What is to be found out: a recipe at several sizes, the studies that it takes, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hornbook.amounts import in_words
from hornbook.errors import UserError, nearest
from hornbook.model.config import ModelConfig
from hornbook.optimise.shapes import scaled
from hornbook.planning.efforts import efforts
from hornbook.recipe import STAGES, base_of, load, locate
from hornbook.runs.effort import Effort
from hornbook.study.settings import Study

REPETITIONS = 4.0  # of a document at most: as often it is worth nearly what fresh text is (arXiv:2305.16264)
KL_PENALTY = 0.1  # of a nat of divergence from the natural mixture, as Olmix has it (Chen et al. 2026)
MEASURES = ("body", "bits")  # of the study's those that are losses and compare between tokenizers
CHECKPOINT = "phase2"
_LATER = ("sft", "dpo", "quantize")  # what comes after pretraining


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
        kl_penalty: float = KL_PENALTY,
        measures: Sequence[str] = (),
    ) -> None:
        """proxies: mixtures drawn, each read at every smaller size. seeds: of the runs at the target's size. ranked:
        drawn mixtures that are read there, too. kl_penalty: what a nat of the proposed mixture's divergence from
        the natural one costs, in multiples of that one's loss. measures: what is made small, their mean.

        Raises UserError for what cannot be: fewer than two sizes, measures that the recipe does not have.
        """
        _, self.path = locate(recipe)
        self.settings, self.tokens, self.kl_penalty = dict(settings or {}), tokens, kl_penalty
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
        """What the recipe changes to at a size; ingredients: of every phase, in place of the recipe's own."""
        shape, phases = self.shapes[size].model_dump(), self.recipe.pretrain.phases
        own = self.recipe.model.model_dump()
        changed = {f"model.{name}": value for name, value in shape.items() if value != own[name]}
        whole = sum(phase.tokens for phase in phases.values())
        for name, phase in phases.items():
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
