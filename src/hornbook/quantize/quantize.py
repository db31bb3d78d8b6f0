"""The quantize stage: a trained checkpoint becomes one of 4 bits a weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.model import checkpoint
from hornbook.model.four_bit import as_four_bit, pack
from hornbook.model.tokenizer import Tokenizer
from hornbook.model.transformer import Linear, Transformer
from hornbook.progress import Progress
from hornbook.quantize.gptq import quantize as quantize_matrix
from hornbook.quantize.settings import QuantizeSettings


@torch.no_grad()
def quantize(
    source: Path, rows: NDArray[np.int64], settings: QuantizeSettings, *, into: Path, progress: Progress
) -> dict[str, Any]:
    """Quantize the checkpoint `source`, calibrated on `rows` of token ids, and write the checkpoint `into/model`."""
    model = checkpoint.load(source)
    if model.config.experts is not None:
        raise UserError(f"{source}: quantizing a model with experts is not supported")
    before = sum(p.numel() * p.element_size() for p in model.parameters())
    ids = torch.from_numpy(rows[: settings.calibration_rows, : model.config.context])
    with progress.task("quantizing", len(model.blocks)) as bar:
        if settings.embeddings == "4bit":
            four_bit(model, "embed", None)
        else:
            for module in model.children():
                if isinstance(module, nn.Linear | nn.Embedding):
                    module.weight.data = module.weight.data.half()
        for index, block in enumerate(model.blocks):
            for name in [name for name, module in block.named_modules() if isinstance(module, Linear)]:
                gram = _gram(model, block.get_submodule(name), ids) if len(ids) else None
                four_bit(model, f"blocks.{index}.{name}", gram)
            bar.advance()
        if settings.embeddings == "4bit" and not model.config.tied_embeddings:
            four_bit(model, "lm_head", None)
    tensors = {name: t for name, t in model.state_dict().items() if not _tied(model, name)}
    after = sum(t.numel() * t.element_size() for t in tensors.values())
    checkpoint.save(model, into / "model", Tokenizer(source))
    return {
        "bytes_before": before,
        "bytes_after": after,
        "bits_per_weight": round(8 * after / model.config.parameters(), 3),
        "calibration_rows": len(ids),
    }


def _tied(model: Transformer, name: str) -> bool:
    return model.config.tied_embeddings and name.startswith("lm_head.")


def four_bit(model: Transformer, name: str, gram: Tensor | None) -> None:
    """Swap one matrix of `model` for its 4-bit form."""
    module = model.get_submodule(name)
    assert isinstance(module, nn.Linear | nn.Embedding)
    replacement = as_four_bit(module)
    levels, scales = quantize_matrix(module.weight, gram)
    replacement.packed.copy_(pack(levels))
    replacement.scales.copy_(scales)
    checkpoint.replace(model, name, replacement)


def _gram(model: Transformer, module: nn.Module, ids: Tensor, batch: int = 32) -> Tensor:
    """Sum of x xᵀ over every input x that `module` sees while the model reads `ids`: (columns, columns) in float64.

    The layers before are quantized already, so that each matrix makes up for the errors that really reach it.
    """
    total: list[Tensor] = []

    def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].flatten(0, -2).double()
        total.append(x.mT @ x)

    handle = module.register_forward_pre_hook(watch)
    for start in range(0, len(ids), batch):
        model.hidden(ids[start : start + batch])
    handle.remove()
    return torch.stack(total).sum(0)
