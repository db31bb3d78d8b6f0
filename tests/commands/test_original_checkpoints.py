"""A phi folder as others wrote it, however its weights lie, gives the same text through `hornbook generate`."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from hornbook.commands import talk
from hornbook.model.tokenizers import Tokenizer

program = typer.Typer()
program.command()(talk.generate)
program.command()(talk.chat)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PROMPT = "def add(a, b):\n"


@pytest.fixture(scope="module")
def original() -> Any:
    """A small model with random weights, as transformers makes it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(4)
    config = transformers.Phi3Config(
        vocab_size=400,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=3,
        max_position_embeddings=128,
        sliding_window=12,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.Phi3ForCausalLM(config).eval()


def unfused(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """q, k, v and gate, up in matrices of their own, as some conversions write them."""
    apart: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if "qkv_proj" in name:
            parts = dict(zip(("q_proj", "k_proj", "v_proj"), tensor.split([48, 24, 24]), strict=True))
            apart |= {name.replace("qkv_proj", part): rows.clone() for part, rows in parts.items()}
        elif "gate_up_proj" in name:
            parts = dict(zip(("gate_proj", "up_proj"), tensor.chunk(2), strict=True))
            apart |= {name.replace("gate_up_proj", part): rows.clone() for part, rows in parts.items()}
        else:
            apart[name] = tensor.clone()
    return apart


def sharded(state: dict[str, torch.Tensor], folder: Path) -> None:
    """The tensors in three files and their index."""
    names = sorted(state)
    where = {name: f"model-{1 + index % 3:05}-of-00003.safetensors" for index, name in enumerate(names)}
    for file in set(where.values()):
        save_file({name: state[name].clone() for name in names if where[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def generated(folder: Path) -> str:
    result = CliRunner().invoke(
        program, ["generate", str(folder), PROMPT, "--max-tokens", "12"], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture(scope="module")
def as_written(original: Any, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model in each precision as transformers writes it: one file, fused."""
    folders = {}
    for name, dtype in DTYPES.items():
        folders[name] = tmp_path_factory.mktemp("written") / name
        shutil.copytree(tokenizer_folder, folders[name])
        copy.deepcopy(original).to(dtype).save_pretrained(folders[name])
    return folders


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "unfused"])
@pytest.mark.parametrize("shards", [True, False], ids=["sharded", "one file"])
def test_the_layout_of_the_weights_does_not_matter(
    precision: str, fused: bool, shards: bool, as_written: dict[str, Path], tmp_path: Path
) -> None:
    source, folder = as_written[precision], tmp_path / "other"
    shutil.copytree(source, folder)
    (folder / "model.safetensors").unlink()
    state = load_file(source / "model.safetensors")
    state = state if fused else unfused(state)
    if shards:
        sharded(state, folder)
    else:
        save_file(state, folder / "model.safetensors")
    assert generated(folder) == generated(source)


def test_the_text_is_that_of_transformers(original: Any, as_written: dict[str, Path]) -> None:
    tokenizer = Tokenizer(as_written["fp32"])
    ids, made = tokenizer.encode(PROMPT), []
    with torch.no_grad():
        for _ in range(12):
            made.append(int(original(torch.tensor([ids + made])).logits[0, -1].argmax()))
    assert not tokenizer.stops & set(made), "the weights are chosen so that the text does not end early"
    assert generated(as_written["fp32"]) == "".join(tokenizer.stream(iter(made))) + "\n"


def test_chat_speaks_with_such_a_folder(as_written: dict[str, Path]) -> None:
    result = CliRunner().invoke(program, ["chat", str(as_written["bf16"]), "--max-tokens", "4"], input="Hi\n/quit\n")
    assert result.exit_code == 0, result.output
    assert "context of 128 tokens" in " ".join(result.stdout.split())
