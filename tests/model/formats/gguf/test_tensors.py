"""Tensors of every type are what the gguf package makes of them, in a few megabytes at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from hornbook.errors import UserError
from hornbook.model.formats import weights
from hornbook.model.formats.contents import ModelFile
from hornbook.model.formats.gguf import header, tensors
from hornbook.model.formats.gguf.tensors import Rows

Kind = GGMLQuantizationType
SUPPORTED = [kind for kind in Kind if tensors.supported(kind)]


def open_file(path: Path) -> tuple[ModelFile, header.Header]:
    file = ModelFile(path, str(path), 0, path.stat().st_size)
    return file, header.read(file)


def some_blocks(kind: Kind, rows: int, blocks: int) -> np.ndarray:
    """Rows of random bytes, with scales that give no NaN: (rows, bytes)."""
    generator = np.random.default_rng(int(kind))
    size = GGML_QUANT_SIZES[kind][1]
    found = []
    while len(found) < rows * blocks:
        drawn = generator.integers(0, 256, (4096, size), dtype=np.uint8)
        with np.errstate(all="ignore"):
            finite = np.isfinite(quants.dequantize(drawn, kind).reshape(4096, -1)).all(axis=1)
        found += list(drawn[finite])
    return np.stack(found[: rows * blocks]).reshape(rows, -1)


def test_the_types_that_are_supported_are_those_of_files_that_people_share() -> None:
    names = {kind.name for kind in SUPPORTED}
    assert names >= {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0"}
    assert names >= {f"Q{bits}_K" for bits in range(2, 7)}
    assert names >= {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS"}


@pytest.mark.parametrize("kind", SUPPORTED, ids=lambda kind: kind.name)
def test_every_type_is_read_as_the_gguf_package_reads_it(
    kind: Kind, tmp_path: Path, write_gguf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "PIECE", 4096)  # so that there are many pieces
    stored = some_blocks(kind, 20, 3 if GGML_QUANT_SIZES[kind][0] > 1 else 64)
    path = write_gguf(tmp_path / "a.gguf", "llama", {}, {"t.weight": stored}, {"t.weight": kind})
    file, found = open_file(path)
    wanted = quants.dequantize(stored, kind)
    tensor = found.tensors["t.weight"]
    assert tensor.shape == wanted.shape
    whole = tensors.read(file, [Rows(tensor, 0, 20)], wanted.shape, torch.float32)
    assert np.array_equal(whole.numpy(), wanted)
    some = tensors.read(file, [Rows(tensor, 7, 18), 2, Rows(tensor, 0, 1)], (14, wanted.shape[1]), torch.float32)
    assert np.array_equal(some.numpy(), np.concatenate([wanted[7:18], np.zeros_like(wanted[:2]), wanted[:1]]))


@pytest.mark.parametrize("shape", [(24, 5), (24,)])
def test_rows_of_heads_are_put_back(shape: tuple[int, ...], tmp_path: Path, write_gguf: Callable[..., Path]) -> None:
    """The converter's own way there, and back again; pieces end within a head."""
    plain = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    permuted = plain.reshape(3, 2, 4, *shape[1:]).swapaxes(1, 2).reshape(shape)
    file, found = open_file(write_gguf(tmp_path / "a.gguf", "llama", {}, {"q": permuted}))
    tensor = found.tensors["q"]
    assert np.array_equal(tensors.read(file, [Rows(tensor, 0, 24, 3)], shape, torch.float32).numpy(), plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "PIECE", 4 * 5 * 5)
        assert np.array_equal(tensors.read(file, [Rows(tensor, 0, 24, 3)], shape, torch.float32).numpy(), plain)
    assert not np.array_equal(permuted, plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_precisions_are_rounded_to_the_nearest(
    dtype: torch.dtype, tmp_path: Path, write_gguf: Callable[..., Path]
) -> None:
    data = np.random.default_rng(1).standard_normal((9, 7)).astype(np.float32)
    file, found = open_file(write_gguf(tmp_path / "a.gguf", "llama", {}, {"t": data}))
    made = tensors.read(file, [Rows(found.tensors["t"], 0, 9)], (9, 7), dtype)
    assert torch.equal(made, torch.from_numpy(data).to(dtype))


@pytest.mark.parametrize(
    ("number", "dtype", "told"),
    [
        (np.nan, torch.float32, "the tensor t holds NaN or infinite numbers"),
        (-np.inf, torch.bfloat16, "the tensor t holds NaN or infinite numbers"),
        (-7e4, torch.float16, "the tensor t holds numbers beyond float16"),
    ],
)
def test_numbers_that_are_no_weights_are_refused(
    number: float, dtype: torch.dtype, told: str, tmp_path: Path, write_gguf: Callable[..., Path]
) -> None:
    data = np.ones((3, 4), dtype=np.float32)
    data[1, 2] = number
    file, found = open_file(write_gguf(tmp_path / "a.gguf", "llama", {}, {"t": data}))
    with pytest.raises(UserError, match=told):
        tensors.read(file, [Rows(found.tensors["t"], 0, 3)], (3, 4), dtype)
    data[1, 2] = 65_504  # the largest number of fp16
    file, found = open_file(write_gguf(tmp_path / "b.gguf", "llama", {}, {"t": data}))
    assert tensors.read(file, [Rows(found.tensors["t"], 0, 3)], (3, 4), torch.float16)[1, 2] == 65_504


def test_a_file_that_became_shorter_is_one_line(tmp_path: Path, write_gguf: Any) -> None:
    path = write_gguf(tmp_path / "a.gguf", "llama", {}, {"t": np.ones((40, 40), dtype=np.float32)})
    file, found = open_file(path)
    path.write_bytes(path.read_bytes()[:-999])
    with pytest.raises(UserError, match="is cut short: it ends within the tensor t"):
        tensors.read(file, [Rows(found.tensors["t"], 0, 40)], (40, 40), torch.float32)


def test_pieces_are_a_few_megabytes() -> None:
    assert tensors.PIECE == weights.PIECE <= 8 << 20
