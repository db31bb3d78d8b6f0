"""A trained checkpoint becomes one of fewer bits a weight.

A method (`methods.py`) decides how weights are rounded, a format (`model/formats/quantization.py`) how they are stored.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hornbook.amounts import Length
from hornbook.errors import UserError
from hornbook.files import seal, sealed
from hornbook.model.formats.quantization import FOUR_BIT, Quantization
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.settings import Settings
from hornbook.train.settings import Rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from hornbook.model.transformer import Transformer
    from hornbook.quantize.calibration import Calibration


class QuantizeSettings(Settings):
    """How weights are rounded, and how they are stored."""

    bits: Literal[4, 8] = Field(4, description="bits of a weight's level")
    group: Literal[32, 64, 128] = Field(32, description="neighbouring weights of a row that share a scale")
    symmetric: bool = Field(True, description="without zero points; with them a group costs `bits` more")
    method: Literal["gptq", "rtn"] = Field(
        "gptq", description="gptq makes up for errors as calibration rows weigh them, rtn rounds to the nearest value"
    )
    embeddings: Literal[16, 8, 4] = Field(16, description="bits of the embedding, which is always rounded by rtn")
    head: Literal[16, 8, 4] | None = Field(
        None, description="bits of an output matrix of its own; as many as the embedding's unless given"
    )
    calibration_rows: int = Field(
        256, ge=0, description="rows of text that gptq weighs errors by; without any it is rtn"
    )
    rehearse: float = Field(
        0.0, ge=0, le=1, description="share of these rows that the model writes itself, for what no other text shows"
    )
    calibration_tokens: Length = Field(
        512, ge=8, description="tokens of a row that is made of a corpus; no more than the model's context"
    )
    tune_epochs: int = Field(
        0, ge=0, description="times that its scales are trained on these rows, to predict what the original predicts"
    )
    tune_rate: Rate = Field(1e-3, description="AdamW's rate, of a factor that each scale is multiplied by")
    measured_rows: int = Field(64, ge=0, description="rows of held-out text on which it is compared with the original")

    @property
    def form(self) -> Quantization:
        """The format of all matrices but embedding and output."""
        return Quantization(self.bits, self.group, self.symmetric)

    def outer(self, matrix: str) -> Quantization | None:
        """The format of the embedding, `embed`, or of the output matrix, `lm_head`; None for 16 bits."""
        bits = self.embeddings if matrix == "embed" or self.head is None else self.head
        return None if bits == 16 else Quantization(bits, self.group, self.symmetric)


@dataclass(frozen=True)
class Rows:
    """Rows of ids, (rows, time): to calibrate with, and held-out ones to measure with, where -1 fills up."""

    calibrating: NDArray[np.int64]
    measuring: NDArray[np.int64]


def quantize(
    source: Path, rows: Rows, settings: QuantizeSettings, *, into: Path, progress: Progress, seed: int = 1
) -> dict[str, Any]:
    """Quantize the checkpoint `source` and write the checkpoint `into/model`.

    One block after the other is read, rounded, and kept in the scratch folder: an interrupted run goes on behind it.
    seed: of the order in which scales are tuned.
    Raises UserError where a matrix' rows cannot be cut into groups, and for a model that is quantized already.
    """
    import torch

    from hornbook.model.formats import checkpoint
    from hornbook.model.formats.quantized import is_quantized, matrices, weight_of
    from hornbook.model.lora import merge
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.quantize import quality
    from hornbook.quantize.calibration import Calibration
    from hornbook.quantize.methods import METHODS
    from hornbook.quantize.tuning import tune

    model = merge(checkpoint.load(source, compute=torch.float32))
    if is_quantized(model):
        raise UserError(f"{source} is quantized already; give the model that it was made of")
    for name in matrices(model):
        if name in ("embed", "lm_head") and settings.outer(name) is None:
            continue
        form, columns = settings.form, weight_of(model, name).shape[-1]
        if not form.fits(columns):
            raise UserError(f"{source}: the rows of {name} have {columns} weights, no multiple of group={form.group}")
    before = sum(p.numel() * p.element_size() for p in model.parameters())
    calibrating = rows.calibrating[: settings.calibration_rows, : model.config.context]
    ids = torch.from_numpy(calibrating if METHODS[settings.method].calibrated else calibrating[:0])
    with torch.no_grad(), progress.task("quantizing", len(model.blocks)) as bar:
        _outer(model, "embed", settings)
        calibration = Calibration(model, ids) if len(ids) else None
        for index in range(len(model.blocks)):
            _block(model, index, settings, calibration, into / SCRATCH)
            if calibration is not None:
                calibration.advance(index)
            bar.advance()
        if not model.config.tied_embeddings:
            _outer(model, "lm_head", settings)
    steps = 0
    if settings.tune_epochs and len(calibrating):
        epochs, rate = settings.tune_epochs, settings.tune_rate
        steps = tune(
            model, checkpoint.load(source), calibrating, epochs=epochs, rate=rate, seed=seed, progress=progress
        )
    tied = ("lm_head.",) if model.config.tied_embeddings else ()
    after = sum(t.numel() * t.element_size() for name, t in model.state_dict().items() if not name.startswith(tied))
    checkpoint.save(model, into / "model", Tokenizer(source))
    shutil.rmtree(into / SCRATCH / "blocks", ignore_errors=True)
    figures = {
        "bytes_before": before,
        "bytes_after": after,
        "bits_per_weight": round(8 * after / model.config.parameters(), 3),
        "calibration_rows": len(ids),
        "tuned_steps": steps,
    }
    measuring = rows.measuring[: settings.measured_rows, : model.config.context + 1]
    if len(measuring):
        compared = quality.compare(checkpoint.load(source, compute=torch.float32), model, measuring)
        figures |= {"quality": quality.told(compared)}
    return figures


def _outer(model: Transformer, name: Literal["embed", "lm_head"], settings: QuantizeSettings) -> None:
    """Store the embedding or the output matrix as the settings say; 16 bits of fp32 weights are fp16."""
    import torch

    form = settings.outer(name)
    if form is not None:
        quantize_matrix(model, name, form)
        return
    for module in (model.get_submodule(one) for one in (name, "positions") if hasattr(model, one)):
        if module.weight.dtype in (torch.float32, torch.float64):
            module.weight.data = module.weight.data.half()


def _block(
    model: Transformer, index: int, settings: QuantizeSettings, calibration: Calibration | None, scratch: Path
) -> None:
    """Quantize a block, or take what an interrupted run came to."""
    from safetensors.torch import load_file, save_file

    from hornbook.model.formats.quantized import matrices, replace

    prefix, kept = f"blocks.{index}.", scratch / "blocks" / f"block-{index:04d}.safetensors"
    names = [name for name in matrices(model) if name.startswith(prefix)]
    if sealed(kept, scratch):
        held = load_file(kept)
        for name in names:
            layer = replace(model, name, settings.form)
            layer.load_state_dict({leaf: held.get(f"{name}.{leaf}", old) for leaf, old in layer.state_dict().items()})
        return
    for name in names:
        quantize_matrix(model, name, settings.form, settings.method, calibration)
    kept.parent.mkdir(parents=True, exist_ok=True)
    layers = {name: model.get_submodule(name) for name in names}
    save_file({f"{name}.{leaf}": one for name, layer in layers.items() for leaf, one in layer.named_buffers()}, kept)
    seal(kept, scratch)


def quantize_matrix(
    model: Transformer, name: str, form: Quantization = FOUR_BIT, method: str = "rtn", seen: Calibration | None = None
) -> None:
    """Swap one matrix of `model`, a linear map, an embedding or a stack of experts, for its quantized form.

    seen: the calibration that stands before the block of the matrix, None to weigh nothing.
    """
    import torch

    from hornbook.model.experts import MixtureOfExperts
    from hornbook.model.formats.quantized import replace, weight_of
    from hornbook.quantize.grids import Rounded
    from hornbook.quantize.methods import METHODS

    round_ = METHODS[method].round
    weight = weight_of(model, name).detach()
    parent, _, leaf = name.rpartition(".")
    inside = model.get_submodule(parent)
    index = int(name.split(".")[1]) if seen is not None else 0
    made: Sequence[Rounded]
    if isinstance(inside, MixtureOfExperts):
        grams = seen.expert_grams(index, inside, leaf) if seen is not None else [None] * len(weight)
        made = [round_(one.float(), gram, form) for one, gram in zip(weight, grams, strict=True)]
    else:
        gram = seen.gram(index, model.get_submodule(name)) if seen is not None else None
        made = [round_(weight.float(), gram, form)]

    def stacked(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(parts)) if isinstance(inside, MixtureOfExperts) else parts[0]

    zero_points = [one.zero_points for one in made if one.zero_points is not None]
    replace(model, name, form).store(
        stacked([one.levels for one in made]),
        stacked([one.scales for one in made]),
        stacked(zero_points) if zero_points else None,
    )
