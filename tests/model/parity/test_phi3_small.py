"""phi-3-small end to end: a folder as the original repository writes it, against a literal float64 reference."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from hornbook.model.cache import KVCache
from hornbook.model.formats import checkpoint
from hornbook.model.transformer import Transformer, gegelu

REFERENCE = runpy.run_path(str(Path(__file__).with_name("phi3_small_reference.py")))
literal, literal_gegelu = REFERENCE["logits"], REFERENCE["gegelu"]

# A small one with all of its traits; the sparse pattern is small enough for a few dozen tokens to meet every case.
SMALL: dict[str, Any] = {
    "architectures": ["Phi3SmallForCausalLM"],
    "model_type": "phi3small",
    "vocab_size": 96,
    "max_position_embeddings": 128,
    "rope_embedding_base": 1_000_000,
    "rope_position_scale": 1.0,
    "rope_scaling": None,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_act": "gegelu",
    "gegelu_limit": 20.0,
    "ff_intermediate_size": 48,
    "ff_dim_multiplier": None,
    "blocksparse_homo_head_pattern": False,
    "blocksparse_block_size": 4,
    "blocksparse_num_local_blocks": 2,
    "blocksparse_vert_stride": 3,
    "blocksparse_triton_kernel_block_size": 4,
    "dense_attention_every_n_layers": 2,
    "embedding_dropout_prob": 0.1,
    "attention_dropout_prob": 0.0,
    "ffn_dropout_prob": 0.1,
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
    "mup_use_scaling": True,
    "mup_width_multiplier": 8.0,
    "mup_embedding_multiplier": 10.0,
    "mup_attn_multiplier": 1.0,
    "bos_token_id": 100257,
    "eos_token_id": 100257,
    "dummy_token_indices": [3, 90, 95],
}
LONG = {
    "type": "su",
    "short_factor": [1.0, 1.1, 1.3, 2.0],
    "long_factor": [1.5, 4.0, 9.0, 16.0],
    "original_max_position_embeddings": 24,
}
CASES: dict[str, dict[str, Any]] = {
    "as published": {},
    "dense every third": {"dense_attention_every_n_layers": 3, "num_hidden_layers": 6},
    "no dense layer": {"dense_attention_every_n_layers": None, "num_hidden_layers": 2},
    "one pattern for all heads": {"blocksparse_homo_head_pattern": True},
    "stride beyond the heads": {"blocksparse_vert_stride": 17, "blocksparse_block_size": 1},
    "blocks of 7": {"blocksparse_block_size": 7, "blocksparse_num_local_blocks": 1, "blocksparse_vert_stride": 2},
    "one key head": {"num_key_value_heads": 1},
    "a key head each": {"num_key_value_heads": 8},
    "a clamp that bites": {"gegelu_limit": 0.5},
    "no muP": {"mup_use_scaling": False, "mup_width_multiplier": 1.0, "mup_embedding_multiplier": 1.0},
    "other multipliers": {"mup_attn_multiplier": 3.0, "mup_width_multiplier": 2.0, "mup_embedding_multiplier": 5.0},
    "longrope": {"rope_scaling": LONG},
    "longrope, scales given": {"rope_scaling": LONG | {"short_mscale": 1.1, "long_mscale": 1.3}},
    "longrope, scales to compute": {"rope_scaling": LONG | {"short_mscale": -1, "long_mscale": -1}},
}


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every tensor of the original checkpoint."""
    width, inner = config["hidden_size"], config["ff_intermediate_size"]
    qkv = (config["num_attention_heads"] + 2 * config["num_key_value_heads"]) * width // config["num_attention_heads"]
    made: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], width)}
    for layer in [f"model.layers.{index}" for index in range(config["num_hidden_layers"])]:
        maps = [("self_attn.query_key_value", qkv, width), ("self_attn.dense", width, width)]
        maps += [("mlp.up_proj", 2 * inner, width), ("mlp.down_proj", width, inner)]
        for name, rows, columns in maps:
            made |= {f"{layer}.{name}.weight": (rows, columns), f"{layer}.{name}.bias": (rows,)}
        for name in ("input_layernorm", "post_attention_layernorm"):
            made |= {f"{layer}.{name}.weight": (width,), f"{layer}.{name}.bias": (width,)}
    return made | {"model.final_layernorm.weight": (width,), "model.final_layernorm.bias": (width,)}


