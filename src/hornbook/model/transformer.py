"""The model: ids in, logits out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hornbook.model.blocksparse import rule
from hornbook.model.cache import Cache
from hornbook.model.config import AttentionKind, ModelConfig
from hornbook.model.linear import Linear
from hornbook.model.parts import Block, norm
from hornbook.model.rotary import Angles, rotary_angles, switches
from hornbook.model.sight import Sight, tokens_seen

# Tokens that are read at once when a sequence is read again under its long factors.
CHUNK = 512


class Transformer(nn.Module):
    """A decoder of the phi line, put together as its configuration says.

    `compute` is the dtype of activations; weights keep their own (fp32 while training).
    """

    def __init__(self, config: ModelConfig, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.compute = compute
        self.embed = nn.Embedding(config.vocabulary, config.width)
        if config.positions == "learned":
            self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = norm(config)
        self.head = Linear(config.width, config.vocabulary, config.head_bias)
        if config.tied_embeddings:
            self.head.weight = self.embed.weight

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw every matrix from N(0, initial_std); maps back into the stream shrink with depth, as in GPT-2."""
        back = self.config.initial_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                leads_back = name.removesuffix(".weight").endswith(("attention.out", "feedforward.down"))
                parameter.normal_(0.0, back if leads_back else self.config.initial_std, generator=generator)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)

    def hidden(
        self, ids: Tensor, cache: Cache | None = None, real: Tensor | None = None, documents: Tensor | None = None
    ) -> Tensor:
        """ids: (batch, time) -> the normed vectors (batch, time, width) that the head reads.

        real: (batch, time) of bool, False where an id is padding; with a cache, only before a sequence's first token.
        documents: (batch, time) of integers for sequences packed in one row: tokens of one number see each other, and
        positions begin anew with each. Not with a cache.
        """
        if cache is None:
            positions, angles, sights = self._whole(ids, real, documents)
        else:
            if documents is not None:
                raise ValueError("packed documents cannot be read into a cache; give each its own row")
            rows = cache.crossing(ids)
            if rows is not None:
                self._read_again(cache, rows)
            positions, angles, sights = cache.admit(ids, real)
        x = self.embed(ids).to(self.compute)
        if self.config.embedding_scale != 1:
            x = x * self.config.embedding_scale
        if self.config.positions == "learned":
            x = x + self.positions(positions).to(self.compute)
        for index, block in enumerate(self.blocks):
            x = block(x, angles, sights[self.config.kind(index)], cache.layers[index] if cache is not None else None)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """x: (..., width) as `hidden` gives it -> logits (..., vocabulary) in fp32."""
        logits = self.head(x).float()
        if self.config.logit_scale != 1:
            logits = logits * self.config.logit_scale
        if self.config.dummy_tokens:
            dummies = torch.tensor(self.config.dummy_tokens, device=logits.device)
            logits = logits.index_fill(-1, dummies, torch.finfo(logits.dtype).min)
        return logits

    def forward(
        self, ids: Tensor, cache: Cache | None = None, real: Tensor | None = None, documents: Tensor | None = None
    ) -> Tensor:
        """ids: (batch, time) -> logits (batch, time, vocabulary) in fp32. See `hidden` for the rest."""
        return self.logits(self.hidden(ids, cache, real, documents))

    def _whole(
        self, ids: Tensor, real: Tensor | None, documents: Tensor | None
    ) -> tuple[Tensor, Angles | None, dict[AttentionKind, Sight]]:
        """Positions, angles and what is seen, for sequences that are read at once."""
        c, (batch, time) = self.config, ids.shape
        positions = torch.arange(time, device=ids.device)[None]
        lengths = torch.full((1, 1), time, device=ids.device)
        if documents is not None:
            real = torch.ones(batch, time, dtype=torch.bool, device=ids.device) if real is None else real
            same = (documents[:, :, None] == documents[:, None]) & real[:, None]
            positions, lengths = (same.tril().sum(-1) - 1).clamp(min=0), same.sum(-1)
        elif real is not None:
            positions, lengths = (real.long().cumsum(1) - 1).clamp(min=0), real.sum(1, keepdim=True)
        long = None
        if c.longrope is not None and switches(c.longrope, c.context):
            long = lengths > c.longrope.original
        angles = rotary_angles(positions, c, long) if c.positions == "rotary" else None
        return positions, angles, {kind: self._sight(kind, positions, real, documents) for kind in c.kinds}

    def _sight(self, kind: AttentionKind, positions: Tensor, real: Tensor | None, documents: Tensor | None) -> Sight:
        """What the tokens of whole sequences see in layers of `kind`."""
        c, time = self.config, positions.shape[1]
        window = c.sliding_window if kind == "window" else None
        if real is None and (window is None or time <= window):
            return Sight()
        if kind == "sparse" and documents is None and real is not None:
            return Sight(starts=real.int().argmax(1))
        if real is None:
            real = torch.ones(1, time, dtype=torch.bool, device=positions.device)
        seen = tokens_seen(real, documents, window)
        if kind == "sparse":
            assert c.blocksparse is not None
            seen = seen & rule.mask(positions, positions, c.heads, c.blocksparse)
        return Sight(seen)

    @torch.no_grad()
    def _read_again(self, cache: Cache, rows: Tensor) -> None:
        """Cache the sequences `rows` anew under their long factors.

        Turning the cached keys would not do: beyond the first layer they were computed from what lower layers made of
        the short angles.
        """
        again = cache.again(rows)
        for start in range(0, cache.filled, CHUNK):
            self.hidden(cache.ids[rows, start : min(start + CHUNK, cache.filled)], again)
        cache.adopt(rows, again)
