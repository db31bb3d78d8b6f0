"""What a run's folders are called."""

from __future__ import annotations

import pytest

from hornbook.runs.folders import model_title


@pytest.mark.parametrize(
    ("model", "title"),
    [
        ("runs/pocket/08-dpo/model", "pocket, 08-dpo"),
        ("/home/me/runs/pocket/06-pretrain/phase2", "pocket, 06-pretrain/phase2"),
        ("runs/taught/model", "taught"),
        ("models/smollm2-135m", "smollm2-135m"),
        ("smollm2-135m", "smollm2-135m"),
        ("model", "model"),
        ("", ""),
    ],
)
def test_a_model_of_a_run_is_called_by_run_and_stage(model: str, title: str) -> None:
    assert model_title(model) == title
