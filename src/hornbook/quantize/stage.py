"""The quantize stage: which rows a model is calibrated with, and what it can do when it is quantized."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings
from hornbook.evaluate.evaluate import PROBLEMS, TOKENS, answering, passed, put_to, questions_of
from hornbook.model.formats.quantization import QUANTIZATIONS
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import EVERY_STAGE, Checkpoint, Input, Stage, Work
from hornbook.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hornbook.model.tokenizers import Tokenizer

OWN_TEXTS = "rehearsal.npy"  # in the stage's folder: rows that the model wrote itself
TUNING_PASSES = 4 / 3  # the original reads the same tokens, without a backward pass
ROUNDING = 1.5e-6  # seconds a weight in which gptq's rounds round it, on a core of the reference processor


class QuantizeStageSettings(Settings):
    """What the quantize stage depends on."""

    seed: int = 1
    quantize: QuantizeSettings = QuantizeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def _quantize(work: Work[QuantizeStageSettings]) -> dict[str, Any]:
    from hornbook.model.tokenizers import Tokenizer

    settings, source = work.settings.quantize, work.inputs["model"]
    rows = _rows(work, settings, Tokenizer(source))
    figures = quantize(source, rows, settings, into=work.into, progress=work.progress, seed=work.settings.seed)
    if "written" not in work.inputs:
        return figures
    return figures | put_to({settings.form.name: work.into / "model"}, work.settings.evaluate, work)


def _rows(work: Work[QuantizeStageSettings], settings: QuantizeSettings, tokenizer: Tokenizer) -> Rows:
    """Rows of the corpus that is named to calibrate with, or of a tokens folder, and what the model writes itself."""
    import numpy as np

    from hornbook.model.formats.architectures import read_config
    from hornbook.quantize.calibration import rows_of_corpus, rows_of_tokens, validation_rows
    from hornbook.quantize.methods import METHODS
    from hornbook.tokens.shards import pad_of

    time = min(settings.calibration_tokens, read_config(work.inputs["model"]).context)
    reads = METHODS[settings.method].calibrated or settings.tune_epochs
    own = round(settings.rehearse * settings.calibration_rows) if reads else 0
    calibrating, measuring = settings.calibration_rows - own, settings.measured_rows
    if "calibrate" in work.inputs:
        rows = Rows(*rows_of_corpus(work.inputs["calibrate"], tokenizer, time, calibrating, measuring))
    elif "tokens" in work.inputs:
        tokens = work.inputs["tokens"]
        pad = pad_of(tokens / "shards", tokenizer)
        rows = Rows(rows_of_tokens(tokens, calibrating), validation_rows(tokens, measuring, pad))
    elif reads and calibrating:
        what = "tune_epochs reads" if settings.method == "rtn" else "method=gptq weighs errors by"
        raise UserError(
            f"{what} text: name a corpus with --calibrate, or say rehearse=1 for text that the model writes itself, or "
            f"method=rtn{' without tune_epochs' if settings.tune_epochs else ''}"
        )
    else:
        rows = Rows(np.empty((0, time), dtype=np.int64), np.empty((0, time), dtype=np.int64))
    return replace(rows, calibrating=np.concatenate([rows.calibrating, _own(work, own, rows)])) if own else rows


def _own(work: Work[QuantizeStageSettings], count: int, rows: Rows) -> NDArray[np.int64]:
    """As many rows that the model writes itself, as long as the others: (rows, time)."""
    import numpy as np

    from hornbook import machine
    from hornbook.train.rehearsal import own_texts

    model, place = work.inputs["model"], work.into / OWN_TEXTS
    time, precise, seed = rows.calibrating.shape[1], machine.choose("fp32"), work.settings.seed
    made = own_texts(model, count, time, precise, seed=seed, place=place, progress=work.progress)
    return np.asarray(made, dtype=np.int64)


def _headline(figures: dict[str, Any]) -> str:
    sizes = f"{figures['bytes_before'] / 1e6:.2f} MB → {figures['bytes_after'] / 1e6:.2f} MB"
    quality = figures.get("quality")
    if quality:
        sizes += f", perplexity {quality['perplexity_before']:.2f} → {quality['perplexity_after']:.2f}"
    return f"{sizes}, pass@1: {passed(figures)}" if "models" in figures else sizes


def _effort(settings: QuantizeStageSettings, volume: Volume) -> Effort:
    """The rounding (docs/quantize.md), and the model put to the problems.

    gptq computes each block four times, for each of its matrices and to go on, and rounds every weight four times.
    """
    asked, rounding = answering(settings.evaluate, volume, 1, ""), settings.quantize
    seconds = 5 + asked.core_seconds
    tokens = rounding.calibration_rows * min(rounding.calibration_tokens, volume.context)
    if rounding.method == "gptq":
        seconds += volume.generating((4 + rounding.rehearse) * tokens, 1)
        seconds += ROUNDING * volume.flops_per_token(1) / 2
    tuned = volume.training("tuning scales", tokens * rounding.tune_epochs, TUNING_PASSES)
    return replace(asked, size="1 x", core_seconds=seconds, computations=(tuned,) if rounding.tune_epochs else ())


QUANTIZE = Stage(
    name="quantize",
    summary="fewer bits a weight",
    settings=QuantizeStageSettings,
    run=_quantize,
    inputs=(
        Input("model", EVERY_STAGE, "The model to shrink.", checkpoint=True),
        replace(TOKENS, optional=True, help="What `hornbook tokens` made: rows that errors are weighed by."),
        Input("calibrate", (), "A corpus folder: text that errors are weighed by, and compared on.", optional=True),
        replace(PROBLEMS, optional=True, help="A folder with problems.jsonl and safety.jsonl, to measure it with."),
    ),
    checkpoints=tuple(Checkpoint(one.name, "model", one.title, shrunk=True) for one in QUANTIZATIONS),
    leaves=lambda settings, checkpoint: checkpoint.name == settings.quantize.form.name,
    outside=lambda settings, base: questions_of(settings.evaluate, base),
    needs=("write",),
    leave_out=True,
    runs_generated_code=True,
    runs_code_of=lambda inputs: "written" in inputs,
    headline=_headline,
    estimate=_effort,
)
