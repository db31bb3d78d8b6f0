"""Commands that `torchrun` starts in several processes: they train together, and one of them talks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.files import read_json
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.tokenizers import Tokenizer

SHAPE = ModelConfig(vocabulary=400, layers=1, width=32, heads=2, mlp_width=32, context=64)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "sft", "dpo"])
def test_two_processes_do_what_one_does(stage: str, tokenizer_folder: Path, tmp_path: Path) -> None:
    def row(number: int) -> dict[str, Any]:
        asked = {"role": "user", "content": f"count {number}"}
        better, worse = ({"role": "assistant", "content": f"{word} {number}"} for word in ("total", "tea"))
        return {
            "pretrain": {"text": f"count the total {number} " * 20},
            "sft": {"messages": [asked, better]},
            "dpo": {"prompt": [asked], "chosen": [better], "rejected": [worse]},
        }[stage]

    save(build(SHAPE, dtype=torch.float32, seed=4), tmp_path / "base", Tokenizer(tokenizer_folder))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row(number)) + "\n" for number in range(12)))
    settings = ["batch=4", "precision=fp32", "compile=false", "validation=0"]
    losses = []
    for count in (1, 2):
        into = tmp_path / f"by-{count}"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        command += ["-m", "hornbook", stage, "base", "rows.jsonl", *settings, "--samples", "0", "--into", str(into)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        figures = (into / "training" / "figures.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in figures])
        assert read_json(into / "manifest.json")["figures"]
    assert losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
