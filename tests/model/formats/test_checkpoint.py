"""Saving and loading: exact, and one clear line for every kind of damage."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hornbook.errors import Notice, UserError
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import architecture_for
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import blank
from hornbook.quantize.quantize import quantize_matrix

IDS = torch.tensor([[1, 2, 3, 250, 399, 7]])


@pytest.mark.parametrize("tied", [True, False])
def test_round_trip_is_exact(tied: bool, make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=1, tied_embeddings=tied)
    again = checkpoint.load(folder)
    assert again.config == model.config.model_copy(update={"kv_heads": model.config.key_value_heads, "format": "phi3"})
    for (name, tensor), (other, loaded) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(tensor, loaded)
    assert (again.lm_head.weight is again.embed.weight) == tied


def test_the_same_model_gives_the_same_bytes(make_checkpoint: Any) -> None:
    folders = [make_checkpoint(seed=4)[1] for _ in range(2)]
    assert sorted(p.name for p in folders[0].iterdir()) == sorted(p.name for p in folders[1].iterdir())
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes(), path.name


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def edit_config(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "config.json").read_text())
    values.update(changes)
    (folder / "config.json").write_text(json.dumps({k: v for k, v in values.items() if v != "gone"}))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json does not exist"),
    "config cut": (lambda f: cut(f / "config.json", 0.5), "config.json is not valid JSON"),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "config.json is no model's configuration"),
    "config binary": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json is not valid JSON"),
    "config a folder": (
        lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()),
        "config.json cannot be read",
    ),
    "key missing": (lambda f: edit_config(f, hidden_size="gone"), "hidden_size"),
    "not a phi3": (lambda f: edit_config(f, model_type="gpt2"), "'gpt2'"),
    "wrong kind of value": (lambda f: edit_config(f, num_hidden_layers="two"), "layers"),
    "impossible shape": (lambda f: edit_config(f, num_attention_heads=7), "heads"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "a tensor of whole numbers": (
        lambda f: edit_weights(f, lambda t: t.update({"model.norm.weight": torch.ones(64, dtype=torch.int64)})),
        "no weights",
    ),
    "half of a split matrix": (
        lambda f: edit_weights(
            f,
            lambda t: t.update({"model.layers.0.mlp.up_proj.weight": t.pop("model.layers.0.mlp.gate_up_proj.weight")}),
        ),
        "lacks the tensor model.layers.0.mlp.gate_proj.weight",
    ),
    "stored twice": (
        lambda f: edit_weights(f, lambda t: t.update({"model.layers.0.mlp.up_proj.weight": torch.ones(96, 64)})),
        "unknown tensors, model.layers.0.mlp.up_proj.weight",
    ),
    "quantized elsewhere": (lambda f: edit_config(f, quantization_config={"bits": 4}), "quantization_config"),
    "weights empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "damaged or cut short"),
    "weights cut": (lambda f: cut(f / "model.safetensors", 0.7), "damaged or cut short"),
    "header cut": (lambda f: cut(f / "model.safetensors", 0.002), "damaged or cut short"),
    "header huge": (
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}"),
        "damaged or cut short",
    ),
    "quantized by others": (
        lambda f: edit_config(f, quantization_config={"quant_method": "gptq", "bits": 4}),
        "quantized by 'gptq'",
    ),
    "quantized by sparseml": (
        lambda f: edit_config(f, compression_config={"quant_method": "compressed-tensors"}),
        "quantized by 'compressed-tensors' (compression_config)",
    ),
    "theta NaN": (lambda f: edit_config(f, rope_theta=float("nan")), "rope_theta: Input should be a finite number"),
    "more rows than ids": (
        lambda f: edit_weights(f, lambda t: t.update({"model.embed_tokens.weight": torch.ones(403, 64)})),
        "model.embed_tokens.weight has 403 rows, vocab_size in config.json is 400",
    ),
    "an output matrix with more rows": (
        lambda f: edit_weights(f, lambda t: t.update({"lm_head.weight": torch.ones(403, 64)})),
        "lm_head.weight has 403 rows, vocab_size in config.json is 400",
    ),
    "an output matrix without rows": (
        lambda f: edit_weights(f, lambda t: t.update({"lm_head.weight": torch.tensor(1.0)})),
        "lm_head.weight has no rows",
    ),
    "a wrapped tensor twice": (
        lambda f: edit_weights(f, lambda t: t.update({"module.model.norm.weight": torch.ones(64)})),
        "holds the tensor model.norm.weight twice",
    ),
    "generation settings a list": (
        lambda f: (f / "generation_config.json").write_text("[]"),
        "generation_config.json is not a JSON object",
    ),
    "wrong shape": (lambda f: edit_config(f, intermediate_size=128), "config.json asks for (256, 64)"),
    "tensor missing": (lambda f: edit_weights(f, lambda t: t.pop("model.norm.weight")), "lacks the tensor model.norm"),
    "tensor unknown": (
        lambda f: edit_weights(f, lambda t: t.update({"model.extra": torch.ones(2)})),
        "unknown tensors, model.extra",
    ),
    "layers without end": (
        lambda f: edit_config(f, num_hidden_layers=10**12),
        "layers: Input should be less than or equal to",
    ),
    "a layer too many": (lambda f: edit_config(f, num_hidden_layers=1), "unknown tensors, model.layers.1."),
    "index without map": (
        lambda f: (f / "model.safetensors.index.json").write_text("{}"),
        "index.json has no weight_map",
    ),
    "index names a missing file": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"a": "gone.safetensors"}}'),
        "gone.safetensors is missing",
    ),
}


@pytest.mark.parametrize(("damage", "told"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_told_in_one_line(damage: Callable[[Path], Any], told: str, make_checkpoint: Any) -> None:
    _, folder = make_checkpoint()
    damage(folder)
    with pytest.raises(UserError) as caught:
        checkpoint.load(folder)
    message = str(caught.value)
    assert told in message
    assert str(folder) in message
    assert "\n" not in message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        checkpoint.load(tmp_path / "nowhere")


def test_a_tied_embedding_is_quantized_once(make_model: Any, tokenizer_folder: Path, tmp_path: Path) -> None:
    model = make_model(seed=5, tied_embeddings=True)
    with torch.no_grad():
        quantize_matrix(model, "embed")
    checkpoint.save(model, tmp_path, Tokenizer(tokenizer_folder))
    again = checkpoint.load(tmp_path)
    for one in (model, again):
        assert one.lm_head.weight_packed.data_ptr() == one.embed.weight_packed.data_ptr()
        assert one.lm_head.weight_scale.data_ptr() == one.embed.weight_scale.data_ptr()
    assert not any(name.startswith("lm_head") for name in load_file(tmp_path / "model.safetensors"))


def test_the_stored_dtype_is_kept_unless_asked(make_model: Any, tmp_path: Path) -> None:
    model = make_model(seed=1).bfloat16()
    checkpoint.save(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"
    kept = checkpoint.load(tmp_path)
    assert (kept.embed.weight.dtype, kept.compute) == (torch.bfloat16, torch.bfloat16)
    wide = checkpoint.load(tmp_path, dtype=torch.float32)
    assert (wide.embed.weight.dtype, wide.compute) == (torch.float32, torch.float32)
    mixed = checkpoint.load(tmp_path, compute=torch.float32)
    assert (mixed.embed.weight.dtype, mixed.compute) == (torch.bfloat16, torch.float32)
    for one, other in zip(wide.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other.float())


def test_weights_of_different_dtypes_stay_different(make_model: Any, tmp_path: Path) -> None:
    model = make_model(seed=1)
    model.embed.weight.data = model.embed.weight.data.half()
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    assert (again.embed.weight.dtype, again.compute) == (torch.float16, torch.float32)
    assert again.lm_head.weight is again.embed.weight


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("shard", [10**9, 30_000], ids=["one file", "sharded"])
def test_fused_or_not_sharded_or_not(fused: bool, shard: int, make_model: Any, tmp_path: Path) -> None:
    model = make_model(seed=2, heads=8, kv_heads=2, tied_embeddings=False)
    checkpoint.save(model, tmp_path, shard=shard)
    assert (tmp_path / "model.safetensors").exists() == (shard == 10**9)
    if not fused:
        for path in tmp_path.glob("*.safetensors"):
            save_file(split(load_file(path)), path)
        relist(tmp_path)
    again = checkpoint.load(tmp_path)
    assert again.state_dict().keys() == model.state_dict().keys()
    for (name, one), other in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def split(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with q, k, v and gate, up each on its own, for four query heads to a key head."""
    apart = {}
    for name, tensor in tensors.items():
        if "qkv_proj" in name:
            pieces = zip("qkv", tensor.split([len(tensor) * share // 6 for share in (4, 1, 1)]), strict=True)
            apart |= {name.replace("qkv_proj", f"{part}_proj"): piece.contiguous() for part, piece in pieces}
        elif "gate_up_proj" in name:
            pieces = zip(("gate", "up"), tensor.chunk(2), strict=True)
            apart |= {name.replace("gate_up_proj", f"{part}_proj"): piece.contiguous() for part, piece in pieces}
        else:
            apart[name] = tensor
    return apart


def relist(folder: Path) -> None:
    """Write the index anew, for tensors that were split."""
    if (folder / "model.safetensors.index.json").exists():
        places = {name: path.name for path in folder.glob("*.safetensors") for name in load_file(path)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_an_output_matrix_that_is_stored_although_tied(make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=3)
    edit_weights(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    with torch.no_grad():
        assert torch.equal(checkpoint.load(folder)(IDS), model(IDS))


def test_an_output_matrix_that_differs_is_read_although_the_configuration_ties_it(make_checkpoint: Any) -> None:
    """As transformers reads it: the stored matrix counts, and one line tells of it."""
    from transformers import AutoModelForCausalLM

    model, folder = make_checkpoint(seed=3)
    head = torch.randn(400, 64, generator=torch.Generator().manual_seed(5)) * 0.2
    edit_weights(folder, lambda t: t.update({"lm_head.weight": head}))
    with pytest.warns(Notice, match=r"lm_head\.weight differs from model\.embed_tokens\.weight") as told:
        again = checkpoint.load(folder)
    assert "\n" not in str(told[0].message)
    assert torch.equal(again.lm_head.weight, head)
    assert torch.equal(again.embed.weight, model.embed.weight)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        torch.testing.assert_close(again(IDS), theirs(IDS).logits, atol=1e-4, rtol=0)
    checkpoint.save(again, folder)
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(checkpoint.load(folder).lm_head.weight, head)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: name.replace("model.", "model._orig_mod.", 1),
        lambda name: name.replace(".self_attn.", "._checkpoint_wrapped_module.self_attn."),
        lambda name: name.replace("model.layers.", "_fsdp_wrapped_module.model.layers."),
    ],
    ids=["compiled", "DDP", "both", "compiled inside", "checkpointed", "FSDP"],
)
def test_names_that_wrappers_left(wrapped: Callable[[str], str], make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=3)
    tensors = load_file(folder / "model.safetensors")
    assert {wrapped(name) for name in tensors} != set(tensors)
    save_file({wrapped(name): tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    with torch.no_grad():
        assert torch.equal(checkpoint.load(folder)(IDS), model(IDS))


@pytest.mark.parametrize("number", [float("nan"), -float("nan"), float("inf"), -float("inf")], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("wide", [True, False], ids=["converted", "as it is stored"])
def test_a_weight_that_is_not_finite(
    number: float, dtype: torch.dtype, wide: bool, make_model: Any, tmp_path: Path
) -> None:
    """Wherever it is: in a matrix that is mapped, rearranged or converted, in its last place, among the largest numbers."""
    model = make_model(seed=3, format="llama").to(dtype)
    checkpoint.save(model, tmp_path)
    loading, largest = torch.float32 if wide else None, torch.finfo(dtype).max
    for name in ("model.layers.1.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight", "model.norm.weight"):
        edit_weights(tmp_path, lambda t, name=name: t[name].view(-1)[0].fill_(largest))
        edit_weights(tmp_path, lambda t, name=name: t[name].view(-1)[1].fill_(-largest))
        checkpoint.load(tmp_path, dtype=loading)
        edit_weights(tmp_path, lambda t, name=name: t[name].view(-1)[-1].fill_(number))
        with pytest.raises(UserError) as told:
            checkpoint.load(tmp_path, dtype=loading)
        assert str(told.value) == (
            f"{tmp_path / 'model.safetensors'}: {name} holds a number that is NaN or infinite; the file is damaged, or "
            "its training diverged"
        )
        edit_weights(tmp_path, lambda t, name=name: t[name].fill_(1))


def test_weights_that_are_not_finite_are_counted(make_checkpoint: Any) -> None:
    _, folder = make_checkpoint(seed=3)
    edit_weights(folder, lambda t: [tensor.fill_(float("nan")) for tensor in t.values()])
    with pytest.raises(UserError, match=r"holds 25,600 numbers that are NaN or infinite, and so do \d+ other tensors"):
        checkpoint.load(folder)


def test_old_pickled_weights(make_checkpoint: Any) -> None:
    model, folder = make_checkpoint(seed=4)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with torch.no_grad():
        assert torch.equal(checkpoint.load(folder)(IDS), model(IDS))


GENERATION = {"do_sample": True, "temperature": 0.2, "top_p": 0.9, "eos_token_id": 2, "transformers_version": "4.42.3"}


def as_downloaded(folder: Path) -> None:
    """The folder of a model that others published: other ids, bf16, settings for sampling."""
    edit_weights(folder, lambda t: t.update({name: tensor.bfloat16() for name, tensor in t.items()}))
    edit_config(folder, bos_token_id=1, eos_token_id=[2, 3], pad_token_id=None, torch_dtype="gone", dtype="bfloat16")
    (folder / "generation_config.json").write_text(json.dumps(GENERATION))


KEPT = {"bos_token_id": 1, "eos_token_id": [2, 3], "pad_token_id": None, "torch_dtype": "bfloat16"}


@pytest.mark.parametrize("with_tokenizer", [True, False])
@pytest.mark.parametrize("shape", [{}, {"format": "llama", "tied_embeddings": False}], ids=["phi3", "llama"])
def test_ids_precision_and_generation_stay_as_they_were_read(
    shape: dict[str, Any], with_tokenizer: bool, make_checkpoint: Any, tmp_path: Path
) -> None:
    _, folder = make_checkpoint(seed=6, **shape)
    as_downloaded(folder)
    before, read = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer(folder) if with_tokenizer else None
    checkpoint.save(checkpoint.load(folder), tmp_path / "again", tokenizer)
    after, written = (
        load_file(tmp_path / "again/model.safetensors"),
        json.loads((tmp_path / "again/config.json").read_text()),
    )
    assert {key: written[key] for key in KEPT} == KEPT
    assert written["tie_word_embeddings"] == read["tie_word_embeddings"] == (not shape)
    assert written["architectures"] == read["architectures"]
    assert before.keys() == after.keys()
    assert all(
        torch.equal(tensor, after[name]) and tensor.dtype == after[name].dtype for name, tensor in before.items()
    )
    generation = json.loads((tmp_path / "again/generation_config.json").read_text())
    ends = generation.pop("eos_token_id")
    assert generation == {key: value for key, value in GENERATION.items() if key != "eos_token_id"}
    # What ends a turn is added where the file forgets it, as phi-3's first one did.
    assert ends == ([2, *sorted(tokenizer.stops - {2})] if tokenizer else 2)


def test_what_was_trained_in_fp32_is_written_in_the_precision_that_was_read(make_model: Any, tmp_path: Path) -> None:
    model = make_model(seed=6, format="llama").bfloat16()
    model.norm.float()  # norms are often stored in fp32 beside matrices in bf16
    checkpoint.save(model, tmp_path / "base")
    edit_config(tmp_path / "base", torch_dtype="bfloat16")
    wide = checkpoint.load(tmp_path / "base", dtype=torch.float32)
    with torch.no_grad():
        wide.embed.weight.mul_(2)
    checkpoint.save(wide, tmp_path / "tuned", stored_precision=True)
    tuned, base = (load_file(tmp_path / name / "model.safetensors") for name in ("tuned", "base"))
    assert {name: tensor.dtype for name, tensor in tuned.items()} == {
        name: tensor.dtype for name, tensor in base.items()
    }
    assert tuned["model.norm.weight"].dtype == torch.float32
    assert torch.equal(tuned["model.embed_tokens.weight"], 2 * base["model.embed_tokens.weight"])
    assert json.loads((tmp_path / "tuned/config.json").read_text())["torch_dtype"] == "bfloat16"
    checkpoint.save(wide, tmp_path / "wide")
    assert {tensor.dtype for tensor in load_file(tmp_path / "wide/model.safetensors").values()} == {torch.float32}
    assert json.loads((tmp_path / "wide/config.json").read_text())["torch_dtype"] == "float32"


def test_another_tokenizer_brings_its_own_ids(make_checkpoint: Any, tokenizer_folder: Path, tmp_path: Path) -> None:
    _, folder = make_checkpoint(seed=6)
    as_downloaded(folder)
    tokenizer = Tokenizer(tokenizer_folder)
    checkpoint.save(checkpoint.load(folder), tmp_path / "again", tokenizer)
    written = json.loads((tmp_path / "again/config.json").read_text())
    assert written["bos_token_id"] == written["eos_token_id"] == tokenizer.end_of_text
    assert "temperature" not in json.loads((tmp_path / "again/generation_config.json").read_text())


def test_saving_into_the_folder_that_was_loaded(make_checkpoint: Any) -> None:
    """The loaded weights lie in the pages of the file that is replaced."""
    _, folder = make_checkpoint(seed=5)
    model = checkpoint.load(folder)
    with torch.no_grad():
        model.norm.weight.mul_(2)
        wanted = model(IDS)
        checkpoint.save(model, folder)
        assert torch.equal(model(IDS), wanted)
        assert torch.equal(checkpoint.load(folder)(IDS), wanted)


def test_a_loaded_model_trains(make_checkpoint: Any) -> None:
    _, folder = make_checkpoint(seed=6)
    before = (folder / "model.safetensors").read_bytes()
    model = checkpoint.load(folder)
    assert all(parameter.requires_grad for parameter in model.parameters())
    first = model(IDS).logsumexp(-1).sum()
    first.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)
    assert not torch.equal(model(IDS).logsumexp(-1).sum(), first)
    assert (folder / "model.safetensors").read_bytes() == before


def test_what_no_format_holds_is_refused_before_anything_is_written(make_model: Any, tmp_path: Path) -> None:
    model = make_model(qkv_bias=True)
    with pytest.raises(UserError, match="qkv_bias = True"):
        architecture_for(model.config)
    with pytest.raises(UserError, match="qkv_bias = True"):
        checkpoint.save(model, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert architecture_for(make_model().config).MODEL_TYPES[0] == "phi3"


def test_a_blank_model_has_no_memory(make_model: Any) -> None:
    model = make_model(kv_heads=2)
    empty = blank(model.config)
    assert {parameter.device.type for parameter in empty.parameters()} == {"meta"}
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in empty.state_dict().items()} == shapes


MEASURE = """
import sys
from pathlib import Path
import torch
from hornbook import machine
from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import architecture_for

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

small, *folders = map(Path, sys.argv[1:])
for folder, dtype in [(folder, dtype) for folder in folders for dtype in (None, torch.float32)]:
    checkpoint.load(small, dtype=dtype)  # what loading imports is no weight
    before = resident()
    machine.reset_peak_memory()
    model = checkpoint.load(folder, dtype=dtype)
    for parameter in model.parameters():
        parameter.detach().view(torch.uint8).view(-1)[::1024].sum()  # touches every page
    print((machine.peak_memory() - before) / sum(p.numel() * p.element_size() for p in model.parameters()))
    del model, parameter
    machine.release_memory()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured on Linux")
def test_loading_holds_no_second_copy(make_model: Any, tmp_path: Path) -> None:
    """Peak memory of a process that loads and uses 130 MB of weights, stored in bf16, in several files."""
    small, fused, apart = folders = [tmp_path / name for name in ("small", "fused", "apart")]
    shape = {"vocabulary": 8000, "layers": 4, "width": 1024, "heads": 128, "kv_heads": 32, "mlp_width": 3072}
    model = blank(ModelConfig(tied_embeddings=False, **shape)).bfloat16().to_empty(device="cpu")
    for parameter in model.parameters():
        torch.nn.init.ones_(parameter)
    checkpoint.save(make_model().bfloat16(), small)
    for folder in (fused, apart):
        checkpoint.save(model, folder, shard=30_000_000)
    for path in apart.glob("*.safetensors"):
        save_file(split(load_file(path)), path)
    relist(apart)
    made = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, folders)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    shares = [float(line) for line in made.stdout.split()]
    assert len(shares) == 4
    assert all(0.9 < share < 1.15 for share in shares), shares
