"""Continued pretraining: a published model reads on, in texts of one's own, which are held in memory."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from hornbook.documents import DOCUMENTS
from hornbook.runs.stage import Checkpoint, Input, Look, Stage, Work
from hornbook.settings import Settings
from hornbook.train import held_out
from hornbook.train.data import RowsInput
from hornbook.train.events import located
from hornbook.train.pretrain import PretrainSettings
from hornbook.train.settings import Rate, TrainSettings
from hornbook.train.shapes import to_learn
from hornbook.train.tuning import TuneSettings, look, tune


class FurtherSettings(TuneSettings):
    """Continued pretraining: every token of every text is learnt."""

    optimizer: Literal["muon", "adamw"] = "adamw"
    learning_rate: Rate = 5e-5
    decay: float = Field(1.0, ge=0, le=1)


class FurtherStageSettings(Settings):
    """What continued pretraining depends on."""

    seed: int = 1
    pretrain: FurtherSettings = FurtherSettings()

    @field_validator("pretrain", mode="before")
    @classmethod
    def _of_recipe(cls, value: Any) -> Any:
        """Of a recipe's own pretraining: how its last phase is trained."""
        if not isinstance(value, PretrainSettings):
            return value
        last = value.of(value.phase2)
        return {name: getattr(last, name) for name in TrainSettings.model_fields}


_ROWS = RowsInput("corpus", DOCUMENTS, to_learn, lambda settings: settings.pretrain.data)


def _look(work: Work[FurtherStageSettings]) -> Look:
    chosen = work.settings
    return look(
        work.inputs["model"],
        _ROWS.given(work),
        chosen.pretrain,
        stage="pretrain",
        seed=chosen.seed,
        progress=work.progress,
        whole=True,
    )


def _further(work: Work[FurtherStageSettings]) -> dict[str, Any]:
    settings = located(work.settings.pretrain, work.into, work.base)
    return tune(
        work.inputs["model"],
        _ROWS.given(work),
        settings,
        stage="pretrain",
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
        whole=True,
    )


FURTHER = Stage(
    name="pretrain",
    summary="a published model reads on",
    settings=FurtherStageSettings,
    run=_further,
    inputs=(
        Input("model", (), "The model to train.", checkpoint=True),
        _ROWS.declared((), "texts to learn from: a corpus, a folder, a file or hf:NAME."),
    ),
    checkpoints=(Checkpoint("pretrain", "model", "continued pretraining"),),
    outside=_ROWS.fingerprint,
    reads=_ROWS.places,
    on_ranks=True,
    look=_look,
    card=True,
    alone=held_out.ALONE,
    headline=lambda f: f"{f['tokens'] / 1e6:.2f} million tokens, loss {f['loss']:.2f}{held_out.told(f)}",
)
