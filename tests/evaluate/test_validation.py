from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.evaluate.validation import validation_loss
from hornbook.model.tokenizers import Tokenizer
from hornbook.tokens import shards


def test_mean_over_real_tokens_of_each_source(make_model: Callable[..., Any], tmp_path: Path) -> None:
    model, source, wanted = make_model(seed=1), np.random.default_rng(2), {}
    for name, rows in (("library", 7), ("hf/manual.md", 3)):
        table = source.integers(6, 400, (rows, 21))
        table[::2, 13:] = 5
        shards.write(tmp_path, name, table, 400)
        shards.write_documents(tmp_path, name, [])
        with torch.no_grad():
            likelihood = torch.log_softmax(model(torch.from_numpy(table[:, :-1])).double(), -1).numpy()
        losses = [
            -likelihood[r, at, table[r, at + 1]] for r in range(rows) for at in range(20) if table[r, at + 1] != 5
        ]
        wanted[name] = np.mean(losses)
    shards.write(tmp_path, "empty", np.zeros((0, 21), dtype=np.int64), 400)
    found = validation_loss(model, tmp_path, pad=5, batch=2)
    assert found == pytest.approx(wanted, rel=1e-5)


def test_what_fills_rows_up_is_no_text_whatever_ends_a_models_files_name(
    tokenizer_folder: Path, tmp_path: Path
) -> None:
    """A downloaded model that stops at what the tokens stage fills up with: it would be measured on hundreds of those."""
    shutil.copytree(tokenizer_folder, tmp_path / "tokens" / "tokenizer")
    made = Tokenizer(tmp_path / "tokens" / "tokenizer")
    shutil.copytree(tokenizer_folder, tmp_path / "model")
    ends = [made.end_of_text, made.pad]
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    downloaded = Tokenizer(tmp_path / "model")
    assert downloaded.pad != made.pad
    for folder in ("shards", "validation"):
        assert shards.pad_of(tmp_path / "tokens" / folder, downloaded) == made.pad
    assert shards.pad_of(tmp_path / "elsewhere" / "validation", downloaded) == downloaded.pad


# Prints the loss of a model whose weights and texts are the same everywhere.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import torch
from hornbook.evaluate.validation import validation_loss
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.tokens import shards
source = np.random.default_rng(7)
model = Transformer(ModelConfig(vocabulary=500, layers=3, width=96, heads=4, mlp_width=256, context=64)).eval()
with torch.no_grad():
    for parameter in model.parameters():
        drawn = source.normal(parameter.ndim == 1, 0.1, parameter.shape)
        parameter.copy_(torch.from_numpy(drawn))
folder = Path(sys.argv[1])
shards.write(folder, "texts", source.integers(6, 500, (9, 65)), 500)
print(validation_loss(model, folder, pad=5)["texts"])
"""
LOSS = 6.708241  # computed in float64
PROCESSORS = {
    "this one": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "four threads": {"OMP_NUM_THREADS": "4"},
    "with AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "with SSE4": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


@pytest.mark.numerics
@pytest.mark.parametrize("processor", PROCESSORS)
def test_processors_agree_on_losses_to_a_hundred_thousandth_of_a_nat(processor: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | PROCESSORS[processor]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(LOSS, abs=1e-5)
