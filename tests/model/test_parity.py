"""The same numbers as transformers' Phi3ForCausalLM: counts, logits, gradients, text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.errors import UserError
from hornbook.model import checkpoint
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer

SHAPES = {
    "plain": {},
    "untied": {"tied_embeddings": False},
    "grouped": {"heads": 8, "kv_heads": 2, "tied_embeddings": False},
    "one kv head": {"heads": 4, "kv_heads": 1},
    "window": {"sliding_window": 5},
    "window of one": {"sliding_window": 1},
    "theta": {"rope_theta": 500.0, "norm_epsilon": 1e-3},
    "one layer, odd sizes": {"layers": 1, "width": 72, "heads": 6, "feedforward": 50, "vocabulary": 401},
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def theirs(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, attn_implementation="eager"
    )
    assert type(model).__name__ == "Phi3ForCausalLM"
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval()


def random_ids(shape: tuple[int, int], seed: int, vocabulary: int = 400) -> torch.Tensor:
    return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(seed))


@shapes
def test_parameters_equal_the_built_model_and_transformers(shape: dict[str, Any], make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(**shape)
    built = sum(p.numel() for p in model.parameters())
    assert model.config.parameters() == built == sum(p.numel() for p in theirs(folder).parameters())


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ({"layers": 32, "width": 3072, "heads": 32, "feedforward": 8192}, 3_821_079_552),
        ({"layers": 40, "width": 5120, "heads": 40, "kv_heads": 10, "feedforward": 17_920}, 13_960_238_080),
    ],
    ids=["phi-3-mini", "phi-3-medium"],
)
def test_published_counts(shape: dict[str, Any], count: int) -> None:
    assert ModelConfig(vocabulary=32_064, tied_embeddings=False, context=4096, **shape).parameters() == count


@shapes
def test_logits_equal_transformers(shape: dict[str, Any], make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=3, **shape)
    ids = random_ids((3, 33), seed=4)
    with torch.no_grad():
        ours, reference = checkpoint.load(folder)(ids), theirs(folder)(ids).logits
    assert reference.std() > 0.5, "logits of almost zero would agree whatever the model does"
    torch.testing.assert_close(ours, reference, atol=1e-4, rtol=0)
    torch.testing.assert_close(model(ids), ours, atol=0, rtol=0)


@pytest.mark.parametrize("length", [4, 5, 6])
def test_the_window_ends_where_transformers_ends_it(length: int, make_checkpoint: Any) -> None:
    """Up to the window's length it changes nothing, one token further it does."""
    model, folder = make_checkpoint(seed=8, layers=1, sliding_window=5)
    ids = random_ids((1, length), seed=1)
    ids_changed = ids.clone()
    ids_changed[0, 0] = (ids[0, 0] + 1) % 400
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(folder)(ids).logits, atol=1e-4, rtol=0)
        sees_the_first = not torch.equal(model(ids)[0, -1], model(ids_changed)[0, -1])
    assert sees_the_first == (length <= 5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 2}, {"sliding_window": 6}], ids=str)
def test_padded_batches_equal_transformers(side: str, shape: dict[str, Any], make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=5, **shape)
    lengths = [17, 9, 1, 20]
    ids = torch.full((4, 20), 5)
    real = torch.zeros(4, 20, dtype=torch.bool)
    for row, length in enumerate(lengths):
        place = slice(20 - length, 20) if side == "left" else slice(0, length)
        ids[row, place] = random_ids((1, length), seed=row)[0]
        real[row, place] = True
    with torch.no_grad():
        ours = model(ids, real=real)
        reference = theirs(folder)(ids, attention_mask=real.long()).logits
        for row, length in enumerate(lengths):
            alone = model(ids[row, real[row]][None])[0]
            torch.testing.assert_close(ours[row, real[row]], alone, atol=1e-4, rtol=0)
            assert alone.shape[0] == length
    torch.testing.assert_close(ours[real], reference[real], atol=1e-4, rtol=0)
    assert ours.isfinite().all()


