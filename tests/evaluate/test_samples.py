from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.evaluate.samples import SamplesSettings, samples
from hornbook.files import read_json
from hornbook.progress import Progress
from hornbook.tokens import shards


def test_samples_and_losses(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    _, folder = make_checkpoint(1)
    validation = tmp_path / "validation"
    table = np.random.default_rng(1).integers(10, 370, (4, 33))
    shards.write(validation, "tales", table, 380, documents=4, tokens=table.size)
    settings = SamplesSettings(prompts=("def add", "class"), each=2, new_tokens=9)

    def go(into: Path) -> dict[str, Any]:
        return samples({"phase1": folder}, validation, settings, seed=1, into=into, progress=Progress())

    figures = go(tmp_path / "a")
    assert figures["samples"] == 4
    assert figures["validation_loss"]["phase1"]["tales"] > 0
    written = read_json(tmp_path / "a" / "phase1.json")["samples"]
    assert [one["prompt"] for one in written] == ["def add", "def add", "class", "class"]
    assert written[0]["text"] != written[1]["text"]
    assert go(tmp_path / "b") == figures
    assert read_json(tmp_path / "b" / "phase1.json")["samples"] == written
