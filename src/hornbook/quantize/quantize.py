"""The quantize stage: a trained checkpoint becomes one of fewer bits a weight.

A method (`methods.py`) decides how weights are rounded, a format (`model/formats/quantization.py`) how they are stored.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings
from hornbook.evaluate.evaluate import CASES, PROBLEMS, TOKENS, passed, put_to
from hornbook.model.formats import quantization
from hornbook.model.formats.quantization import FOUR_BIT, QUANTIZATIONS, Quantization
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.stage import EVERY_STAGE, Checkpoint, Input, Stage, Work
from hornbook.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from hornbook.model.transformer import Transformer


class QuantizeSettings(Settings):
    """How weights are rounded, and how they are stored."""

    format: str = Field(
        FOUR_BIT.name,
        description="how weights are stored: "
        + ", ".join(f"{one.name} is {one.title} a weight in groups of {one.group}" for one in QUANTIZATIONS),
    )
    method: Literal["gptq", "rtn"] = Field(
        "gptq", description="gptq makes up for errors as calibration rows weigh them, rtn rounds to the nearest value"
    )
    embeddings: Literal["quantized", "half"] = Field("half", description="the embedding in the format too, or in fp16")
    calibration_rows: int = Field(
        256, ge=0, description="training rows that gptq weighs errors by; without any it is rtn"
    )

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return quantization.find(value).name
        except UserError as error:
            raise ValueError(str(error)) from None


def quantize(
    source: Path, rows: NDArray[np.int64], settings: QuantizeSettings, *, into: Path, progress: Progress
) -> dict[str, Any]:
    """Quantize the checkpoint `source` and write the checkpoint `into/model`; the embedding is always rounded by rtn.

    rows: (rows, time) of token ids to calibrate with. Raises UserError for a model with experts.
    """
    import torch
    from torch import nn

    from hornbook.model.formats import checkpoint
    from hornbook.model.lora import merge
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Linear
    from hornbook.quantize.methods import METHODS

    form = quantization.find(settings.format)
    model = merge(checkpoint.load(source, compute=torch.float32))
    if model.config.experts is not None:
        raise UserError(f"{source}: quantizing a model with experts is not supported")
    before = sum(p.numel() * p.element_size() for p in model.parameters())
    count = settings.calibration_rows if METHODS[settings.method].calibrated else 0
    ids = torch.from_numpy(rows[:count, : model.config.context])
    with torch.no_grad(), progress.task("quantizing", len(model.blocks)) as bar:
        if settings.embeddings == "quantized":
            quantize_matrix(model, "embed", form)
        else:
            for module in model.children():
                if isinstance(module, nn.Linear | nn.Embedding):
                    module.weight.data = module.weight.data.half()
        calibration = Calibration(model, ids)
        for index, block in enumerate(model.blocks):
            for name in [name for name, module in block.named_modules() if isinstance(module, Linear)]:
                gram = calibration.gram(index, block.get_submodule(name)) if len(ids) else None
                quantize_matrix(model, f"blocks.{index}.{name}", form, settings.method, gram)
            calibration.advance(index)
            bar.advance()
        if settings.embeddings == "quantized" and not model.config.tied_embeddings:
            quantize_matrix(model, "lm_head", form)
    tied = ("lm_head.",) if model.config.tied_embeddings else ()
    after = sum(t.numel() * t.element_size() for name, t in model.state_dict().items() if not name.startswith(tied))
    checkpoint.save(model, into / "model", Tokenizer(source))
    return {
        "bytes_before": before,
        "bytes_after": after,
        "bits_per_weight": round(8 * after / model.config.parameters(), 3),
        "calibration_rows": len(ids),
    }


def quantize_matrix(
    model: Transformer, name: str, form: Quantization = FOUR_BIT, method: str = "rtn", gram: Tensor | None = None
) -> None:
    """Swap one matrix of `model`, a linear map or an embedding, for its quantized form. gram: see `methods.Method`."""
    from torch import nn

    from hornbook.model.formats.quantized import empty, replace
    from hornbook.quantize.methods import METHODS

    module = model.get_submodule(name)
    assert isinstance(module, nn.Linear | nn.Embedding)
    layer = empty(module, form)
    layer.store(*METHODS[method].round(module.weight, gram, form))
    replace(model, name, layer)


class Calibration:
    """What a model's blocks read while it reads `ids`, one block at a time.

    Only one block is ever computed: what the last one made is kept, rows x time x width numbers.
    """

    def __init__(self, model: Transformer, ids: Tensor, batch: int = 32) -> None:
        """ids: (rows, time), of which `batch` rows are computed at once."""
        self._model = model
        self._entered = [model.enter(ids[start : start + batch]) for start in range(0, len(ids), batch)]

    def gram(self, index: int, module: nn.Module) -> Tensor:
        """Sum of x xᵀ over every input x that `module`, a part of block `index`, sees: (columns, columns) in float64.

        What is before it is quantized already, so that each matrix makes up for the errors that really reach it.
        """
        import torch

        total: list[Tensor] = []

        def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0].flatten(0, -2).double()
            total.append(x.mT @ x)
            raise _Reached

        handle = module.register_forward_pre_hook(watch)
        for x, angles, masks in self._entered:
            with contextlib.suppress(_Reached):
                self._model.blocks[index](x, angles, masks[self._model.config.kind(index)], None)
        handle.remove()
        return torch.stack(total).sum(0)

    def advance(self, index: int) -> None:
        """Go on behind block `index`."""
        block, kind = self._model.blocks[index], self._model.config.kind(index)
        self._entered = [(block(x, angles, masks[kind], None), angles, masks) for x, angles, masks in self._entered]


class _Reached(Exception):  # noqa: N818 (no error)
    """A module was reached: what is behind it need not be computed."""


class QuantizeStageSettings(Settings):
    """What the quantize stage depends on."""

    quantize: QuantizeSettings = QuantizeSettings()
    evaluate: EvaluateSettings = EvaluateSettings()


def _quantize(work: Work[QuantizeStageSettings]) -> dict[str, Any]:
    rows = _calibration_rows(work.inputs.get("tokens"), work.settings.quantize.calibration_rows)
    figures = quantize(work.inputs["model"], rows, work.settings.quantize, into=work.into, progress=work.progress)
    if "written" not in work.inputs:
        return figures
    return figures | put_to({work.settings.quantize.format: work.into / "model"}, work.settings.evaluate, work)


def _calibration_rows(tokens: Path | None, count: int) -> NDArray[np.int64]:
    """The first rows of the strictest ingredient of phase 2, the last one; none without a tokens folder."""
    import numpy as np

    from hornbook.tokens import shards

    if tokens is None:
        return np.empty((0, 0), dtype=np.int64)
    names = [path.stem for path in (tokens / "shards").glob("phase2-*.json") if path.stem.count(".") == 0]
    strictest = max(names, key=lambda name: int(name.removeprefix("phase2-")))
    return np.asarray(shards.read(tokens / "shards", strictest)[:count], dtype=np.int64)


def _headline(figures: dict[str, Any]) -> str:
    sizes = f"{figures['bytes_before'] / 1e6:.2f} MB → {figures['bytes_after'] / 1e6:.2f} MB"
    return f"{sizes}, pass@1: {passed(figures)}" if "models" in figures else sizes


QUANTIZE = Stage(
    name="quantize",
    summary="fewer bits a weight",
    settings=QuantizeStageSettings,
    run=_quantize,
    inputs=(
        Input("model", EVERY_STAGE, "The model to shrink.", checkpoint=True),
        replace(TOKENS, optional=True, help="What `hornbook tokens` made: rows that errors are weighed by."),
        replace(PROBLEMS, optional=True, help="A folder with problems.jsonl and safety.jsonl, to measure it with."),
    ),
    checkpoints=tuple(Checkpoint(one.name, "model", one.title, shrunk=True) for one in QUANTIZATIONS),
    leaves=lambda settings, checkpoint: checkpoint.name == settings.quantize.format,
    needs=("write",),
    leave_out=True,
    runs_generated_code=True,
    runs_code_of=lambda inputs: "written" in inputs,
    headline=_headline,
    estimate=lambda settings, volume: Effort("1 x", 10 + 2 * settings.evaluate.problems / CASES),
)