def original(folder: Path, seed: int = 0, **changes: Any) -> tuple[dict[str, Any], dict[str, Any], Transformer]:
    """Random weights and their configuration, and what Hornbook loads from them."""
    config = SMALL | changes
    source = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes(config).items():
        spread = shape[-1] ** -0.5 if len(shape) == 2 and "embed" not in name else 0.6
        weights[name] = (spread * source.standard_normal(shape)).astype(np.float32)
        if "layernorm.weight" in name:
            weights[name] += 1
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return weights, config, checkpoint.load(folder)


def some_ids(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(96, size=count).tolist()


def check(made: torch.Tensor, wanted: Any, config: dict[str, Any]) -> None:
    dummies = config["dummy_token_indices"]
    rest = [token for token in range(config["vocab_size"]) if token not in dummies]
    assert made.dtype == torch.float32
    assert (made[:, dummies] == torch.finfo(torch.float32).min).all()
    assert wanted[:, rest].std() > 0.3, "logits of almost zero would agree whatever the model does"
    torch.testing.assert_close(made[:, rest].double(), torch.tensor(wanted)[:, rest], atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_logits_equal_the_literal_reference(case: str, tmp_path: Path) -> None:
    weights, config, model = original(tmp_path, **CASES[case])
    for length in (1, 23, 25, 61):
        ids = some_ids(length, seed=length)
        check(model(torch.tensor([ids]))[0], literal(weights, config, ids), config)


@pytest.mark.parametrize("case", ["as published", "longrope"])
@torch.no_grad()
def test_padding_and_cached_decoding_equal_it_too(case: str, tmp_path: Path) -> None:
    """Unequal prompts in one batch, read in chunks and then token by token; with LongRoPE each has its own regime."""
    weights, config, model = original(tmp_path, seed=1, **CASES[case])
    rows = [some_ids(n, seed=n) for n in (45, 21, 38)]
    prompts, steps = [n - 6 for n in (45, 21, 38)], 6
    longest = max(prompts)
    ids, attention_mask = torch.zeros(3, longest, dtype=torch.long), torch.zeros(3, longest, dtype=torch.bool)
    for row, count in enumerate(prompts):
        ids[row, longest - count :] = torch.tensor(rows[row][:count])
        attention_mask[row, longest - count :] = True
    for row, count in enumerate(prompts):
        check(
            model(ids, attention_mask=attention_mask)[row, longest - count :],
            literal(weights, config, rows[row][:count]),
            config,
        )
    kv_cache = KVCache(model.config, 3, longest + steps, torch.device("cpu"), torch.float32)
    for start in range(0, longest, 16):
        logits = model(ids[:, start : start + 16], kv_cache, attention_mask[:, start : start + 16])
    for step in range(steps):
        for row, count in enumerate(prompts):
            check(logits[row, -1:], literal(weights, config, rows[row][: count + step])[-1:], config)
        token = torch.tensor([rows[row][count + step] for row, count in enumerate(prompts)])
        logits = model(token[:, None], kv_cache)


@torch.no_grad()
def test_packed_documents_are_each_alone(tmp_path: Path) -> None:
    weights, config, model = original(tmp_path, seed=2)
    rows = [some_ids(n, seed=n) for n in (30, 1, 22)]
    document_ids = torch.tensor([[number for number, row in enumerate(rows) for _ in row]])
    made = model(torch.tensor([[token for row in rows for token in row]]), document_ids=document_ids)
    for number, row in enumerate(rows):
        check(made[document_ids == number], literal(weights, config, row), config)


def test_the_clamp_lets_infinities_pass() -> None:
    x = np.array([30.0, -40.0, -30.0, 50.0, np.inf, 3.0, 2.0, np.inf, 1.0, -np.inf])
    wanted = literal_gegelu(x, 20.0)
    assert np.isposinf(wanted[2:4]).all()
    assert np.isneginf(wanted[4])
    made = gegelu(torch.tensor(x[0::2]), torch.tensor(x[1::2]), 20.0)
    torch.testing.assert_close(made, torch.tensor(wanted))
    assert wanted[0] == pytest.approx(20 * -19)


def test_what_is_saved_is_the_original_again(tmp_path: Path) -> None:
    weights, config, model = original(tmp_path / "theirs", seed=3)
    checkpoint.save(model, tmp_path / "ours")
    from safetensors.numpy import load_file

    again = load_file(tmp_path / "ours" / "model.safetensors")
    assert set(again) == set(weights)
    assert all(np.array_equal(again[name], weights[name]) for name in weights)
    saved = json.loads((tmp_path / "ours" / "config.json").read_text())
    dropout = {"embedding_dropout_prob", "ffn_dropout_prob"}  # a fact of training, which Hornbook does not use
    for key in set(config) & set(saved) - dropout - {"bos_token_id", "eos_token_id"}:
        assert saved[key] == config[key], key
