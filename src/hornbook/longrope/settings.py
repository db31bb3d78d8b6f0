"""How a context is made longer: the search, the training after it, and what is measured. Free of heavy imports."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.amounts import Count, Length
from hornbook.machine import Precision
from hornbook.runs.stage import Key
from hornbook.settings import Settings
from hornbook.tokens.settings import Component
from hornbook.train.settings import Rate, TrainSettings

# The thresholds that the paper's search chooses among (arXiv:2402.13753, table 4).
START_TOKEN_THRESHOLDS = (0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 64, 128, 256)


class SearchSettings(Settings):
    """The evolutionary search of LongRoPE (arXiv:2402.13753, section 3.2); the defaults are the paper's."""

    method: Literal["evolution", "pi", "ntk", "yarn"] = Field(
        "evolution", description="evolution: search factors; else those of a published method, unsearched"
    )
    variant: Literal["paper", "released"] = Field(
        "paper",
        description="paper: factors from 1 to 1.25 s, and start tokens; released: the authors' code, 1 to 1 + s, none",
    )
    population: int = Field(64, ge=3, description="individuals to begin with")
    iterations: int = Field(40, ge=0)
    mutations: int = Field(16, ge=0, description="mutants in an iteration")
    crossovers: int = Field(16, ge=0, description="children of two parents in an iteration")
    parents: int = Field(32, ge=2, description="the best so far, which have children")
    probability: float = Field(0.3, gt=0, le=1, description="that a factor of a child changes")
    start_tokens: bool = Field(True, description="search how many first tokens keep their angles; not in transformers")
    documents: int = Field(5, ge=1, description="long documents whose perplexity is the fitness")
    attention_factor: float | Literal["formula"] = Field(
        1.0, description="what multiplies cosine and sine beyond the original context; formula: sqrt(1 + ln s / ln L)"
    )
    batch_tokens: int = Field(8192, ge=1, description="tokens that are read at once")
    precision: Precision = Field("fp32", description="what the fitness is computed in, whatever the machine")

    @property
    def searches_start(self) -> bool:
        """Whether start tokens are searched: the authors' code never does."""
        return self.start_tokens and self.variant == "paper"


class ExtendSettings(TrainSettings):
    """The training at the longer length, which mixes in short sequences so that the short context is kept."""

    learning_rate: Rate = 5e-4
    muon_learning_rate: Rate = 2.5e-3
    decay: float = Field(1.0, ge=0, le=1)
    batch: int = Field(2, ge=1, description="long rows in a step")
    compile: bool | None = False
    tokens: Count = Field(500_000, ge=1, description="tokens that are read, the short ones included")
    short_share: float = Field(0.5, ge=0, lt=1, description="share of them in rows of the original length")
    retrieval_share: float = Field(
        0.0, ge=0, lt=1, description="share of the rows, long and short, made to be looked up"
    )
    maximum_epochs: float = Field(4.0, gt=0, description="no document is read more often")
    recovery: SearchSettings | None = Field(
        SearchSettings(population=16, iterations=4, mutations=4, crossovers=4, parents=8, documents=32),
        description="the search for the short context's own factors afterwards; none: they stay 1",
    )


class MeasureSettings(Settings):
    """Perplexity against length, and passkeys by depth and length."""

    documents: int = Field(40, ge=2, description="long documents that no step has read, the same for every method")
    passkeys: int = Field(10, ge=0, description="prompts for each depth and length")
    depths: tuple[float, ...] = Field((0.0, 25.0, 50.0, 75.0, 100.0), description="percent of the text before the key")
    batch_tokens: int = Field(8192, ge=1, description="tokens that are read at once")
    precision: Precision = Field("fp32", description="what losses and answers are computed in, whatever the machine")


class LongRopeSettings(Settings):
    """A recipe's `[longrope]`: from the pretrained model to a longer context."""

    context: Length = Field(ge=2, description="the longer context in tokens")
    sources: tuple[str, ...] = Field(min_length=1, description="where long documents come from")
    minimum_score: float = Field(0.0, description="long documents to train on reach this; ungraded ones do")
    search: SearchSettings = SearchSettings()
    extend: ExtendSettings = ExtendSettings()
    measure: MeasureSettings = MeasureSettings()

    @model_validator(mode="after")
    def _enough_parents(self) -> Self:
        if self.search.parents > self.search.population:
            raise ValueError(f"search.parents {self.search.parents} is more than its population")
        return self


class LongDocumentsSettings(Settings):
    """Which documents are read whole."""

    seed: int = 1
    held_out: Annotated[float, Key("tokens.held_out")] = 0.02
    context: Annotated[int, Key("longrope.context")]
    sources: Annotated[tuple[str, ...], Key("longrope.sources")]
    minimum_score: Annotated[float, Key("longrope.minimum_score")] = 0.0


class SearchStageSettings(LongDocumentsSettings):
    """What the search stage depends on."""

    search: Annotated[SearchSettings, Key("longrope.search")] = SearchSettings()


class ExtendStageSettings(LongDocumentsSettings):
    """What the extend stage depends on."""

    extend: Annotated[ExtendSettings, Key("longrope.extend")] = ExtendSettings()
    mixture: Annotated[tuple[Component, ...], Key("pretrain.phase2.mixture")]


class MeasureStageSettings(LongDocumentsSettings):
    """What the measure stage depends on."""

    measure: Annotated[MeasureSettings, Key("longrope.measure")]
