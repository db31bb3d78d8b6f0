"""Maximal update parametrisation (muP): rates and random weights that were chosen at one width, right at any other.

Of a model m times as wide as its base (Yang et al. 2022, Tensor Programs V, arXiv:2203.03466, table 8):

    weights                     drawn with              Adam's rate     products times
    embeddings, biases, norms   initial_std             as given        1
    the blocks' matrices        initial_std / sqrt(m)   as given / m    1
    the output matrix           initial_std             as given        1 / m

Scores go by 1 / head size: the model's `attention_scale`, which matters where heads grow with the width. A step's decay
is the rate times the weight decay: of the matrices it stays what it is at the base (appendix B.3). Muon's updates have
the right size at every width as they are (Yang, Simon and Bernstein 2023, arXiv:2310.17813).

The output's 1 / m is the model's `logit_scale`, for which phi-3-small's format has a place (mup_width_multiplier). In
any other format the norm in front of the output matrix holds it: its weights begin at 1 / m and move 1 / m as fast,
which is the same to Adam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.model.config import ModelConfig

if TYPE_CHECKING:
    from torch import nn

    from hornbook.model.transformer import Transformer


def multiplier(config: ModelConfig, base_width: int | None) -> float:
    """How many times as wide as its base a model is; 1 without a base.

    Raises UserError for logits that have another scale than 1 or the base's share of the width, and for experts, whose
    router is none of the table's matrices.
    """
    if base_width is None:
        return 1.0
    wider = config.width / base_width
    if config.experts is not None:
        raise UserError("pretrain.mup_base_width: models of experts have no such rates; leave it out")
    if config.logit_scale != 1 and abs(config.logit_scale * wider - 1) > 1e-6:
        raise UserError(
            f"pretrain.mup_base_width is {base_width} and model.width {config.width}, so that model.logit_scale is "
            f"{1 / wider:g}, or 1; it is {config.logit_scale:g}"
        )
    return wider


def scale(model: Transformer, wider: float) -> None:
    """Give weights that were drawn as the base's the size that they have in a model `wider` times as wide."""
    import torch

    with torch.no_grad():
        for matrix in (one for one in model.blocks.parameters() if one.ndim == 2):
            matrix.mul_(wider**-0.5)
        for vector in output_scale(model):
            vector.mul_(1 / wider)


def output_scale(model: Transformer) -> list[nn.Parameter]:
    """The weights that hold the output's 1 / m: none where the logits have a scale of their own."""
    return list(model.norm.parameters()) if model.config.logit_scale == 1 else []
