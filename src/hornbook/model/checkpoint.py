"""Checkpoints on disk: Hugging Face folders that `transformers` reads as Phi3ForCausalLM, and the way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.files import read_json, write_bytes, write_json
from hornbook.model.config import ModelConfig
from hornbook.model.four_bit import GROUP, FourBit, FourBitLinear, as_four_bit
from hornbook.model.tokenizer import END, END_OF_TEXT, PAD, Tokenizer
from hornbook.model.tokenizer import FILES as TOKENIZER_FILES
from hornbook.model.transformer import Transformer

WEIGHTS = "model.safetensors"

# Our name on the left, the name in a Phi3ForCausalLM checkpoint on the right.
_NAMES = (
    (r"^embed\.", "model.embed_tokens."),
    (r"^blocks\.(\d+)\.attention_norm\.", r"model.layers.\1.input_layernorm."),
    (r"^blocks\.(\d+)\.attention\.qkv\.", r"model.layers.\1.self_attn.qkv_proj."),
    (r"^blocks\.(\d+)\.attention\.out\.", r"model.layers.\1.self_attn.o_proj."),
    (r"^blocks\.(\d+)\.feedforward_norm\.", r"model.layers.\1.post_attention_layernorm."),
    (r"^blocks\.(\d+)\.feedforward\.gate_up\.", r"model.layers.\1.mlp.gate_up_proj."),
    (r"^blocks\.(\d+)\.feedforward\.down\.", r"model.layers.\1.mlp.down_proj."),
    (r"^norm\.", "model.norm."),
    (r"^head\.", "lm_head."),
)


def their_name(name: str) -> str:
    """The name that a Phi3ForCausalLM checkpoint gives to our parameter `name`."""
    for pattern, replacement in _NAMES:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    raise KeyError(name)


def to_huggingface(config: ModelConfig, specials: Mapping[str, int], dtype: torch.dtype) -> dict[str, Any]:
    """The `config.json` of a Phi3ForCausalLM. `specials` gives the ids of `bos`, `eos` and `pad`."""
    return {
        "architectures": ["Phi3ForCausalLM"],
        "model_type": "phi3",
        "vocab_size": config.vocabulary,
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        "intermediate_size": config.feedforward,
        "max_position_embeddings": config.context,
        "original_max_position_embeddings": config.context,
        "rope_theta": config.rope_theta,
        "rope_scaling": None,
        "rms_norm_eps": config.norm_epsilon,
        "initializer_range": config.initial_std,
        "tie_word_embeddings": config.tied_embeddings,
        "sliding_window": config.sliding_window,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "use_cache": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "bos_token_id": specials["bos"],
        "eos_token_id": specials["eos"],
        "pad_token_id": specials["pad"],
    }


def from_huggingface(values: Mapping[str, Any], where: Path) -> ModelConfig:
    """Read a phi-3 `config.json`. Raises UserError for an architecture or a feature that is not supported."""
    kind = values.get("model_type")
    if kind != "phi3":
        raise UserError(f"{where}: model_type is {kind!r}; this version reads 'phi3' checkpoints")
    rope = values.get("rope_parameters") or {}
    _refuse_variants(values, rope, where)
    try:
        return ModelConfig(
            vocabulary=values["vocab_size"],
            layers=values["num_hidden_layers"],
            width=values["hidden_size"],
            heads=values["num_attention_heads"],
            kv_heads=values.get("num_key_value_heads") or values["num_attention_heads"],
            feedforward=values["intermediate_size"],
            context=values["max_position_embeddings"],
            rope_theta=values.get("rope_theta") or rope.get("rope_theta") or 10_000.0,
            norm_epsilon=values["rms_norm_eps"],
            initial_std=values.get("initializer_range", 0.02),
            tied_embeddings=values.get("tie_word_embeddings", False),
            sliding_window=values.get("sliding_window"),
        )
    except KeyError as missing:
        raise UserError(f"{where}: the key {missing} is missing") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "shape"
        raise UserError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}") from None


def _refuse_variants(values: Mapping[str, Any], rope: Mapping[str, Any], where: Path) -> None:
    """Raise UserError for what would load and then compute something else than the model that was saved."""
    scaling = values.get("rope_scaling") or {}
    rope_type = scaling.get("rope_type") or scaling.get("type") or rope.get("rope_type") or "default"
    rotated = values.get("partial_rotary_factor") or rope.get("partial_rotary_factor") or 1.0
    if rope_type != "default" or rotated != 1.0:
        raise UserError(
            f"{where}: rotary kind {rope_type!r} over {rotated:g} of each head is not supported; "
            "plain rotary positions are"
        )
    if values.get("hidden_act", "silu") != "silu":
        raise UserError(f"{where}: hidden_act {values['hidden_act']!r} is not supported; 'silu' is")
    width, heads, size = (values.get(key) for key in ("hidden_size", "num_attention_heads", "head_dim"))
    if size and width and heads and size * heads != width:
        raise UserError(f"{where}: head_dim {size} is not supported; hidden_size / num_attention_heads is")


def save(model: Transformer, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a Hugging Face folder: weights, configuration, tokenizer, chat template, generation settings."""
    end, pad = tokenizer.control(END_OF_TEXT), tokenizer.control(PAD)
    specials = {"bos": end, "eos": end, "pad": pad}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("head.") and model.config.tied_embeddings:
            continue
        tensors[their_name(name)] = tensor.detach().contiguous().cpu()
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / WEIGHTS, serialise(tensors, metadata={"format": "pt"}))
    values = to_huggingface(model.config, specials, model.norm.weight.dtype)
    quantized = [
        their_name(f"{name}.")[:-1]
        for name, module in model.named_modules()
        if isinstance(module, FourBit) and not (name == "head" and model.config.tied_embeddings)
    ]
    if quantized:
        values["hornbook_quantization"] = {"bits": 4, "group": GROUP, "modules": sorted(quantized)}
    write_json(folder / "config.json", values)
    stops = [end, tokenizer.control(END)]
    write_json(folder / "generation_config.json", {"bos_token_id": end, "eos_token_id": stops, "pad_token_id": pad})
    for name in TOKENIZER_FILES:
        if (tokenizer.folder / name).is_file():
            write_bytes(folder / name, (tokenizer.folder / name).read_bytes())


