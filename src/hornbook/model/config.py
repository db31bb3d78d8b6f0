"""The shape of a model: everything that must be known before a weight exists."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hornbook.amounts import Length
from hornbook.settings import Settings

AttentionKind = Literal["full", "window", "sparse"]
Factor = Annotated[float, Field(gt=0)]


class BlockSparse(Settings):
    """Which blocks of keys a query block sees: the nearest ones, and of the rest every `stride`-th.

    Query block q of head h sees key block k if q >= k and (q - k < local_blocks or (k + h * step + 1) % stride == 0),
    step = max(1, stride // heads), heads counting every query head (phi-3-small's rule).
    """

    block: int = Field(64, ge=1, description="tokens in a block")
    local_blocks: int = Field(16, ge=1, description="nearest blocks that every head sees, the query's own included")
    stride: int = Field(8, ge=1, description="of the blocks further back a head sees one in so many")
    same_for_heads: bool = Field(False, description="every head sees the further blocks that head 0 sees")

    def step(self, heads: int) -> int:
        """By how many blocks the further ones that a head sees are shifted against those of the head before it."""
        return 0 if self.same_for_heads else max(1, self.stride // heads)


class LongRope(Settings):
    """Rotary positions rescaled dimension by dimension for contexts beyond the original one (arXiv:2402.13753).

    A sequence of at most `original` tokens turns by angle / short[i], a longer one by angle / long[i].
    """

    original: int = Field(ge=1, description="context before the extension (original_max_position_embeddings)")
    short: tuple[Factor, ...] = Field(description="a factor for each rotary frequency, up to the original context")
    long: tuple[Factor, ...] = Field(description="the same beyond it")
    short_scale: Factor | None = Field(None, description="multiplies cosine and sine; by formula unless given")
    long_scale: Factor | None = Field(None, description="the same beyond the original context")
    start_tokens: int = Field(0, ge=0, description="positions below this one keep their original angles")

    def scales(self, context: int) -> tuple[float, float]:
        """Short and long factor of cosine and sine; unless given sqrt(1 + ln s / ln L), s = context / original."""
        ratio = context / self.original
        formula = 1.0 if ratio <= 1 else math.sqrt(1 + math.log(ratio) / math.log(self.original))
        return (self.short_scale or formula, self.long_scale or formula)


class RopeScaling(Settings):
    """Rotary positions slowed down for a longer context by one factor, as Llama's configurations tell it.

    linear slows every pair of dimensions down; llama3 leaves those alone that turn fast. `rope.frequencies` has both.
    """

    kind: Literal["linear", "llama3"] = "linear"
    factor: float = Field(gt=0, description="how much slower")
    low_freq_factor: float = Field(1.0, gt=0, description="llama3: a pair with fewer turns is slow")
    high_freq_factor: float = Field(4.0, gt=0, description="llama3: a pair with more turns is fast")
    original: int = Field(8192, ge=1, description="llama3: the context in which turns are counted")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high_freq_factor <= self.low_freq_factor:
            raise ValueError(
                f"high_freq_factor {self.high_freq_factor:g} is not above low_freq_factor {self.low_freq_factor:g}"
            )
        return self


class Experts(Settings):
    """An MLP of several experts, of which a router picks two for each token (SparseMixer, arXiv:2310.00811)."""

    count: int = Field(16, ge=2)
    jitter: float = Field(
        0.01, ge=0, description="experts more than twice this (relatively) behind the best are no candidates"
    )

    @property
    def chosen(self) -> int:
        """Experts that work on a token: SparseMixer is defined for two."""
        return 2


class ModelConfig(Settings):
    """A decoder of the phi line; the defaults are phi-3's architecture.

    TinyStories (GPT-Neo), phi-1, phi-2, phi-3, phi-3-small, phi-3.5-moe and Llama differ in these switches alone.
    """

    format: str | None = Field(
        None, description="the published format of its checkpoints, a model_type; the first that holds it unless given"
    )

    vocabulary: int = Field(1024, ge=1, le=1 << 24, description="number of token ids")
    layers: int = Field(4, ge=1, le=1 << 16)
    width: int = Field(128, ge=1, le=1 << 20, description="size of a token's vector (hidden_size)")
    heads: int = Field(4, ge=1, le=1 << 16, description="query heads")
    kv_heads: int | None = Field(None, ge=1, description="key/value heads; as many as query heads unless given")
    head_dim: int | None = Field(None, ge=1, le=1 << 20, description="size of a head's vectors; else width / heads")
    mlp_width: int = Field(384, ge=1, le=1 << 22, description="inner size of the MLP (intermediate_size)")
    context: Length = Field(128, ge=1, le=1 << 32, description="longest sequence in tokens (max_position_embeddings)")

    norm: Literal["rms", "layer"] = "rms"
    norm_epsilon: float = Field(1e-5, gt=0)
    block: Literal["sequential", "parallel"] = Field(
        "sequential", description="parallel: attention and MLP read the same norm and are added together"
    )
    activation: Literal["swiglu", "gegelu", "gelu"] = Field(
        "swiglu", description="gelu is the tanh form, without a gate (gelu_new)"
    )
    gegelu_limit: float = Field(
        20.0, gt=0, allow_inf_nan=True, description="gegelu's inputs are clamped to this; inf: not clamped"
    )
    experts: Experts | None = Field(None, description="several MLPs with a router instead of one")

    positions: Literal["rotary", "learned"] = "rotary"
    rope_theta: float = Field(10_000.0, gt=0)
    rope_scaling: RopeScaling | None = None
    rotary_share: float = Field(1.0, gt=0, le=1, description="part of each head that is turned (partial_rotary_factor)")
    longrope: LongRope | None = None

    attention: tuple[AttentionKind, ...] | None = Field(
        None, min_length=1, description="each layer's kind, repeated to the depth; window if sliding_window is set"
    )
    sliding_window: Length | None = Field(None, ge=1, description="a token sees this many tokens, itself included")
    blocksparse: BlockSparse | None = None

    qkv_bias: bool = False
    out_bias: bool = Field(False, description="bias of the attention's output")
    mlp_bias: bool = False
    lm_head_bias: bool = Field(False, description="bias of the output matrix")
    tied_embeddings: bool = Field(True, description="the output matrix is the embedding matrix")

    initial_std: float = Field(0.02, gt=0)
    embedding_scale: float = Field(1.0, gt=0, description="embeddings are multiplied by this (muP)")
    attention_scale: Factor | None = Field(None, description="of q·k; 1/sqrt(head size) unless given")
    logit_scale: float = Field(1.0, gt=0, description="logits are multiplied by this (muP)")
    dummy_tokens: tuple[int, ...] = Field((), description="ids that are never predicted")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.positions == "rotary" and (self.rotary_size % 2 or not self.rotary_size):
            raise ValueError(
                f"{self.rotary_share:g} of a head's {self.head_size} dimensions is {self.rotary_size}; "
                "rotary positions need an even number"
            )
        if self.longrope is not None and self.rope_scaling is not None:
            raise ValueError("positions are scaled once: by longrope or by rope_scaling")
        if self.longrope is not None:
            for name, factors in (("short", self.longrope.short), ("long", self.longrope.long)):
                if len(factors) != self.rotary_size // 2:
                    raise ValueError(f"longrope.{name} has {len(factors)} factors, {self.rotary_size // 2} are needed")
        kinds = set(self.attention or ())
        if "window" in kinds and self.sliding_window is None:
            raise ValueError("attention asks for a window; sliding_window tells its size")
        if "sparse" in kinds and self.blocksparse is None:
            raise ValueError("attention asks for sparse layers; blocksparse tells their pattern")
        if self.dummy_tokens and not 0 <= min(self.dummy_tokens) <= max(self.dummy_tokens) < self.vocabulary:
            raise ValueError(f"dummy_tokens lie outside the vocabulary of {self.vocabulary}")
        if self.experts is not None and self.activation != "swiglu":
            raise ValueError("experts are swiglu MLPs; set activation to swiglu")
        return self

    @property
    def head_size(self) -> int:
        """Size of one head's vectors."""
        return self.head_dim or self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key/value heads: `kv_heads`, or as many as query heads where it is not set."""
        return self.kv_heads or self.heads

    @property
    def rotary_size(self) -> int:
        """Leading dimensions of a head's vector that rotary positions turn."""
        return int(self.head_size * self.rotary_share)

    @property
    def switch(self) -> int | None:
        """The longest sequence that is read under LongRoPE's short factors; None where no length changes the angles."""
        if self.longrope is None:
            return None
        short, long = self.longrope.scales(self.context)
        return self.longrope.original if self.longrope.short != self.longrope.long or short != long else None

    @property
    def score_scale(self) -> float:
        """What q·k is multiplied by."""
        return self.attention_scale or self.head_size**-0.5

    def kind(self, layer: int) -> AttentionKind:
        """What the attention of layer `layer` (from 0) sees."""
        pattern = self.attention or (("window",) if self.sliding_window is not None else ("full",))
        return pattern[layer % len(pattern)]

    @property
    def kinds(self) -> frozenset[AttentionKind]:
        """The kinds of attention that its layers have."""
        return frozenset(self.kind(layer) for layer in range(self.layers))

    def parameters(self, *, active: bool = False) -> int:
        """Number of weights, counted without building the model; a tied matrix counts once.

        active: count only the experts that work on a token.
        """
        norm = self.width * (2 if self.norm == "layer" else 1)
        qkv = (self.heads + 2 * self.key_value_heads) * self.head_size
        out = self.heads * self.head_size * self.width + self.out_bias * self.width
        attention = self.width * qkv + self.qkv_bias * qkv + out
        inner = self.mlp_width * (1 if self.activation == "gelu" else 2)
        mlp = self.width * (inner + self.mlp_width) + self.mlp_bias * (inner + self.width)
        if self.experts is not None:
            mlp *= self.experts.chosen if active else self.experts.count
            mlp += self.width * self.experts.count
        block = attention + mlp + norm * (1 if self.block == "parallel" else 2)
        embeddings = self.vocabulary * self.width * (1 if self.tied_embeddings else 2)
        embeddings += self.context * self.width * (self.positions == "learned")
        return embeddings + self.layers * block + norm + self.vocabulary * self.lm_head_bias

    def cache_bytes_per_token(self, bytes_per_value: int = 2) -> int:
        """Bytes that each further token adds to the key/value cache of a sequence shorter than any window."""
        return 2 * self.layers * self.key_value_heads * self.head_size * bytes_per_value

    def flops_per_token(self, length: int) -> int:
        """Floating-point operations of one token's forward pass in a sequence of `length` tokens.

        Two for every weight that multiplies, plus the two attention products over what each layer sees of the
        sequence (the count of the PaLM paper, appendix B, forward only). Training costs three times as much.
        """
        norms = self.width * (2 if self.norm == "layer" else 1)
        biases = self.qkv_bias * (self.heads + 2 * self.key_value_heads) * self.head_size + self.out_bias * self.width
        if self.mlp_bias and self.experts is None:
            biases += self.mlp_width * (1 if self.activation == "gelu" else 2) + self.width
        per_block = norms * (1 if self.block == "parallel" else 2) + biases
        matrices = self.parameters(active=True) - norms - self.layers * per_block - self.vocabulary * self.lm_head_bias
        if not self.tied_embeddings:
            matrices -= self.vocabulary * self.width
        if self.positions == "learned":
            matrices -= self.context * self.width
        seen = sum(self._seen(self.kind(layer), length) for layer in range(self.layers))
        return 2 * matrices + 4 * self.heads * self.head_size * seen

    def _seen(self, kind: AttentionKind, length: int) -> int:
        """Keys that a token of a layer of this kind looks at, at most, in a sequence of `length` tokens."""
        if kind == "window" and self.sliding_window is not None:
            return min(length, self.sliding_window)
        if kind == "sparse" and self.blocksparse is not None:
            local = min(length, self.blocksparse.local_blocks * self.blocksparse.block)
            return local + (length - local) // self.blocksparse.stride
        return length
