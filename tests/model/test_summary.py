"""What a model costs, in bytes and operations, and its description in words."""

import pytest
import torch

from hornbook.model import build
from hornbook.model.cache import SLACK, KVCache
from hornbook.model.config import ModelConfig
from hornbook.model.formats.quantization import Quantization
from hornbook.model.registry import find
from hornbook.model.summary import attention_in_words, cache_bytes, costs, describe, quantized_bytes

TINY = ModelConfig(vocabulary=96, layers=2, width=32, heads=4, mlp_width=64, context=64)


def test_window_layers_hold_only_their_window():
    mini = find("phi-3-mini-4k").config
    assert cache_bytes(mini, 1000) == 1000 * mini.cache_bytes_per_token()
    assert cache_bytes(mini, 4096) == 2047 * mini.cache_bytes_per_token()
    stories = find("tinystories-1m").config  # every second of eight layers
    assert cache_bytes(stories, 2048) == (2048 + 256) * stories.cache_bytes_per_token() // 2


@pytest.mark.parametrize("name", ["tinystories-1m", "phi-1-small"])
def test_cache_bytes_are_those_of_the_cache(name):
    config = find(name).config
    kv_cache = KVCache(config, 1, config.context, torch.device("cpu"), torch.bfloat16)
    made = sum(2 * (layer.keys.numel() + layer.values.numel()) for layer in kv_cache.layers)
    windows = sum(config.kind(layer) == "window" for layer in range(config.layers))
    room = windows * (SLACK - 1) * config.cache_bytes_per_token() // config.layers
    assert made == cache_bytes(config, config.context) + room


def test_bytes_at_each_precision():
    mini = costs(find("phi-3-mini-4k").config)
    assert (mini.fp32, mini.bf16, mini.int8) == (4 * 3_821_079_552, 2 * 3_821_079_552, 3_821_079_552)
    norms = 65 * 3072
    assert mini.quantized["4bit"] == (3_821_079_552 - norms) * 4.5 / 8 + 4 * norms
    assert costs(TINY.model_copy(update={"width": 24})).quantized["4bit"] is None


def test_four_bit_bytes_are_those_of_a_quantized_model():
    from hornbook.model.formats.quantized import matrices
    from hornbook.quantize.quantize import quantize_matrix

    model = build(TINY)
    for name in matrices(model):
        if name != "lm_head":
            quantize_matrix(model, name)
    tensors = {name: t for name, t in model.state_dict().items() if not name.startswith("lm_head.")}
    assert sum(t.numel() * t.element_size() for t in tensors.values()) == costs(TINY).quantized["4bit"]


def test_words():
    assert attention_in_words(find("tinystories-1m").config) == "full/window 256"
    assert attention_in_words(find("phi-3-mini-4k").config) == "window 2,047"
    assert attention_in_words(find("phi-3-small-8k").config) == "sparse/full"
    assert attention_in_words(find("phi-3-mini-128k").config) == "LongRoPE ×32"
    small = describe(find("phi-3-small-8k").config)
    assert "16 nearest" in small["attention"]
    assert small["biases"] == "queries, keys and values, attention's output, MLP"
    assert "2 for each token" in describe(find("phi-3.5-moe").config)["mlp"]


def test_phi_3_mini_in_four_bits_fits_in_two_gigabytes():
    config, form = find("phi-3-mini-4k").config, Quantization(4, 128)
    assert quantized_bytes(config, form) <= 2.0e9
    outer = 2 * config.vocabulary * config.width
    # As vLLM takes it: embedding and output matrix in bf16.
    assert quantized_bytes(config, form) - form.bytes(outer) + 2 * outer == pytest.approx(2.263e9, rel=1e-3)
