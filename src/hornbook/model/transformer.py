"""The model on one page: norms, linear map, attention, MLP, block, transformer. Ids in, logits out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hornbook.model import cpu_attention
from hornbook.model.blocksparse import attend
from hornbook.model.cache import KVCache, LayerCache
from hornbook.model.config import AttentionKind, ModelConfig
from hornbook.model.experts import MixtureOfExperts
from hornbook.model.masks import AttentionMask, attend_blocks, sequence_mask
from hornbook.model.paged import PagedLayer
from hornbook.model.rope import Angles, rotary_angles, rotate, wide
from hornbook.model.tree import TreeLayer

if TYPE_CHECKING:
    from hornbook.model.formats.origin import Origin

SIGMOID_SLOPE = 1.702  # x * sigmoid(1.702 x) is the sigmoid approximation of GELU (Hendrycks and Gimpel 2016)
# A layer's share of a step over rows of several sequences, which does the attending itself.
RowsLayer = PagedLayer | TreeLayer
# Keys up to which bf16 attention is computed in fp32 on a CPU: PyTorch's kernel for bf16 takes longer, at 128 twice.
_SHORT = 256
CHUNK = 512  # tokens that are read at once when a sequence is read again under its long factors


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in fp32 (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., width) -> the same shape and dtype."""
        y = wide(x)
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.epsilon)
        return (y * wide(self.weight)).to(x.dtype)


class LayerNorm(nn.Module):
    """(x - mean) / deviation * weight + bias, computed in fp32 (Ba et al. 2016, arXiv:1607.06450)."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., width) -> the same shape and dtype."""
        normed = F.layer_norm(wide(x), self.weight.shape, wide(self.weight), wide(self.bias), self.epsilon)
        return normed.to(x.dtype)


def norm(config: ModelConfig) -> RMSNorm | LayerNorm:
    """The norm that the configuration names."""
    return (RMSNorm if config.norm == "rms" else LayerNorm)(config.width, config.norm_epsilon)


