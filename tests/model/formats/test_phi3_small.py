"""phi-3-small's rows in their published order, and what its config.json leaves unsaid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hornbook.model.formats import checkpoint, phi3_small
from hornbook.model.formats.architectures import from_huggingface

SHAPE: dict[str, Any] = {
    "norm": "layer",
    "activation": "gegelu",
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "heads": 8,
    "kv_heads": 2,
}
VALUES = {
    "model_type": "phi3small",
    "vocab_size": 100_352,
    "num_hidden_layers": 4,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "ff_intermediate_size": 14_336,
    "max_position_embeddings": 8192,
    "layer_norm_epsilon": 1e-5,
    "dense_attention_every_n_layers": 2,
    "mup_attn_multiplier": 1.0,
    "mup_embedding_multiplier": 10.0,
    "mup_use_scaling": True,
    "mup_width_multiplier": 8.0,
}


def read(**changes: Any) -> Any:
    return from_huggingface(VALUES | changes, Path("config.json"))


def test_rows_lie_group_by_group_and_in_turn(make_model: Any, tmp_path: Path) -> None:
    """Row by row: [q0 q1 q2 q3 k v] of each key head, and the gate's and the linear input's rows in turn."""
    model = make_model(seed=1, **SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(1))
    checkpoint.save(model, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    attention, mlp, size = model.blocks[1].attention, model.blocks[1].mlp, model.config.head_size
    order = []
    for group in range(2):
        order += [4 * group + head for head in range(4)]
        order += [8 + group, 10 + group]  # of our twelve heads: eight of queries, two of keys, two of values
    rows = [head * size + row for head in order for row in range(size)]
    for kind in ("weight", "bias"):
        ours = getattr(attention.qkv, kind)
        assert torch.equal(stored[f"model.layers.1.self_attn.query_key_value.{kind}"], ours[rows])
        gate, up = getattr(mlp.gate_up, kind).chunk(2)
        theirs = stored[f"model.layers.1.mlp.up_proj.{kind}"]
        assert torch.equal(theirs[0::2], gate)
        assert torch.equal(theirs[1::2], up)
    again = checkpoint.load(tmp_path)
    for (name, tensor), (other, loaded) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(tensor, loaded), name


def test_the_published_multipliers() -> None:
    config = read()
    assert (config.embedding_scale, config.attention_scale, config.logit_scale) == (10.0, 1 / 128, 1 / 8)
    assert (config.rope_theta, config.gegelu_limit, config.tied_embeddings) == (1e6, float("inf"), True)
    assert read(gegelu_limit=20.0).gegelu_limit == 20
    plain = read(mup_use_scaling=False, mup_embedding_multiplier=None, mup_width_multiplier=None)
    assert (plain.embedding_scale, plain.score_scale, plain.logit_scale) == (1.0, 128**-0.5, 1.0)


def test_the_dummy_tokens_of_the_published_vocabulary() -> None:
    """Every id from 100,256 on but end of text, system, user, assistant and end."""
    dummies = phi3_small.published_dummies(100_352)
    assert read().dummy_tokens == dummies
    assert len(dummies) == 96 - 5
    assert set(range(100_256, 100_352)) - set(dummies) == {100_257, 100_261, 100_262, 100_263, 100_266}
    assert read(vocab_size=100_000).dummy_tokens == ()
    assert read(dummy_token_indices=[7]).dummy_tokens == (7,)


@pytest.mark.parametrize(
    ("every", "kinds"),
    [
        (1, "full full full full full full"),
        (2, "sparse full sparse full sparse full"),
        (3, "sparse sparse full sparse sparse full"),
        (7, "sparse sparse sparse sparse sparse sparse"),
        (0, "sparse sparse sparse sparse sparse sparse"),
        (None, "sparse sparse sparse sparse sparse sparse"),
    ],
)
def test_which_layers_are_dense(every: int | None, kinds: str) -> None:
    config = read(num_hidden_layers=6, dense_attention_every_n_layers=every)
    assert [config.kind(layer) for layer in range(6)] == kinds.split()


def test_an_inner_size_from_a_multiplier_is_padded() -> None:
    sizes = {"ff_intermediate_size": None, "ff_dim_multiplier": 4}
    assert read(**sizes).mlp_width == 11_008  # 4 * (4096 // 3) * 2 = 10,920, padded to a multiple of 256
    assert read(**sizes, gegelu_pad_to_256=False).mlp_width == 10_920


def test_the_scales_of_longrope() -> None:
    """As the original computes them: 1 for short sequences, by formula for long ones, unless a positive one is given."""
    factors = {"short_factor": [1.0] * 64, "long_factor": [2.0] * 64, "original_max_position_embeddings": 8192}
    context = {"max_position_embeddings": 131_072}
    config = read(rope_scaling=factors | {"type": "su"}, **context)
    assert config.longrope.scales(config.context) == (1.0, pytest.approx(1.143544, abs=1e-6))
    given = factors | {"type": "longrope", "short_mscale": 1.1, "long_mscale": -1.0}
    config = read(rope_scaling=given, **context)
    assert config.longrope.scales(config.context) == (1.1, pytest.approx(1.143544, abs=1e-6))
