"""Layers whose matrices are stored in fewer bits: what they have in common, and how they get into a model."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from hornbook.model.formats.quantization import Quantization
from hornbook.model.transformer import Transformer


class QuantizedLayer(nn.Module):
    """A linear map or an embedding that unpacks its weights while it uses them, and never keeps them."""

    quantization: ClassVar[Quantization]

    def store(self, levels: Tensor, scales: Tensor) -> None:
        """Take the weights scale * level. levels: (rows, columns), whole numbers; scales: (rows, columns / group)."""
        raise NotImplementedError

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weights that are stored, unpacked: (rows, columns), a new tensor."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        raise NotImplementedError


def empty(module: nn.Linear | nn.Embedding, quantization: Quantization) -> QuantizedLayer:
    """A layer of one format with the shape of a linear map, whose bias it takes over, or of an embedding."""
    linear, embedding = quantization.layers()
    rows, columns = module.weight.shape
    return embedding(rows, columns) if isinstance(module, nn.Embedding) else linear(rows, columns, module.bias)


def replace(model: Transformer, name: str, layer: QuantizedLayer) -> None:
    """Put a quantized layer in the place of `name`; an embedding that is tied becomes the output matrix too."""
    model.set_submodule(name, layer)
    if name == "embed" and model.config.tied_embeddings:
        linear, _ = layer.quantization.layers()
        lm_head = linear(model.config.vocabulary, model.config.width, model.lm_head.bias)
        for leaf, tensor in layer.named_buffers():
            setattr(lm_head, leaf, tensor)
        model.set_submodule("lm_head", lm_head)
