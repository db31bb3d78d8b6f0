"""GGUF files of tiny models, written with the gguf package's own writer, by the steps of llama.cpp's converter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf.constants import GGMLQuantizationType, TokenType

from hornbook.model.formats.contents import ModelFile
from hornbook.model.tokenizers.alphabet import CHARACTERS

Kind = GGMLQuantizationType


def model_file(path: Path) -> ModelFile:
    return ModelFile(path, str(path), 0, path.stat().st_size)


def vocabulary(size: int) -> dict[str, Any]:
    """The smallest byte-level vocabulary that fills `size` ids."""
    tokens = ["<|endoftext|>", *CHARACTERS, "th", *(f"<pad{at}>" for at in range(size - 258))]
    kinds = [TokenType.CONTROL, *[TokenType.NORMAL] * 257, *[TokenType.UNUSED] * (size - 258)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in kinds],
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
    }


def write(
    path: Path,
    architecture: str,
    values: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Path:
    """A GGUF file of these keys and tensors; `kinds` are those of tensors that are not stored as F32."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_string(key, value)
    for name, tensor in (tensors or {}).items():
        kind = (kinds or {}).get(name, Kind.F32)
        data = tensor if tensor.dtype == np.uint8 else gguf.quants.quantize(tensor.astype(np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def write_gguf() -> Callable[..., Path]:
    return write


def converted(model: Any) -> tuple[str, dict[str, Any], dict[str, np.ndarray]]:
    """A small model of transformers as llama.cpp's converter writes it: architecture, keys, tensors."""
    config = model.config
    architecture = {"llama": "llama", "phi": "phi2", "phi3": "phi3"}[config.model_type]
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    turned = int(rope.get("partial_rotary_factor", 1.0) * head)
    epsilon = "layer_norm_epsilon" if architecture == "phi2" else "layer_norm_rms_epsilon"
    values = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "block_count": config.num_hidden_layers,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        f"attention.{epsilon}": getattr(config, "rms_norm_eps", None) or config.layer_norm_eps,
        "rope.dimension_count": turned,
        "rope.freq_base": float(rope["rope_theta"]),
    }
    values = {f"{architecture}.{key}": value for key, value in values.items()} | vocabulary(config.vocab_size)
    if head * config.num_attention_heads != config.hidden_size:
        values |= {f"{architecture}.attention.{part}_length": head for part in ("key", "value")}
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "model.final_layernorm": "output_norm",
        "lm_head": "output",
    }
    inner = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.qkv_proj": "attn_qkv",
        "self_attn.o_proj": "attn_output",
        "self_attn.dense": "attn_output",
        "mlp.gate_up_proj": "ffn_up",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "mlp.fc1": "ffn_up",
        "mlp.fc2": "ffn_down",
        **{f"self_attn.{part}_proj": f"attn_{part}" for part in "qkv"},
    }
    for layer in range(config.num_hidden_layers):
        names |= {f"model.layers.{layer}.{theirs}": f"blk.{layer}.{name}" for theirs, name in inner.items()}
    tensors = {}
    for name, parameter in model.named_parameters():
        module, _, kind = name.rpartition(".")
        data = parameter.detach().float().numpy()
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(
            module.rpartition(".")[2]
        )
        if architecture == "llama" and heads:
            shape = data.shape
            data = data.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
        tensors[f"{names[module]}.{kind}"] = data
    return architecture, values, tensors


@pytest.fixture
def convert() -> Callable[[Any], tuple[str, dict[str, Any], dict[str, np.ndarray]]]:
    return converted


@pytest.fixture
def random_model() -> Callable[..., Any]:
    """A small model of transformers with random weights, norms and biases included."""

    def make(kind: str, **changes: Any) -> Any:
        from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, PhiConfig, PhiForCausalLM

        config, model = {
            "llama": (LlamaConfig, LlamaForCausalLM),
            "phi": (PhiConfig, PhiForCausalLM),
            "phi3": (Phi3Config, Phi3ForCausalLM),
        }[kind]
        shape = {
            "vocab_size": 300,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "pad_token_id": None,
        }
        made = model(config(**(shape | changes))).eval()
        generator = torch.Generator().manual_seed(len(changes))
        with torch.no_grad():
            for parameter in made.parameters():
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn * 0.2 if parameter.ndim > 1 else 1 + 0.3 * drawn)
        return made

    return make
