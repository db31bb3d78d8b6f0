from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hornbook.quantize import quality


def test_figures_are_those_of_the_whole_distributions(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out in NumPy, fp64, with rows that are partly filled up, and one that is nothing else."""
    monkeypatch.setattr(quality, "TOKENS", 7)
    before, after = make_model(seed=1, initial_std=0.3), make_model(seed=2, initial_std=0.3)
    rows = np.random.default_rng(1).integers(0, 380, (4, 33))
    rows[1, 20:] = -1
    rows[3] = -1
    losses: list[list[float]] = []
    for row in rows:
        ids = torch.from_numpy(np.maximum(row[:-1], 0))[None]
        with torch.no_grad():
            logits = [model(ids)[0].double().numpy() for model in (before, after)]
        logs = [x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in logits]
        for at, target in enumerate(row[1:]):
            if target >= 0:
                kl = (np.exp(logs[0][at]) * (logs[0][at] - logs[1][at])).sum()
                same = logs[0][at].argmax() == logs[1][at].argmax()
                losses.append([-logs[0][at][target], -logs[1][at][target], kl, same])
    wanted = np.mean(losses, axis=0)
    by_row = quality.compare(before, after, rows)
    assert by_row["tokens"].tolist() == [32, 19, 32]
    told = quality.told(by_row)
    assert told["tokens"] == len(losses)
    assert [told["perplexity_before"], told["perplexity_after"]] == pytest.approx(np.exp(wanted[:2]), rel=1e-5)
    assert told["kl"] == pytest.approx(wanted[2], rel=1e-4)
    assert told["top1"] == pytest.approx(wanted[3], abs=1e-4)
    assert quality.told(quality.compare(before, before, rows))["kl"] == 0
    assert quality.told(quality.compare(before, after, rows[3:])) == {}