@shapes
def test_gradients_equal_transformers(shape: dict[str, Any], make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=6, **shape)
    ids, targets = random_ids((2, 21), seed=7), random_ids((2, 21), seed=9).flatten()
    reference = theirs(folder)
    ids[ids == reference.config.pad_token_id] = 0  # transformers gives a padding token's embedding no gradient
    for logits in (model(ids), reference(ids).logits):
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets).backward()
    wanted = {name: p.grad for name, p in reference.named_parameters()}
    for name, parameter in model.named_parameters():
        other = wanted[checkpoint.their_name(name)]
        assert (parameter.grad - other).norm() <= 1e-4 * other.norm(), name


@pytest.mark.parametrize("shape", [{}, {"heads": 8, "kv_heads": 4, "tied_embeddings": False}], ids=str)
def test_greedy_text_equals_transformers(shape: dict[str, Any], make_checkpoint: Any, tokenizer_folder: Path) -> None:
    from hornbook.inference.generate import generate
    from hornbook.model.tokenizer import Tokenizer

    model, folder = make_checkpoint(seed=10, **shape)
    tokenizer = Tokenizer(folder)
    prompts = [tokenizer.encode(text) for text in ("def add(a, b):\n", "🙂", "class Shop:\n    price = 1\n")]
    ours = generate(model, prompts, limit=24, stops=tokenizer.stops)
    reference = theirs(folder)
    for prompt, answer in zip(prompts, ours, strict=True):
        made = reference.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
        kept = [token for token in made if token not in tokenizer.stops]
        assert kept == answer
        assert tokenizer.decode(kept) == tokenizer.decode(answer)


@pytest.mark.parametrize("shards", [None, "60KB"], ids=["one file", "sharded"])
@pytest.mark.parametrize("tied", [True, False])
def test_reads_what_transformers_writes(shards: str | None, tied: bool, tmp_path: Path) -> None:
    from transformers import Phi3Config, Phi3ForCausalLM

    torch.manual_seed(11)
    config = Phi3Config(
        vocab_size=300,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=3,
        max_position_embeddings=40,
        sliding_window=12,
        tie_word_embeddings=tied,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    reference = Phi3ForCausalLM(config).eval()
    reference.save_pretrained(tmp_path, **({"max_shard_size": shards} if shards else {}))
    assert (tmp_path / "model.safetensors.index.json").exists() == (shards is not None)
    model = checkpoint.load(tmp_path)
    ids = random_ids((2, 30), seed=12, vocabulary=300)
    with torch.no_grad():
        torch.testing.assert_close(model(ids), reference(ids).logits, atol=1e-4, rtol=0)
    assert model.config.parameters() == sum(p.numel() for p in reference.parameters())


@pytest.mark.parametrize(
    "unlike",
    [
        {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4}},
        {"rope_scaling": {"type": "su"}},
        {"partial_rotary_factor": 0.5},
        {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.75}},
        {"hidden_act": "gelu"},
        {"head_dim": 16},
        {"model_type": "llama"},
        {"hidden_size": 66},
        {"vocab_size": "many"},
    ],
    ids=str,
)
def test_refuses_what_it_would_compute_differently(unlike: dict[str, Any], tmp_path: Path) -> None:
    values = checkpoint.to_huggingface(ModelConfig(), {"bos": 0, "eos": 0, "pad": 5}, torch.float32) | unlike
    with pytest.raises(UserError) as caught:
        checkpoint.from_huggingface(values, tmp_path / "config.json")
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_configuration_round_trip(tmp_path: Path) -> None:
    config = ModelConfig(heads=8, kv_heads=2, rope_theta=1234.5, sliding_window=77, tied_embeddings=False, context=512)
    values = checkpoint.to_huggingface(config, {"bos": 0, "eos": 0, "pad": 5}, torch.float32)
    assert checkpoint.from_huggingface(values, tmp_path) == config


def test_bf16_stays_close(make_model: Callable[..., Transformer]) -> None:
    model = make_model(seed=2, initial_std=0.05)
    ids = random_ids((2, 16), seed=3)
    with torch.no_grad():
        exact = model(ids)
        model.compute = torch.bfloat16
        rounded = model(ids)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()
