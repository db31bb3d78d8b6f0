"""The shape of a model: everything that must be known before a weight exists."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from hornbook.settings import Settings


class ModelConfig(Settings):
    """A phi-3 style decoder: pre-norm blocks of rotary attention and a gated feed-forward, no biases.

    Shapes and defaults are phi-3's (RMSNorm epsilon 1e-5, RoPE base 10,000, initial standard deviation 0.02).
    """

    vocabulary: int = Field(1024, ge=1, description="number of token ids")
    layers: int = Field(4, ge=1)
    width: int = Field(128, ge=1, description="size of a token's vector (hidden_size)")
    heads: int = Field(4, ge=1, description="query heads")
    kv_heads: int | None = Field(None, ge=1, description="key/value heads; as many as query heads unless given")
    feedforward: int = Field(384, ge=1, description="inner size of the gated feed-forward (intermediate_size)")
    context: int = Field(128, ge=1, description="longest sequence in tokens (max_position_embeddings)")
    rope_theta: float = Field(10_000.0, gt=0)
    norm_epsilon: float = Field(1e-5, gt=0)
    initial_std: float = Field(0.02, gt=0)
    tied_embeddings: bool = Field(True, description="the output matrix is the embedding matrix")
    sliding_window: int | None = Field(None, ge=1, description="a token sees this many tokens, itself included")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.head_size % 2:
            raise ValueError(f"width / heads is {self.head_size}; rotary positions need an even number")
        if self.heads % self.key_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        return self

    @property
    def head_size(self) -> int:
        """Size of one head's vectors."""
        return self.width // self.heads

    @property
    def key_heads(self) -> int:
        """Number of key/value heads."""
        return self.kv_heads or self.heads

    def parameters(self) -> int:
        """Number of weights, counted without building the model; a tied matrix counts once."""
        qkv = self.width * (self.heads + 2 * self.key_heads) * self.head_size
        out = self.heads * self.head_size * self.width
        gate_up_down = 3 * self.width * self.feedforward
        block = qkv + out + gate_up_down + 2 * self.width
        embeddings = self.vocabulary * self.width * (1 if self.tied_embeddings else 2)
        return embeddings + self.layers * block + self.width

    def flops_per_token(self, length: int) -> int:
        """Floating-point operations of one token's forward pass in a sequence of `length` tokens.

        Two for every weight that multiplies, plus the two attention products over the whole sequence
        (the count of the PaLM paper, appendix B, forward only). Training costs three times as much.
        """
        matrices = self.parameters() - self.width * (2 * self.layers + 1)
        if not self.tied_embeddings:
            matrices -= self.vocabulary * self.width
        return 2 * matrices + 4 * self.layers * self.width * length
