"""A quantization format is a module with its layers and one line: shown with one that stores a weight in 8 bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from hornbook.errors import UserError
from hornbook.model.formats import checkpoint, quantization
from hornbook.model.formats.quantization import FOUR_BIT, Quantization, described, find, listed
from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.summary import costs
from hornbook.progress import Progress
from hornbook.quantize.quantize import QuantizeSettings, quantize

WHERE = Path("config.json")


class EightBit(QuantizedLayer):
    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("levels", torch.zeros(rows, columns, dtype=torch.int8))
        self.register_buffer("scales", torch.zeros(rows, columns // 16, dtype=torch.float16))

    def store(self, levels: torch.Tensor, scales: torch.Tensor) -> None:
        self.levels.copy_(levels)
        self.scales.copy_(scales)

    def dense(self) -> torch.Tensor:
        return (self.levels.unflatten(-1, (-1, 16)) * self.scales[..., None].float()).flatten(-2)


class EightBitLinear(EightBit):
    def __init__(self, rows: int, columns: int, bias: nn.Parameter | None = None) -> None:
        super().__init__(rows, columns)
        self.bias = bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.dense().to(x.dtype), self.bias)


class EightBitEmbedding(EightBit):
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.dense()[ids]


EIGHT_BIT = Quantization("8bit", "8 bits", bits=8, group=16, layers=lambda: (EightBitLinear, EightBitEmbedding))
EightBit.quantization = EIGHT_BIT


@pytest.fixture
def eight_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "QUANTIZATIONS", (*quantization.QUANTIZATIONS, EIGHT_BIT))


def test_what_four_bits_are() -> None:
    assert FOUR_BIT.levels == (-8, 7)
    assert FOUR_BIT.bits_per_weight == 4.5
    assert FOUR_BIT.bytes(64 * 3) == 3 * (32 + 2 * 2)
    assert FOUR_BIT.fits(64)
    assert not FOUR_BIT.fits(48)


@pytest.mark.usefixtures("eight_bits")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("method", ["gptq", "rtn"])
def test_a_new_format_is_one_line_beside_its_layers(
    tied: bool, method: str, make_checkpoint: Any, tmp_path: Path
) -> None:
    """Chosen by its name, rounded by every method, stored, counted, told in config.json and loaded again."""
    model, source = make_checkpoint(seed=2, tied_embeddings=tied, initial_std=0.1)
    rows = np.random.default_rng(1).integers(0, 380, (8, 65))
    settings = QuantizeSettings(format="8bit", method=method, embeddings="quantized")
    figures = quantize(source, rows, settings, into=tmp_path, progress=Progress())
    small = checkpoint.load(tmp_path / "model")
    assert {type(module) for module in small.modules() if isinstance(module, QuantizedLayer)} == {
        EightBitLinear,
        EightBitEmbedding,
    }
    ids = torch.from_numpy(rows[:2, :64])
    with torch.no_grad():
        exact, rounded = model(ids), small(ids)
    assert 0 < (rounded - exact).norm() < 0.02 * exact.norm()
    assert figures["bytes_after"] == costs(small.config).quantized["8bit"]
    told = json.loads((tmp_path / "model" / "config.json").read_text())["hornbook_quantization"]
    assert (told["bits"], told["group"]) == (8, 16)


def test_what_config_json_says_is_read_again() -> None:
    assert listed(described(FOUR_BIT, ["b", "a"]), WHERE) == (FOUR_BIT, ["a", "b"])
    assert listed({}, WHERE) is None


def test_a_format_that_is_not_known() -> None:
    with pytest.raises(UserError, match=r"config\.json: 3 bits in groups of 32 are not supported"):
        listed({"hornbook_quantization": {"bits": 3, "group": 32, "modules": []}}, WHERE)
    with pytest.raises(UserError, match="4bit"):
        find("4bits")
    with pytest.raises(ValidationError, match="4bit"):
        QuantizeSettings(format="4bits")
