"""The two layouts in which phi-1, phi-1.5 and phi-2 were first published, beside today's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import from_huggingface

SHAPE: dict[str, Any] = {
    "norm": "layer",
    "block": "parallel",
    "activation": "gelu",
    "rotary_share": 0.25,
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "lm_head_bias": True,
    "tied_embeddings": False,
}
CONFIG = {
    "activation_function": "gelu_new",
    "architecture": {"block_cls": "parallel", "mixer": {}, "mlp": {"mlp_cls": "mlp"}},
    "initializer_range": 0.2,
    "layer_norm_epsilon": 1e-5,
    "n_embd": 64,
    "n_head": 4,
    "n_inner": None,
    "n_layer": 2,
    "n_positions": 64,
    "rotary_dim": 4,
    "tie_word_embeddings": False,
    "vocab_size": 400,
}


def sequential(name: str) -> str:
    """Today's name -> the one in a `mixformer-sequential` checkpoint of two layers: the embedding is layer 0."""
    name = name.replace("model.layers.1.", "layers.2.").replace("model.layers.0.", "layers.1.")
    name = name.replace("model.embed_tokens.", "layers.0.wte.").replace("lm_head.", "layers.3.linear.")
    return inner(name.replace("model.final_layernorm.", "layers.3.ln."))


def nested(name: str) -> str:
    """Today's name -> the one in a `phi-msft` checkpoint."""
    name = name.replace("model.layers.", "transformer.h.").replace("model.embed_tokens.", "transformer.embd.wte.")
    return inner(name.replace("lm_head.", "lm_head.linear.").replace("model.final_layernorm.", "lm_head.ln."))


def inner(name: str) -> str:
    return name.replace("input_layernorm", "ln").replace("self_attn.dense", "mixer.out_proj")


def as_first_published(folder: Path, rename: Callable[[str], str]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint in today's layout under their first names: q, k and v fused, in this order."""
    tensors = load_file(folder / "model.safetensors")
    renamed = {}
    for name, tensor in tensors.items():
        if "q_proj" in name:
            qkv = [tensors[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            renamed[rename(name.replace("self_attn.q_proj", "mixer.Wqkv"))] = torch.cat(qkv)
        elif "k_proj" not in name and "v_proj" not in name:
            renamed[rename(name)] = tensor
    return renamed


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickled"])
@pytest.mark.parametrize(
    ("kind", "rename"), [("mixformer-sequential", sequential), ("phi-msft", nested)], ids=["sequential", "nested"]
)
def test_first_releases_are_read(
    kind: str, rename: Callable[[str], str], pickled: bool, make_model: Any, tmp_path: Path
) -> None:
    model = make_model(seed=3, mlp_width=256, **SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(1))
    checkpoint.save(model, tmp_path / "today")
    tensors = as_first_published(tmp_path / "today", rename)
    tensors[f"{rename('model.layers.0.')}mixer.rotary_emb.inv_freq"] = torch.ones(2)
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG | {"model_type": kind}))
    if pickled:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors")
    again = checkpoint.load(folder)
    assert again.config == ModelConfig.model_validate(model.config.model_dump() | {"kv_heads": 4, "format": "phi"})
    for (name, tensor), (other, loaded) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(tensor, loaded), name


@pytest.mark.parametrize(("size", "turned"), [(64, 32), (80, 32), (49, 14), (96, 22), (7, 6)])
def test_the_share_gives_back_the_rotary_size(size: int, turned: int) -> None:
    values = CONFIG | {"model_type": "phi-msft", "n_embd": 4 * size, "rotary_dim": turned}
    config = from_huggingface(values, Path("config.json"))
    assert config.rotary_size == turned
    assert config.mlp_width == 16 * size
