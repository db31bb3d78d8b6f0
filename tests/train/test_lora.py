"""Adapters trained by each objective: only they move, they resume to the bit, and DPO's reference is the base."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.test_resume import COMMON, StopAfter, Stopped, files
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.machine import choose
from hornbook.model import lora
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.train.data import Given
from hornbook.train.dpo import DpoSettings, dpo
from hornbook.train.figures import columns, validations
from hornbook.train.loop import _prepared
from hornbook.train.lora import LoraSettings
from hornbook.train.lora import load as load_to_train
from hornbook.train.lora import look as load_to_look
from hornbook.train.sft import SftSettings, sft
from hornbook.train.tuning import held

LORA = LoraSettings(rank=4)
IDS = torch.randint(380, (2, 40), generator=torch.Generator().manual_seed(1))


def run_sft(base: Path, conversations: Any, into: Path, progress: Progress | None = None, **options: Any) -> Any:
    settings = SftSettings(**{"lora": LORA, "learning_rate": 1e-2} | options, **COMMON)
    return sft(base, [Given("rows", rows=conversations)], settings, seed=1, into=into, progress=progress or Progress())


@pytest.mark.parametrize("chance", [0.0, 0.3], ids=["without dropout", "with dropout"])
def test_sft_resumes_exactly(chance: float, base: Path, conversations: Any, tmp_path: Path) -> None:
    options = {"lora": LoraSettings(rank=4, dropout=chance, modules_to_save=("norm",))}
    figures = run_sft(base, conversations, tmp_path / "whole", **options)
    wanted = files(tmp_path / "whole")
    assert {"model/adapter_config.json", "model/adapter_model.safetensors", "model/tokenizer.json"} <= wanted.keys()
    assert "model/model.safetensors" not in wanted
    with pytest.raises(Stopped):
        run_sft(base, conversations, tmp_path / "again", StopAfter(3), **options)
    state = torch.load(tmp_path / "again" / "scratch" / "state.pt", weights_only=True)
    assert all("norm" in name or name.rpartition(".")[0].endswith((".b", "")) for name in state["model"])
    assert sum(tensor.numel() for tensor in state["model"].values()) < 20_000
    assert sum(len(one["state"]) for one in state["optimizers"]) == len(state["model"])
    assert run_sft(base, conversations, tmp_path / "again", **options) == figures
    assert files(tmp_path / "again") == wanted


def test_an_adapter_learns_and_its_base_stays(base: Path, conversations: Any, tmp_path: Path) -> None:
    before = files(base)
    run_sft(base, conversations, tmp_path / "out", epochs=3)
    log = columns(tmp_path / "out")["loss"]
    assert log[-1] < log[0] - 0.5
    assert files(base) == before
    tuned = checkpoint.load(tmp_path / "out" / "model")
    assert (tuned(IDS) - checkpoint.load(base)(IDS)).abs().max() > 0.1
    lora.switch(tuned, on=False)
    assert torch.equal(tuned(IDS), checkpoint.load(base)(IDS))


def test_the_reference_of_dpo_is_the_base(base: Path, preferences: Any, tmp_path: Path) -> None:
    settings = {"learning_rate": 1e-3, **COMMON}
    for name, adapter in (("whole", None), ("adapter", LoraSettings(rank=4, dropout=0.2))):
        chosen = DpoSettings(lora=adapter, **settings)
        dpo(base, [Given("rows", rows=preferences)], chosen, seed=1, into=tmp_path / name, progress=Progress())
    first, second = (np.load(tmp_path / name / "training" / "reference.npy") for name in ("whole", "adapter"))
    np.testing.assert_allclose(first, second, atol=1e-4)
    log = columns(tmp_path / "adapter")
    assert log["margin"][0] == 0 and log["margin"][-1] > 0.01


def test_what_is_measured_has_the_base_as_it_is_stored(base: Path, preferences: Any, tmp_path: Path) -> None:
    """Where steps compute in fewer bits than it has, too: before the first one nothing differs from the reference."""
    settings = DpoSettings(lora=LORA, validation=8, chosen_weight=0, **COMMON | {"precision": "bf16"})
    dpo(base, [Given("rows", rows=preferences)], settings, seed=1, into=tmp_path, progress=Progress())
    found = validations(tmp_path)
    assert (found["validation_margin"][0], found["validation_accuracy"][0]) == (0, 0.5)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("measured", [False, True])
def test_a_dry_run_tells_what_lies_in_memory(
    stored: torch.dtype, precision: str, measured: bool, base: Path, tmp_path: Path
) -> None:
    checkpoint.save(checkpoint.load(base, dtype=stored), tmp_path / "base", Tokenizer(base), stored_precision=True)
    settings = SftSettings(lora=LORA, **COMMON | {"precision": precision, "optimizer": "adamw"})
    looked, adapters = load_to_look(tmp_path / "base", LORA)
    told = held(looked, settings, adapters=adapters, measured=measured)
    model = load_to_train(tmp_path / "base", LORA, seed=1)
    model = _prepared(model, settings, choose(precision, False), exact=measured)
    lies = [(16 if one.requires_grad else one.dtype.itemsize) * one.numel() for one in model.parameters()]
    assert told == sum(lies) + sum(buffer.nbytes for buffer in model.buffers())
    whole, adapters = load_to_look(tmp_path / "base", None)
    told = held(whole, settings, adapters=adapters, measured=measured)
    assert 0 <= told - 16 * whole.config.parameters() < 10_000


def test_dpo_resumes_exactly(base: Path, preferences: Any, tmp_path: Path) -> None:
    settings = DpoSettings(learning_rate=1e-3, lora=LORA, **COMMON)

    def run(into: Path, progress: Progress) -> dict[str, Any]:
        return dpo(base, [Given("rows", rows=preferences)], settings, seed=1, into=into, progress=progress)

    figures = run(tmp_path / "whole", Progress())
    for advances in (3, 14):  # the first ten belong to the reference's log-probabilities
        with pytest.raises(Stopped):
            run(tmp_path / f"{advances}", StopAfter(advances))
        assert run(tmp_path / f"{advances}", Progress()) == figures
        assert files(tmp_path / f"{advances}") == files(tmp_path / "whole")


def test_an_adapter_is_trained_on(base: Path, conversations: Any, preferences: Any, tmp_path: Path) -> None:
    """SFT's adapter is DPO's model and its reference; the result is an adapter of the same base."""
    run_sft(base, conversations, tmp_path / "sft")
    adapter = tmp_path / "sft" / "model"
    settings = DpoSettings(learning_rate=1e-3, **COMMON)
    dpo(adapter, [Given("rows", rows=preferences)], settings, seed=1, into=tmp_path / "dpo", progress=Progress())
    log = columns(tmp_path / "dpo")
    assert log["margin"][0] == 0
    tuned = checkpoint.load(tmp_path / "dpo" / "model")
    assert tuned.origin is not None and tuned.origin.adapter is not None
    assert tuned.origin.adapter.base == base.resolve()
    load_to_train(adapter, LoraSettings(rank=4, alpha=8), seed=1)
    for other, told in (
        ({"rank": 8}, "rank 4"),
        ({"alpha": 3}, "alpha 8"),
        ({"rslora": True}, "rslora 0"),
        ({"dropout": 0.1}, "dropout 0"),
        ({"target_modules": ("o_proj",)}, "target_modules down_proj"),
        ({"modules_to_save": ("embed_tokens",)}, "modules_to_save none"),
    ):
        for look_or_load in (load_to_look, partial(load_to_train, seed=1)):
            with pytest.raises(UserError, match=f"is an adapter already, of {told}.*and is trained on as it is: leave"):
                look_or_load(adapter, LoraSettings(**other))


def test_what_an_adapter_is_already_may_be_said(make_checkpoint: Any, tmp_path: Path) -> None:
    folder = make_checkpoint(1, format="llama", kv_heads=2)[1]
    said = LoraSettings(rank=2, target_modules=("q_proj", "attention.out"), modules_to_save=("norm",))
    checkpoint.save(load_to_train(folder, said, seed=1), tmp_path / "adapter")
    load_to_train(tmp_path / "adapter", said, seed=1)
    load_to_train(tmp_path / "adapter", LoraSettings(target_modules=("o_proj", "q_proj")), seed=1)
    assert load_to_look(tmp_path / "adapter", None)[1] and not load_to_look(folder, None)[1]
    for other, told in (
        ({"target_modules": ("q_proj",)}, "of target_modules o_proj, q_proj,"),
        ({"modules_to_save": ()}, "of modules_to_save norm,"),
    ):
        with pytest.raises(UserError, match=told):
            load_to_train(tmp_path / "adapter", LoraSettings(**other), seed=1)
    with pytest.raises(UserError, match="no linear map 'o_porj'"):
        load_to_train(tmp_path / "adapter", LoraSettings(target_modules=("o_porj",)), seed=1)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (LoraSettings(rank=33), "is a matrix of 32 × 64: its rank is 32 at most"),
        (LoraSettings(target_modules=("q_porj",)), "no linear map 'q_porj' (did you mean 'q_proj'?)"),
        (LoraSettings(target_modules=("embed_tokens",)), "no linear map 'embed_tokens'"),
        (
            LoraSettings(modules_to_save=("q_proj",)),
            "lora.modules_to_save: the model has no 'q_proj' that is a tensor of its own",
        ),
    ],
)
def test_what_is_refused(settings: LoraSettings, told: str, make_checkpoint: Any) -> None:
    folder = make_checkpoint(1, format="llama", kv_heads=2)[1]
    with pytest.raises(UserError) as refused:
        load_to_train(folder, settings, seed=1)
    assert told in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_frozen_stays_to_the_bit(base: Path, conversations: Any, preferences: Any, tmp_path: Path) -> None:
    """Under each objective, and across a kill; all else moves."""
    options = {"lora": None, "freeze": ("embed_tokens", "norm")}
    run_sft(base, conversations, tmp_path / "sft", **options)
    fewer_bits = COMMON | {"precision": "bf16"}
    settings = DpoSettings(learning_rate=1e-3, freeze=("embed_tokens", "norm"), **fewer_bits)
    source = [Given("rows", rows=preferences)]
    dpo(tmp_path / "sft" / "model", source, settings, seed=1, into=tmp_path / "dpo", progress=Progress())
    given, one, two = (
        checkpoint.load(folder).state_dict()
        for folder in (base, tmp_path / "sft" / "model", tmp_path / "dpo" / "model")
    )
    still = {name for name in given if torch.equal(given[name], one[name])}
    assert still == {"embed.weight", "lm_head.weight", "norm.weight"}, "an embedding and the output matrix are tied"
    assert {name for name in given if torch.equal(one[name], two[name])} == still
    with pytest.raises(Stopped):
        run_sft(base, conversations, tmp_path / "again", StopAfter(3), **options)
    state = torch.load(tmp_path / "again" / "scratch" / "state.pt", weights_only=True)
    assert not still & state["model"].keys()
    run_sft(base, conversations, tmp_path / "again", **options)
    assert files(tmp_path / "again") == files(tmp_path / "sft")


def test_what_cannot_be_frozen(make_checkpoint: Any) -> None:
    folder = make_checkpoint(1, format="llama", kv_heads=2)[1]
    for words, settings, told in (
        (("embed_token",), None, "freeze: the model has no 'embed_token' that is a tensor of its own (did you mean"),
        (("q_proj",), None, "freeze: the model has no 'q_proj'"),
        (("embed_tokens",), LORA, "freeze = embed_tokens: "),
    ):
        for look_or_load in (load_to_look, partial(load_to_train, seed=1)):
            with pytest.raises(UserError) as refused:
                look_or_load(folder, settings, freeze=words)
            assert told in str(refused.value) and "\n" not in str(refused.value)


def test_qlora(base: Path, tmp_path: Path, conversations: Any) -> None:
    """An adapter on a 4-bit base; merged, it computes what the two of them did."""
    from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize

    none = np.zeros((0, 8), np.int64)
    quantize(base, Rows(none, none), QuantizeSettings(method="rtn"), into=tmp_path, progress=Progress())
    four_bit = tmp_path / "model"
    with pytest.raises(UserError, match="is quantized, its weights can't be trained"):
        load_to_train(four_bit, None, seed=1)
    run_sft(four_bit, conversations, tmp_path / "tuned", epochs=2)
    tuned = checkpoint.load(tmp_path / "tuned" / "model", compute=torch.float32)
    logits = tuned(IDS)
    assert (logits - checkpoint.load(four_bit, compute=torch.float32)(IDS)).abs().max() > 0.1
    checkpoint.save(lora.merge(tuned), tmp_path / "merged")
    merged = checkpoint.load(tmp_path / "merged", compute=torch.float32)
    torch.testing.assert_close(merged(IDS), logits, atol=2e-4, rtol=1e-4)


def test_merge(base: Path, conversations: Any, tmp_path: Path) -> None:
    run_sft(base, conversations, tmp_path / "tuned")
    program = CliRunner()
    done = program.invoke(app, ["merge", str(tmp_path / "tuned"), "--into", str(tmp_path / "merged")])
    assert done.exit_code == 0 and "8 adapters merged into weights in fp32" in done.output, done.output
    wanted = checkpoint.load(tmp_path / "tuned" / "model")(IDS)
    torch.testing.assert_close(checkpoint.load(tmp_path / "merged")(IDS), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match="holds no adapter"):
        program.invoke(app, ["merge", str(base), "--into", str(tmp_path / "no")], catch_exceptions=False)