class Linear(nn.Linear):
    """A linear map whose weight follows the dtype of its input.

    Weights stay fp32 while training; activations decide the precision of the product. This replaces autocast.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., inputs) -> (..., outputs)."""
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class Attention(nn.Module):
    """Causal self-attention with fused q, k, v: full, within a window, or block-sparse.

    Fewer key/value heads than query heads are allowed: a group of query heads shares one.
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.kind = config.kind(layer)
        self.heads, self.kv_heads, self.head_size = config.heads, config.key_value_heads, config.head_size
        self.scale, self.blocksparse = config.score_scale, config.blocksparse
        self.dropout = 0.0
        self.qkv = Linear(config.width, (self.heads + 2 * self.kv_heads) * self.head_size, config.qkv_bias)
        self.out = Linear(self.heads * self.head_size, config.width, config.out_bias)

    def forward(
        self, x: Tensor, angles: Angles | None, mask: AttentionMask, kv_cache: LayerCache | RowsLayer | None
    ) -> Tensor:
        """x: (batch, time, width) -> the same shape. angles: None where positions are learned."""
        batch, time, _ = x.shape
        qkv = self.qkv(x).view(batch, time, self.heads + 2 * self.kv_heads, self.head_size).transpose(1, 2)
        qk, v = qkv.split([self.heads + self.kv_heads, self.kv_heads], dim=1)
        if angles is not None:
            qk = rotate(qk, *angles)
        q, k = qk.split([self.heads, self.kv_heads], dim=1)
        if isinstance(kv_cache, RowsLayer):
            y = kv_cache.attend(q, k, v)
        else:
            if kv_cache is not None:
                k, v = kv_cache.append(k, v)
            y = self._attend(q, k, v, mask)
        return self.out(y.transpose(1, 2).reshape(batch, time, self.heads * self.head_size))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask) -> Tensor:
        """q: (batch, heads, time, head_size); k, v: (batch, kv_heads, slots, head_size) -> the shape of q."""
        if self.kind == "sparse" and mask.seen is None:
            assert self.blocksparse is not None
            return attend(q, k, v, settings=self.blocksparse, scale=self.scale, starts=mask.starts)
        group = self.heads // self.kv_heads
        if group > 1 and q.shape[2] == 1 and (mask.seen is None or mask.seen.shape[1] == 1):
            # The query heads of a group stand in one row and share its keys: nothing is copied.
            grouped = q.reshape(q.shape[0], self.kv_heads, group, self.head_size)
            return F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask.seen, scale=self.scale).view_as(q)
        if mask.blocks is not None:
            return attend_blocks(q, k, v, mask.blocks, self.scale)
        left_out = self.dropout if self.training else 0.0
        whole = mask.first is not None or (mask.seen is None and mask.causal)
        if whole and not left_out and cpu_attention.suits(q, k):
            return cpu_attention.attend(q, k, v, mask.first, self.scale)
        if group > 1:
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        causal = mask.seen is None and mask.causal and q.shape[2] > 1
        dtype = q.dtype
        if dtype == torch.bfloat16 and not q.is_cuda and k.shape[2] <= _SHORT:
            q, k, v = q.float(), k.float(), v.float()
        y = F.scaled_dot_product_attention(q, k, v, mask.seen, left_out, is_causal=causal, scale=self.scale)
        return y.to(dtype)


class MLP(nn.Module):
    """down(gelu(up)), or gated, with gate and up fused and the gate first: SwiGLU (arXiv:2002.05202) or GEGELU."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation, self.limit = config.activation, config.gegelu_limit
        if self.activation == "gelu":
            self.up = Linear(config.width, config.mlp_width, config.mlp_bias)
        else:
            self.gate_up = Linear(config.width, 2 * config.mlp_width, config.mlp_bias)
        self.down = Linear(config.mlp_width, config.width, config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, width) -> the same shape."""
        if self.activation == "gelu":
            return self.down(F.gelu(self.up(x), approximate="tanh"))
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(gegelu(gate, up, self.limit) if self.activation == "gegelu" else F.silu(gate) * up)


def gegelu(a: Tensor, b: Tensor, limit: float | None) -> Tensor:
    """Phi-3-small's gated GELU: a * sigmoid(1.702 a) * (b + 1), of `a` clamped from above and `b` on both sides.

    a, b: tensors of one shape, the gate and the linear half -> the same shape. The original checkpoint interleaves them
    (a = x[..., ::2], b = x[..., 1::2] of the up projection's output). An infinity is not clamped: an overflow stays to
    be seen. Without a limit nothing is clamped. Source: the published code of phi-3-small.
    """
    if limit is not None:
        a = torch.where(torch.isinf(a), a, a.clamp(max=limit))
        b = torch.where(torch.isinf(b), b, b.clamp(min=-limit, max=limit))
    return a * torch.sigmoid(SIGMOID_SLOPE * a) * (b + 1)


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the stream: one after the other, or side by side."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.parallel = config.block == "parallel"
        self.attention_norm = norm(config)
        self.attention = Attention(config, layer)
        if not self.parallel:
            self.mlp_norm = norm(config)
        self.mlp = MLP(config) if config.experts is None else MixtureOfExperts(config)
        self.dropout = self.mlp_dropout = 0.0

    def forward(
        self, x: Tensor, angles: Angles | None, mask: AttentionMask, kv_cache: LayerCache | RowsLayer | None
    ) -> Tensor:
        """x: (batch, time, width) -> the same shape."""
        normed = self.attention_norm(x)
        attended = self._drop(self.attention(normed, angles, mask, kv_cache), self.dropout)
        if self.parallel:
            return x + attended + self._drop(self.mlp(normed), self.mlp_dropout)
        x = x + attended
        return x + self._drop(self.mlp(self.mlp_norm(x)), self.mlp_dropout)

    def _drop(self, x: Tensor, share: float) -> Tensor:
        return F.dropout(x, share) if share and self.training else x


class Transformer(nn.Module):
    """A decoder of the phi line, put together as its configuration says.

    `compute` is the dtype of activations; weights keep their own (fp32 while training). `origin` is what else the
    folder says that the model was read from.
    """

    def __init__(self, config: ModelConfig, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.config = config
        self.compute = compute
        self.origin: Origin | None = None
        self.embed = nn.Embedding(config.vocabulary, config.width)
        if config.positions == "learned":
            self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = norm(config)
        self.dropout = 0.0
        self.lm_head = Linear(config.width, config.vocabulary, config.lm_head_bias)
        if config.tied_embeddings:
            self.lm_head.weight = self.embed.weight

    def drop(self, *, embedding: float = 0.0, attention: float = 0.0, residual: float = 0.0, mlp: float = 0.0) -> None:
        """Leave out these shares while training (Srivastava et al. 2014): of the embeddings, of the attention's
        weights, of what attention adds to the stream, of what the MLP adds. Block-sparse layers keep their weights.
        """
        self.dropout = embedding
        for block in self.blocks:
            assert isinstance(block, Block)
            block.attention.dropout, block.dropout, block.mlp_dropout = attention, residual, mlp

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw every matrix from N(0, initial_std); maps back into the stream shrink with depth, as in GPT-2."""
        back = self.config.initial_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if parameter.ndim >= 2:
                leads_back = name.removesuffix(".weight").endswith(("attention.out", "mlp.down"))
                parameter.normal_(0.0, back if leads_back else self.config.initial_std, generator=generator)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)

    def forward(
        self,
        ids: Tensor,
        kv_cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        document_ids: Tensor | None = None,
    ) -> Tensor:
        """ids: (batch, time) -> logits (batch, time, vocabulary) in fp32. See `hidden` for the rest."""
        return self.logits(self.hidden(ids, kv_cache, attention_mask, document_ids))

    def hidden(
        self,
        ids: Tensor,
        kv_cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        document_ids: Tensor | None = None,
    ) -> Tensor:
        """ids: (batch, time) -> the normed vectors (batch, time, width) that `lm_head` reads.

        attention_mask: (batch, time) of bool, False where an id is padding; with a cache, only before a sequence's
        first token. document_ids: (batch, time) of integers for sequences packed in one row: tokens of one number see
        each other, and positions begin anew with each. Not with a cache.
        """
        x, angles, masks = self.enter(ids, kv_cache, attention_mask, document_ids)
        for index, block in enumerate(self.blocks):
            layer = kv_cache.layers[index] if kv_cache is not None else None
            x = block(x, angles, masks[self.config.kind(index)], layer)
        return self.norm(x)

    def enter(
        self,
        ids: Tensor,
        kv_cache: KVCache | None = None,
        attention_mask: Tensor | None = None,
        document_ids: Tensor | None = None,
    ) -> tuple[Tensor, Angles | None, dict[AttentionKind, AttentionMask]]:
        """What the first block reads (batch, time, width), and the angles and masks that every block needs."""
        if kv_cache is None:
            positions, angles, masks = self._at_once(ids, attention_mask, document_ids)
        else:
            if document_ids is not None:
                raise ValueError("packed documents cannot be read into a cache; give each its own row")
            rows = kv_cache.crossing(ids)
            if rows is not None:
                self._read_again(kv_cache, rows)
            positions, angles, masks = kv_cache.admit(ids, attention_mask)
        return self._embedded(ids, positions), angles, masks

    def paged(self, ids: Tensor, positions: Tensor, long: Tensor | None, layers: Sequence[RowsLayer]) -> Tensor:
        """Rows of several sequences, in blocks of a cache or in trees: what `hidden` gives, (1, rows, width).

        ids, positions: (1, rows) of integers. long: (1, rows), True where a token's sequence is read under LongRoPE's
        long factors; None: nowhere. layers: each layer's cache, told of the step.
        """
        x = self._embedded(ids, positions)
        angles = rotary_angles(positions, self.config, long) if self.config.positions == "rotary" else None
        for block, layer in zip(self.blocks, layers, strict=True):
            x = block(x, angles, AttentionMask(), layer)
        return self.norm(x)

    def _embedded(self, ids: Tensor, positions: Tensor) -> Tensor:
        """What the first block reads: (batch, time, width) of `ids` (batch, time) at `positions` (batch or 1, time)."""
        x = self.embed(ids).to(self.compute)
        if self.dropout and self.training:
            x = F.dropout(x, self.dropout)
        if self.config.embedding_scale != 1:
            x = x * self.config.embedding_scale
        if self.config.positions == "learned":
            x = x + self.positions(positions).to(self.compute)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """x: (..., width) as `hidden` gives it -> logits (..., vocabulary) in fp32."""
        return self.finished(self.lm_head(x))

    def finished(self, products: Tensor) -> Tensor:
        """What `lm_head` gives (..., vocabulary) -> logits in fp32: scaled, and low where a token is never meant."""
        logits = wide(products)
        if self.config.logit_scale != 1:
            logits = logits * self.config.logit_scale
        if self.config.dummy_tokens:
            dummies = torch.tensor(self.config.dummy_tokens, device=logits.device)
            logits = logits.index_fill(-1, dummies, torch.finfo(logits.dtype).min)
        return logits

    def _at_once(
        self, ids: Tensor, attention_mask: Tensor | None, document_ids: Tensor | None
    ) -> tuple[Tensor, Angles | None, dict[AttentionKind, AttentionMask]]:
        """Positions, angles and masks of sequences that are read without a cache; `KVCache.admit` has a step's."""
        c, time = self.config, ids.shape[1]
        positions = torch.arange(time, device=ids.device)[None]
        lengths = torch.full((1, 1), time, device=ids.device)
        if document_ids is not None:
            same = document_ids[:, :, None] == document_ids[:, None]
            if attention_mask is not None:
                same = same & attention_mask[:, None]
            positions, lengths = (same.tril().sum(-1) - 1).clamp(min=0), same.sum(-1)
        elif attention_mask is not None:
            positions, lengths = (attention_mask.long().cumsum(1) - 1).clamp(min=0), attention_mask.sum(1, keepdim=True)
        long = lengths > c.switch if c.switch is not None else None
        angles = rotary_angles(positions, c, long) if c.positions == "rotary" else None
        drops = self.training and any(one.dropout for one in self.modules() if isinstance(one, Attention))
        masks = {kind: sequence_mask(c, kind, positions, attention_mask, document_ids, whole=drops) for kind in c.kinds}
        return positions, angles, masks

    @torch.no_grad()
    def _read_again(self, kv_cache: KVCache, rows: Tensor) -> None:
        """Cache the sequences `rows` anew under their long factors.

        Turning the cached keys would not do: beyond the first layer they were computed from what lower layers made of
        the short angles.
        """
        again = kv_cache.again(rows)
        for start in range(0, kv_cache.filled, CHUNK):
            self.hidden(kv_cache.ids[rows, start : min(start + CHUNK, kv_cache.filled)], again)
        kv_cache.adopt(rows, again)


def blank(config: ModelConfig) -> Transformer:
    """A model of shapes alone: on the meta device, without memory and without weights."""
    with torch.device("meta"), _NoDrawing():
        return Transformer(config)


class _NoDrawing(TorchFunctionMode):
    """Leaves parameters as they are where a module would draw them, which torch does slowly without memory."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))
