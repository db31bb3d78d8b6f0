from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hornbook.model.formats import checkpoint
from hornbook.model.formats.four_bit import FourBit
from hornbook.progress import Progress
from hornbook.quantize import quantize as module
from hornbook.quantize.quantize import QuantizeSettings, quantize


def rows(seed: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 380, (count, 65))


def run(source: Path, into: Path, **settings: Any) -> dict[str, Any]:
    return quantize(
        source, rows(1), QuantizeSettings(**{"embeddings": "quantized", **settings}), into=into, progress=Progress()
    )


@pytest.mark.parametrize("tied", [True, False])
def test_a_checkpoint_of_four_bits(tied: bool, make_checkpoint: Any, tmp_path: Path) -> None:
    model, source = make_checkpoint(seed=2, tied_embeddings=tied, initial_std=0.1)
    figures = run(source, tmp_path / "out")
    small = checkpoint.load(tmp_path / "out" / "model")
    matrices = [name for name, module in small.named_modules() if isinstance(module, FourBit)]
    assert len(matrices) == 2 + 4 * 2
    assert {p.ndim for p in small.parameters()} == {1}, "only the norms are left as they were"
    ids = torch.from_numpy(rows(9, 4)[:, :64])
    with torch.no_grad():
        exact, rounded = model(ids), small(ids)
    assert 0 < (rounded - exact).norm() < 0.3 * exact.norm()
    assert figures["bytes_before"] == 4 * model.config.parameters()
    stored = sum(
        t.numel() * t.element_size() for t in load_file(tmp_path / "out" / "model" / "model.safetensors").values()
    )
    assert figures["bytes_after"] == stored
    assert 4.5 < figures["bits_per_weight"] < 5
    assert figures["calibration_rows"] == 40


def test_the_same_bytes_again(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=3)[1]
    for name in "ab":
        run(source, tmp_path / name)
    for path in (tmp_path / "a" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "model" / path.name).read_bytes()


def test_the_embedding_can_be_left(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=4)[1]
    figures = run(source, tmp_path, embeddings="half", calibration_rows=0)
    model = checkpoint.load(tmp_path / "model")
    assert torch.equal(model.embed.weight, checkpoint.load(source).embed.weight.half().float())
    assert model.lm_head.weight is model.embed.weight
    assert figures["calibration_rows"] == 0


def test_calibration_reads_what_the_matrix_sees(make_model: Any) -> None:
    """The Gram matrix of the first block's qkv is that of its normed embeddings."""
    model = make_model(seed=5)
    ids = torch.from_numpy(rows(2, 50)[:, :64])
    with torch.no_grad():
        gram = module._gram(model, model.blocks[0].attention.qkv, ids, batch=16)
        x = model.blocks[0].attention_norm(model.embed(ids)).flatten(0, 1).double()
    torch.testing.assert_close(gram, x.mT @ x)
    assert not model.blocks[0].attention.qkv._forward_pre_hooks


def test_a_method_that_needs_no_calibration_reads_no_rows(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=6)[1]
    figures = run(source, tmp_path / "rtn", method="rtn")
    assert figures["calibration_rows"] == 0
    run(source, tmp_path / "gptq", calibration_rows=0)
    for path in (tmp_path / "rtn" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "gptq" / "model" / path.name).read_bytes()
