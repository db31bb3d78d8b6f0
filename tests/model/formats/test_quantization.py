"""Quantized matrices in compressed-tensors' layout: other tools read the same model, or refuse the folder."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hornbook.errors import UserError
from hornbook.model import build
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.formats.quantization import Quantization
from hornbook.model.formats.quantized import QuantizedEmbedding, QuantizedLinear, dequantize, matrices, pack, unpack
from hornbook.model.transformer import Transformer
from hornbook.quantize.quantize import quantize_matrix

IDS = torch.arange(60)[None]
LAYER_NORM = {"norm": "layer", "qkv_bias": True, "out_bias": True, "lm_head_bias": True, "tied_embeddings": False}
SHAPES: dict[str, dict[str, Any]] = {
    "phi3 tied": {},
    "phi3": {"tied_embeddings": False},
    "llama": {"format": "llama", "kv_heads": 2, "tied_embeddings": False},
    "phi": {"format": "phi", "block": "parallel", "activation": "gelu", "mlp_bias": True, **LAYER_NORM},
    "phimoe": {"format": "phimoe", "experts": {"count": 4, "jitter": 0.01}, **LAYER_NORM},
    "phi3small": {
        "format": "phi3small", "norm": "layer", "activation": "gegelu", "kv_heads": 2, "attention": ("sparse", "full"),
        "qkv_bias": True, "out_bias": True, "mlp_bias": True,
        "blocksparse": {"block": 16, "local_blocks": 2, "stride": 2},
    },
}  # fmt: skip


OUTER = ("embed", "lm_head")


@functools.cache
def with_layers(shape: str, form: Quantization) -> Transformer:
    """A random model with its layers in this format."""
    sizes = {"layers": 2, "width": 128, "heads": 4, "mlp_width": 256, "vocabulary": 203, "initial_std": 0.05}
    model = build(ModelConfig(**sizes, **SHAPES[shape]), seed=1).eval()
    with torch.no_grad():
        for name in matrices(model):
            if name not in OUTER:
                quantize_matrix(model, name, form)
    return model


def small(shape: str, form: Quantization, outer: int = 16) -> Transformer:
    """A random model in this format; outer: bits of embedding and output matrix."""
    model = copy.deepcopy(with_layers(shape, form))
    with torch.no_grad():
        for name in OUTER if outer != 16 else ():
            if name in matrices(model) and not (name == "lm_head" and model.config.tied_embeddings):
                quantize_matrix(model, name, Quantization(outer, form.group, form.symmetric))
    return model


# ---- whole numbers


@given(st.sampled_from([4, 8]), st.integers(1, 6), st.integers(1, 70), st.integers(0, 1 << 31))
def test_levels_come_back(bits: int, rows: int, columns: int, seed: int) -> None:
    least, most = Quantization(bits).levels
    levels = torch.from_numpy(np.random.default_rng(seed).integers(least, most + 1, (rows, columns)).astype(np.int8))
    packed = pack(levels, bits)
    assert packed.shape == (rows, -(-columns * bits // 32))
    assert torch.equal(unpack(packed, bits, columns), levels)


@pytest.mark.parametrize("bits", [4, 8])
def test_levels_lie_as_compressed_tensors_has_them(bits: int) -> None:
    helpers = pytest.importorskip("compressed_tensors.compressors.pack_quantized.helpers")
    least, most = Quantization(bits).levels
    levels = torch.from_numpy(np.random.default_rng(1).integers(least, most + 1, (19, 64)).astype(np.int8))
    assert torch.equal(pack(levels, bits), helpers.pack_to_int32(levels, bits))
    assert torch.equal(pack(levels.mT, bits).mT, helpers.pack_to_int32(levels, bits, packed_dim=0))


def test_the_first_column_lies_in_the_lowest_bits() -> None:
    assert pack(torch.tensor([[-8, -7, -6, -5, 0, 1, 6, 7]]), 4).item() & 0xFFFFFFFF == 0xFE983210
    assert pack(torch.tensor([[-128, -127, 0, 127]]), 8).item() & 0xFFFFFFFF == 0xFF800100


def test_what_a_format_takes() -> None:
    four = Quantization(4)
    assert four.levels == (-8, 7)
    assert (four.bits_per_weight, Quantization(4, 128).bits_per_weight) == (4.5, 4.125)
    assert (Quantization(8, 64).bits_per_weight, Quantization(4, 32, symmetric=False).bits_per_weight) == (8.25, 4.625)
    assert four.bytes(64 * 3) == 3 * (32 + 2 * 2)
    assert four.fits(64)
    assert not four.fits(48)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_layer_multiplies_with_what_it_stores(bits: int, symmetric: bool) -> None:
    draw = np.random.default_rng(bits)
    form = Quantization(bits, 32, symmetric)
    least, most = form.levels
    levels = draw.integers(least, most + 1, (5, 96))
    scales = (draw.random((5, 3)) * 0.1).astype(np.float16)
    zeros = draw.integers(least, most + 1, (5, 3)) * (not symmetric)
    dense = (levels.reshape(5, 3, 32) - zeros[..., None]).reshape(5, 96) * np.repeat(scales.astype(np.float64), 32, 1)
    x = draw.standard_normal((2, 96))
    linear, table = QuantizedLinear(5, 96, form), QuantizedEmbedding((5, 96), form)
    for layer in (linear, table):
        layer.store(*(torch.from_numpy(one) for one in (levels, scales, zeros)))
    made = linear(torch.from_numpy(x))
    np.testing.assert_allclose(made.numpy(), x @ dense.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(table(torch.tensor([3, 0])).numpy(), dense[[3, 0]], rtol=1e-6)


def test_gradients_flow_through_a_quantized_layer() -> None:
    model = small("phi3", Quantization(4))
    x = torch.randn(1, 7, 128, requires_grad=True)
    model.blocks[0].mlp.down(model.blocks[0].mlp.gate_up(x)[..., :256]).square().sum().backward()
    assert x.grad is not None and x.grad.abs().min() > 0
    assert {name for name, one in model.named_parameters() if "norm" not in name} == {"embed.weight", "lm_head.weight"}


# ---- folders

FORMS = [Quantization(4), Quantization(4, 64, symmetric=False), Quantization(8, 128), Quantization(8, 32, False)]


@pytest.mark.parametrize("outer", [16, 4, 8])
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_folder_gives_the_model_again(shape: str, form: Quantization, outer: int, tmp_path: Path) -> None:
    model = small(shape, form, outer)
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    with torch.no_grad():
        assert torch.equal(again(IDS), model(IDS))
    checkpoint.save(again, tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "config.json").read_bytes() == (tmp_path / "config.json").read_bytes()


def test_what_lies_in_a_folder(tmp_path: Path) -> None:
    checkpoint.save(small("llama", Quantization(4, 32, symmetric=False)), tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    key = {name.rpartition("k_proj.")[2]: one for name, one in stored.items() if "layers.1.self_attn.k_proj" in name}
    assert {name: (one.dtype, tuple(one.shape)) for name, one in key.items()} == {
        "weight_packed": (torch.int32, (64, 16)),
        "weight_scale": (torch.float16, (64, 4)),
        "weight_zero_point": (torch.int32, (8, 4)),
        "weight_shape": (torch.int64, (2,)),
    }
    assert key["weight_shape"].tolist() == [64, 128]
    told = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert (told["quant_method"], told["format"]) == ("compressed-tensors", "pack-quantized")
    assert (told["quantization_status"], told["ignore"]) == ("compressed", ["lm_head"])
    assert told["config_groups"] == {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group", "group_size": 32},
        }
    }


def transformers_logits(folder: Path) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    pytest.importorskip("compressed_tensors")
    theirs, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    with torch.no_grad():
        return theirs(IDS).logits


@pytest.mark.parametrize("outer", [16, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_unpacked_for_good_it_computes_the_same(shape: str, outer: int) -> None:
    model = small(shape, Quantization(4, 32, symmetric=outer == 16), outer)
    with torch.no_grad():
        for ids in (IDS, IDS[:, :1]):
            packed, unpacked = model(ids), dequantize(copy.deepcopy(model))(ids)
            assert torch.equal(packed, unpacked)
    assert not any(isinstance(one, QuantizedLinear) for one in dequantize(copy.deepcopy(model)).modules())


def test_what_takes_too_much_memory_stays_packed() -> None:
    model = dequantize(copy.deepcopy(small("phi3", Quantization(4))), share=0.0)
    assert any(isinstance(one, QuantizedLinear) for one in model.modules())


@pytest.mark.parametrize("form", [Quantization(4), Quantization(4, 128), Quantization(8)], ids=str)
@pytest.mark.parametrize("shape", ["phi3 tied", "phi3", "llama", "phi"])
def test_transformers_gives_our_logits(shape: str, form: Quantization, tmp_path: Path) -> None:
    model = small(shape, form)
    checkpoint.save(model, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(transformers_logits(tmp_path), model(IDS), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "form", "outer"),
    [
        ("phi3 tied", Quantization(4), 4),
        ("phi3 tied", Quantization(4, 64, symmetric=False), 4),
        ("llama", Quantization(4, 32, symmetric=False), 16),
        ("llama", Quantization(8), 8),
        ("phi", Quantization(4), 4),
        ("phimoe", Quantization(4), 16),
        ("phimoe", Quantization(4), 4),
    ],
)
def test_transformers_decompresses_embeddings_zero_points_and_experts(
    shape: str, form: Quantization, outer: int, tmp_path: Path
) -> None:
    """It multiplies levels and scales in fp16 there, which rounds each weight once more."""
    model = small(shape, form, outer)
    checkpoint.save(model, tmp_path)
    with torch.no_grad():
        ours = model(IDS)
    assert (transformers_logits(tmp_path) - ours).abs().max() < 2e-3 * ours.abs().max()


@pytest.mark.parametrize(
    ("shape", "form", "outer", "told"),
    [
        ("phi3", Quantization(4), 8, "read_by_hornbook_only"),
        ("phi3 tied", Quantization(4), 8, "read_by_hornbook_only"),
        ("phimoe", Quantization(4, 32, symmetric=False), 16, "(?i)conver|zero"),
    ],
)
def test_transformers_refuses_what_it_would_read_wrongly(
    shape: str, form: Quantization, outer: int, told: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    pytest.importorskip("compressed_tensors")
    checkpoint.save(small(shape, form, outer), tmp_path)
    with pytest.raises(Exception, match=told):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def test_transformers_without_compressed_tensors_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.utils import quantization_config

    checkpoint.save(small("phi3", Quantization(4)), tmp_path)
    monkeypatch.setattr(quantization_config, "is_compressed_tensors_available", lambda: False)
    with pytest.raises(ImportError, match="compressed-tensors"):
        AutoModelForCausalLM.from_pretrained(tmp_path)


def edited(folder: Path, **tensors: torch.Tensor | None) -> Path:
    stored = load_file(folder / "model.safetensors") | {
        f"model.layers.0.mlp.down_proj.weight_{leaf}": tensor for leaf, tensor in tensors.items()
    }
    save_file({name: one for name, one in stored.items() if one is not None}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"scale": None}, r"lacks the tensor .*down_proj\.weight_scale"),
        ({"packed": torch.zeros(128, 24, dtype=torch.int32)}, "in 4 or 8 bits are read"),
        ({"packed": torch.zeros(64, 32, dtype=torch.int32)}, r"weight_packed is \(64, 32\)"),
        ({"packed": torch.zeros(128, 32, dtype=torch.int64)}, "which are no weights"),
        ({"scale": torch.zeros(128, 7, dtype=torch.float16)}, "in 4 or 8 bits are read"),
        ({"scale": torch.full((128, 8), torch.nan, dtype=torch.float16)}, "NaN or infinite"),
        ({"zero_point": torch.zeros(5, 8, dtype=torch.int32)}, "weight_zero_point"),
        ({"shape": torch.zeros(3, dtype=torch.int64), "zero_point": torch.zeros(16, 8, dtype=torch.int32)}, "zero_point"),
        ({"g_idx": torch.zeros(256, dtype=torch.int32)}, "unknown tensors"),
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_folder_is_one_line(tensors: dict[str, torch.Tensor | None], told: str, tmp_path: Path) -> None:
    checkpoint.save(small("phi3", Quantization(4)), tmp_path)
    with pytest.raises(UserError, match=told) as caught:
        checkpoint.load(edited(tmp_path, **tensors))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"quantization_config": {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}}, "nvfp4"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantized by 'awq'"),
        ({"hornbook_quantization": {"bits": 4}}, "an earlier Hornbook"),
    ],
)
def test_what_is_quantized_in_other_ways_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    checkpoint.save(small("phi3", Quantization(4)), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=told):
        checkpoint.load(tmp_path)
