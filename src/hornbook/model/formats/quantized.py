"""Layers whose matrices are stored in fewer bits: how they lie in memory, how they multiply, how they get into a model.

In memory they are what a folder holds (`quantization`), so that nothing is copied: whole numbers shifted to begin at 0
and packed into int32, the first column in the lowest bits. Only zero points, a byte each here, are packed on disk.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.machine import memory
from hornbook.model.experts import MixtureOfExperts
from hornbook.model.formats.quantization import Quantization
from hornbook.model.transformer import Linear, Transformer


def pack(levels: Tensor, bits: int) -> Tensor:
    """levels: (..., columns), whole numbers -2^(bits-1)..2^(bits-1)-1 -> (..., columns * bits / 32) of int32.

    Columns that do not fill the last word are followed by zeros.
    """
    in_word = 32 // bits
    shifted = F.pad(levels.to(torch.int64) + (1 << (bits - 1)), (0, -levels.shape[-1] % in_word))
    words = shifted.view(*shifted.shape[:-1], -1, in_word) << (torch.arange(in_word, device=levels.device) * bits)
    return words.sum(-1).to(torch.int32)  # the highest bit becomes the sign


def unpack(packed: Tensor, bits: int, columns: int | None = None) -> Tensor:
    """The inverse of `pack`: (..., words) of int32 -> (..., columns) of int8, by default all that the words hold."""
    bytes_ = packed.contiguous().view(torch.uint8)
    if bits == 8:
        levels = (bytes_ ^ 128).view(torch.int8)
    else:
        levels = torch.stack((bytes_ & 15, bytes_ >> 4), dim=-1).flatten(-2).to(torch.int8) - 8
    return levels if columns is None else levels[..., :columns]


class QuantizedLayer(nn.Module):
    """The storage of a matrix (..., rows, columns); in front, the experts' number where there are several."""

    weight_packed: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor | None

    def __init__(self, shape: tuple[int, ...], form: Quantization) -> None:
        super().__init__()
        *rows, columns = shape
        if not form.fits(columns):
            raise ValueError(f"{columns} columns cannot be cut into groups of {form.group}")
        self.form = form
        groups = (*rows, columns // form.group)
        self.register_buffer("weight_packed", torch.zeros(*rows, columns * form.bits // 32, dtype=torch.int32))
        self.register_buffer("weight_scale", torch.zeros(groups, dtype=torch.float16))
        self.register_buffer("weight_zero_point", None if form.symmetric else torch.zeros(groups, dtype=torch.int8))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, of each expert's matrix where there are several."""
        return self.weight_packed.shape[-2], self.weight_packed.shape[-1] * 32 // self.form.bits

    def store(self, levels: Tensor, scales: Tensor, zero_points: Tensor | None = None) -> None:
        """Take the weights scale * (level - zero point).

        levels: (..., rows, columns), whole numbers; scales, zero_points: (..., rows, columns / group).
        """
        self.weight_packed.copy_(pack(levels, self.form.bits))
        self.weight_scale.copy_(scales)
        if self.weight_zero_point is not None and zero_points is not None:
            self.weight_zero_point.copy_(zero_points)

    def dense(self, dtype: torch.dtype, rows: Tensor | int | None = None) -> Tensor:
        """The weights, or those of some `rows` (of the first dimension): (..., rows, columns)."""
        packed, scale, zero = self.weight_packed, self.weight_scale, self.weight_zero_point
        if rows is not None:
            packed, scale, zero = packed[rows], scale[rows], None if zero is None else zero[rows]
        groups = unpack(packed, self.form.bits).view(*scale.shape, self.form.group).to(dtype)
        if zero is not None:
            groups = groups - zero.to(dtype)[..., None]
        return (groups * scale.to(dtype)[..., None]).flatten(-2)


class QuantizedLinear(QuantizedLayer):
    """A linear map; its weights are unpacked while they multiply and never kept. A bias stays as it is."""

    def __init__(self, rows: int, columns: int, form: Quantization, bias: nn.Parameter | None = None) -> None:
        super().__init__((rows, columns), form)
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., columns) -> (..., rows); gradients flow to x, and to scales that want them."""
        return F.linear(x, self.dense(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class QuantizedEmbedding(QuantizedLayer):
    """An embedding table; only the rows asked for are unpacked."""

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (...) -> (..., columns) in fp32."""
        return self.dense(torch.float32, ids)


class QuantizedExperts(QuantizedLayer):
    """The stacked matrices of experts (experts, rows, columns), of which each is unpacked when it works."""

    def unbind(self) -> tuple[_Expert, ...]:
        """What stands for each expert's matrix: `.to(dtype)` unpacks it."""
        return tuple(_Expert(self, index) for index in range(len(self.weight_packed)))


class _Expert:
    def __init__(self, stack: QuantizedExperts, index: int) -> None:
        self._stack, self._index = stack, index

    def to(self, dtype: torch.dtype) -> Tensor:
        return self._stack.dense(dtype, self._index)


def matrices(model: Transformer) -> list[str]:
    """The names of all that can be quantized: linear maps, the embedding, stacks of experts (`blocks.0.mlp.down`)."""
    found: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) or name == "embed":
            found.append(name)
        elif isinstance(module, MixtureOfExperts):
            found += [f"{name}.gate_up", f"{name}.down"]
    return found


def weight_of(model: Transformer, name: str) -> Tensor:
    """The weights of one of `matrices` that is not quantized: (rows, columns) or (experts, rows, columns)."""
    parent, _, leaf = name.rpartition(".")
    inner = getattr(model.get_submodule(parent), leaf)
    return inner if isinstance(inner, Tensor) else inner.weight


def replace(model: Transformer, name: str, form: Quantization) -> QuantizedLayer:
    """Put an empty quantized layer in the place of one of `matrices`, and return it.

    An embedding that is tied becomes the output matrix too.
    """
    parent_name, _, leaf = name.rpartition(".")
    parent = model.get_submodule(parent_name)
    old = getattr(parent, leaf)
    layer: QuantizedLayer
    if isinstance(old, Tensor):
        delattr(parent, leaf)
        layer = QuantizedExperts(tuple(old.shape), form)
    elif isinstance(old, nn.Embedding):
        layer = QuantizedEmbedding(tuple(old.weight.shape), form)
    else:
        layer = QuantizedLinear(old.weight.shape[0], old.weight.shape[1], form, old.bias)
    setattr(parent, leaf, layer)
    if name == "embed" and model.config.tied_embeddings:
        tie(model)
    return layer


def tie(model: Transformer) -> None:
    """Make the output matrix the quantized embedding once more."""
    embed = model.embed
    assert isinstance(embed, QuantizedLayer)
    with torch.device("meta"):
        lm_head = QuantizedLinear(model.config.vocabulary, model.config.width, embed.form, model.lm_head.bias)
    for leaf, tensor in embed.named_buffers():
        setattr(lm_head, leaf, tensor)
    model.lm_head = lm_head  # type: ignore[assignment]


def is_quantized(model: Transformer) -> bool:
    """Whether any weights of a model are packed."""
    return any(isinstance(one, QuantizedLayer) for one in model.modules())


def dequantize(model: Transformer, share: float = 0.25) -> Transformer:
    """Unpack every quantized linear map, in place: logits stay the same to the last bit.

    A packed matrix is unpacked at each step, which takes longer than a step of few tokens does. Embedding and experts
    stay packed. share: of the machine's memory that the weights may take; where they would take more, nothing is done.
    """
    packed = [(name, one) for name, one in model.named_modules() if isinstance(one, QuantizedLinear)]
    wanted = sum(layer.shape[0] * layer.shape[1] for _, layer in packed) * model.compute.itemsize
    if wanted > share * (memory() or 0):
        return model
    for name, layer in packed:
        rows, columns = layer.shape
        with torch.device("meta"):
            plain = Linear(columns, rows)
        plain.weight = nn.Parameter(layer.dense(model.compute), requires_grad=False)
        plain.register_parameter("bias", layer.bias)
        model.set_submodule(name, plain)
    return model
