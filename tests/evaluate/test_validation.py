from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.evaluate.validation import validation_loss
from hornbook.tokens import shards


def test_mean_over_real_tokens_of_each_source(make_model: Callable[..., Any], tmp_path: Path) -> None:
    model, source, wanted = make_model(seed=1), np.random.default_rng(2), {}
    for name, rows in (("library", 7), ("manual", 3)):
        table = source.integers(6, 400, (rows, 21))
        table[::2, 13:] = 5
        shards.write(tmp_path, name, table, 400)
        (tmp_path / f"{name}.documents.json").write_text("[]")
        with torch.no_grad():
            likelihood = torch.log_softmax(model(torch.from_numpy(table[:, :-1])).double(), -1).numpy()
        losses = [
            -likelihood[r, at, table[r, at + 1]] for r in range(rows) for at in range(20) if table[r, at + 1] != 5
        ]
        wanted[name] = np.mean(losses)
    shards.write(tmp_path, "empty", np.zeros((0, 21), dtype=np.int64), 400)
    found = validation_loss(model, tmp_path, pad=5, batch=2)
    assert found == pytest.approx(wanted, rel=1e-5)
