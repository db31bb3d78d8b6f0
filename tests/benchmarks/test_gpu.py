"""The benchmark for a GPU runs, in small, where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.scripts import ROOT, script

gpu = script("gpu")


def smoke(into: Path, *what: str) -> Any:
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--smoke", "--what", *what, "--into", str(into)]
    environment = {**os.environ, "HORNBOOK_COMPILE": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(into.read_text())


def test_training_and_decoding_in_small(tmp_path: Path) -> None:
    found = smoke(tmp_path / "gpu.json", "train", "decode")
    assert [one["model"] for one in found["train"]] == ["phi-1.5", "phi-1-small"]
    assert all(one["tokens_per_second"] > 0 and one["of_products"] > 0 for one in found["train"])
    assert [one["model"] for one in found["decode"]] == ["phi-1.5", "llama-2-7b"]
    assert all(one["milliseconds"] > one["roofline"] > 0 for one in found["decode"])


@pytest.mark.slow
def test_adapters_in_small(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    found = smoke(tmp_path / "gpu.json", "lora")["lora"]
    assert [one["who"] for one in found] == ["ours", "eager", "compiled"]
    assert all(one["rows"] == 8 and one["tokens_per_second"] > 0 for one in found)


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("NVIDIA H200", "h200"), ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA A10", "a10"), ("NVIDIA L40S", "l40s"), ("NVIDIA GeForce RTX 4090", "4090"),
    ],
)  # fmt: skip
def test_a_card_is_known_by_its_name(card: str, name: str) -> None:
    assert gpu.known(card).name == name
    assert gpu.known("") is None and gpu.known("NVIDIA GeForce RTX 3080") is None


def test_products_are_those_of_the_models_flops() -> None:
    """PaLM's count without attention: twice the weights of the linear maps, forward; three times that with backward."""
    from torch import nn

    from hornbook.model import build

    config = gpu.shape("phi-1.5", True)
    linear = [one for one in build(config, device="meta").modules() if isinstance(one, nn.Linear)]
    assert config.flops_per_token(0) == 2 * sum(one.weight.numel() for one in linear)
