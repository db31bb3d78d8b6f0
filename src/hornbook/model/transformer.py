"""The model: ids in, logits out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hornbook.model.cache import Cache, visibility
from hornbook.model.config import ModelConfig
from hornbook.model.parts import Block, Linear, RMSNorm, rotary_angles


class Transformer(nn.Module):
    """A decoder of the phi-3 line.

    `compute` is the dtype of activations; weights keep their own (fp32 while training).
    """

    def __init__(self, config: ModelConfig, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.compute = compute
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.head = Linear(config.width, config.vocabulary)
        if config.tied_embeddings:
            self.head.weight = self.embed.weight

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw every matrix from N(0, initial_std); maps back into the stream shrink with depth, as in GPT-2."""
        back = self.config.initial_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = back if name.endswith(("attention.out.weight", "feedforward.down.weight")) else None
                parameter.normal_(0.0, std or self.config.initial_std, generator=generator)
            else:
                parameter.fill_(1.0)

    def hidden(self, ids: Tensor, cache: Cache | None = None, real: Tensor | None = None) -> Tensor:
        """ids: (batch, time) -> the normed vectors (batch, time, width) that the head reads.

        real: (batch, time) of bool, False where an id is padding; with or without a cache.
        """
        batch, time = ids.shape
        mask: Tensor | None = None
        if cache is None and real is None and self.config.sliding_window is None:
            positions = torch.arange(time, device=ids.device)[None]
        else:
            real = torch.ones(batch, time, dtype=torch.bool, device=ids.device) if real is None else real
            if cache is None:
                positions, mask = (real.long().cumsum(1) - 1).clamp(min=0), visibility(real, time)
            else:
                positions, mask = cache.admit(real)
            mask = self._within_window(mask)
        x = self.embed(ids).to(self.compute)
        angles = rotary_angles(positions, self.config)
        for index, block in enumerate(self.blocks):
            x = block(x, angles, mask, cache.layers[index] if cache is not None else None)
        return self.norm(x)

    def _within_window(self, mask: Tensor) -> Tensor:
        """Hide slots further back than the sliding window. mask: (batch, 1, time, slots)."""
        if self.config.sliding_window is None:
            return mask
        time, slots = mask.shape[-2:]
        query = torch.arange(slots - time, slots, device=mask.device)[:, None]
        near = query - torch.arange(slots, device=mask.device)[None] < self.config.sliding_window
        return mask & near

    def forward(self, ids: Tensor, cache: Cache | None = None, real: Tensor | None = None) -> Tensor:
        """ids: (batch, time) -> logits (batch, time, vocabulary) in fp32."""
        return self.head(self.hidden(ids, cache, real)).float()