def load(folder: Path, *, device: str = "cpu", compute: torch.dtype = torch.float32) -> Transformer:
    """Load a checkpoint folder. Raises UserError that names what is missing or damaged."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a model folder with config.json and {WEIGHTS}")
    values = read_json(folder / "config.json")
    if not isinstance(values, dict):
        raise UserError(f"{folder / 'config.json'} is no model's configuration")
    model = Transformer(from_huggingface(values, folder / "config.json"), compute)
    stored = _read_weights(folder)
    for name in values.get("hornbook_quantization", {}).get("modules", []):
        _make_four_bit(model, name, folder)
    state = {}
    for name, target in model.state_dict().items():
        if name.startswith("head.") and model.config.tied_embeddings:
            continue
        tensor = stored.pop(their_name(name), None)
        if tensor is None:
            raise UserError(f"{folder / WEIGHTS} lacks the tensor {their_name(name)}")
        if tensor.shape != target.shape:
            raise UserError(
                f"{folder / WEIGHTS}: {their_name(name)} is {tuple(tensor.shape)}, config.json asks for "
                f"{tuple(target.shape)}"
            )
        state[name] = tensor
    if model.config.tied_embeddings:
        stored.pop("lm_head.weight", None)
    if stored:
        raise UserError(f"{folder / WEIGHTS} holds {len(stored)} unknown tensors, {min(stored)} among them")
    model.load_state_dict(state, strict=False)
    return model.to(device).eval()


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a folder, whether it lies in one file or in several that an index lists."""
    index = folder / f"{WEIGHTS}.index.json"
    try:
        names = sorted(set(read_json(index)["weight_map"].values())) if index.exists() else [WEIGHTS]
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{index} has no weight_map, which tells the tensors' files") from None
    tensors: dict[str, Tensor] = {}
    for name in names:
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing")
        try:
            with safe_open(folder / name, framework="pt") as file:
                tensors.update({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (no mapping)
        except SafetensorError as error:
            raise UserError(f"{folder / name} is damaged or cut short: {error}") from None
    return tensors


def _make_four_bit(model: Transformer, their: str, folder: Path) -> None:
    """Swap one module of `model` for its empty 4-bit form; a tied output matrix follows its embedding."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear | nn.Embedding) and their_name(f"{name}.") == f"{their}.":
            replace(model, name, as_four_bit(module))
            return
    raise UserError(f"{folder / 'config.json'} lists {their} as quantized; the model has no such matrix")


def replace(model: Transformer, name: str, module: FourBit) -> None:
    """Put a 4-bit module in the place of `name`; an embedding that is tied becomes the output matrix too."""
    model.set_submodule(name, module)
    if name == "embed" and model.config.tied_embeddings:
        head = FourBitLinear(model.config.vocabulary, model.config.width)
        head.packed, head.scales = module.packed, module.scales
        model.set_submodule("head", head)
