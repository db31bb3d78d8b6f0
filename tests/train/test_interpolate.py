"""Between two models: each weight on the line from one to the other, and of adapters what they add."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.test_lora import IDS, run_sft

from hornbook.model import lora
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.train.interpolate import interpolate


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().double() for name, tensor in checkpoint.load(folder).named_parameters()}


@pytest.mark.parametrize("share", [0.0, 0.375, 1.0])
def test_weights_lie_on_the_line(share: float, make_checkpoint: Any, base: Path, tmp_path: Path) -> None:
    _, end = make_checkpoint(seed=5)
    interpolate(base, end, share, tmp_path / "between")
    first, last, found = weights(base), weights(end), weights(tmp_path / "between")
    assert found.keys() == last.keys()
    for name, one in found.items():
        wanted = first[name] + share * (last[name] - first[name])
        assert torch.allclose(one, wanted, rtol=1e-6, atol=1e-7), name
    assert Tokenizer(tmp_path / "between").encode("a word") == Tokenizer(end).encode("a word")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_adapter_adds_its_share(share: float, base: Path, conversations: Any, tmp_path: Path) -> None:
    run_sft(base, conversations, tmp_path / "tuned", epochs=2)
    interpolate(base, tmp_path / "tuned" / "model", share, tmp_path / "between")
    start = weights(base)
    merged = [lora.merge(checkpoint.load(folder)) for folder in (tmp_path / "tuned" / "model", tmp_path / "between")]
    whole, between = (dict(model.named_parameters()) for model in merged)
    moved = 0
    for name, one in between.items():
        wanted = start[name] + share * (whole[name].detach().double() - start[name])
        assert torch.allclose(one.detach().double(), wanted, atol=2e-6), name
        moved += not torch.equal(whole[name].double(), start[name])
    assert moved
    with torch.no_grad():
        logits = [checkpoint.load(folder)(IDS)[0] for folder in (base, tmp_path / "between")]
    assert torch.equal(*logits) == (share == 0)
