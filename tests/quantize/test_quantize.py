from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hornbook.model.formats import checkpoint
from hornbook.model.formats.four_bit import FourBit
from hornbook.model.transformer import Block
from hornbook.progress import Progress
from hornbook.quantize.quantize import Calibration, QuantizeSettings, quantize


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


@pytest.mark.parametrize("name", ["attention.qkv", "attention.out", "mlp.gate_up", "mlp.down"])
def test_calibration_reads_what_the_matrix_sees(name: str, make_model: Any) -> None:
    """The Gram matrix of any matrix is that of what it is given while the whole model reads."""
    model = make_model(seed=5)
    ids = torch.from_numpy(rows(2, 50)[:, :64])
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        calibration = Calibration(model, ids, batch=16)
        for index, block in enumerate(model.blocks):
            matrix = block.get_submodule(name)
            gram = calibration.gram(index, matrix)
            assert not matrix._forward_pre_hooks
            handle = matrix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(0, 1).double()))
            model.hidden(ids)
            handle.remove()
            torch.testing.assert_close(gram, seen[-1].mT @ seen[-1], rtol=1e-4, atol=1e-4)
            calibration.advance(index)
    assert len(seen) == len(model.blocks) == 2


def test_each_block_is_read_once_for_each_of_its_matrices(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Not the whole model for each: its time would grow with the square of its depth."""
    reads: list[int] = []
    forward = Block.forward

    def counted(self: Block, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        reads.append(len(x))
        return forward(self, x, *rest)

    monkeypatch.setattr(Block, "forward", counted)
    run(make_checkpoint(seed=2, layers=3)[1], tmp_path)
    assert sum(reads) == 3 * 40 * (4 + 1)


def test_a_method_that_needs_no_calibration_reads_no_rows(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=6)[1]
    figures = run(source, tmp_path / "rtn", method="rtn")
    assert figures["calibration_rows"] == 0
    run(source, tmp_path / "gptq", calibration_rows=0)
    for path in (tmp_path / "rtn" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "gptq" / "model" / path.name).read_bytes()
