"""A model's shape at another size: its proportions stay."""

from __future__ import annotations

import math

from hornbook.errors import UserError
from hornbook.model.config import ModelConfig

NEAR = 1.15  # times as many parameters as asked for, or as few, are near enough


def scaled(model: ModelConfig, parameters: int, *, multiple: int = 1) -> ModelConfig:
    """The model at about so many parameters: vocabulary, context and the size of heads stay, and so do the ratios of
    heads, key/value heads and MLP to the width. Widths are multiples of `multiple`.

    Of the shapes whose parameters are near enough it is the one whose width and layers have the ratio nearest to the
    model's own; where none is near enough, the one with the nearest number of parameters. Raises UserError where that
    has not even half of them, or more than twice.
    """
    step = math.lcm(multiple, model.width // model.heads)
    shapes = []
    for width in range(step, 1 << 20, step):
        one = _shape(model, width, 1, multiple)
        block = _shape(model, width, 2, multiple).parameters() - one.parameters()
        layers = 1 + max(0.0, (parameters - one.parameters()) / block)
        for count in {math.floor(layers), math.ceil(layers)}:
            shape = _shape(model, width, count, multiple)
            off = abs(math.log(shape.parameters() / parameters))
            bent = abs(math.log(width / count / (model.width / model.layers)))
            shapes.append(((off if off > math.log(NEAR) else 0.0, bent, off), shape))
        if one.parameters() > 2 * parameters:
            break
    (off, _, _), best = min(shapes, key=lambda item: item[0])
    if off > math.log(2):
        raise UserError(
            f"no shape of this model has about {parameters:,} parameters: with its vocabulary of "
            f"{model.vocabulary:,} and heads of {model.head_size} the nearest has {best.parameters():,}"
        )
    return best


def _shape(model: ModelConfig, width: int, layers: int, multiple: int) -> ModelConfig:
    heads = width * model.heads // model.width
    ratio = width / model.width
    changed = {
        "width": width,
        "layers": layers,
        "heads": heads,
        "mlp_width": max(1, round(model.mlp_width * ratio / multiple)) * multiple,
    }
    if model.kv_heads is not None:
        most = max(1, heads * model.kv_heads // model.heads)
        changed["kv_heads"] = max(count for count in range(1, most + 1) if heads % count == 0)
    return ModelConfig.model_validate(model.model_dump() | changed)
