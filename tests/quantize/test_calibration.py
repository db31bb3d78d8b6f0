from __future__ import annotations

from pathlib import Path

import numpy as np

from hornbook.quantize.calibration import rows_of_tokens, validation_rows
from hornbook.tokens import shards


def test_rows_of_every_source_in_turn_whatever_they_are_called(tmp_path: Path) -> None:
    for number, name in enumerate(("docs.python.org", "hf/part-0", "notes")):
        shards.write(tmp_path / "validation", name, np.full((3, 4), number, dtype=np.int64), 500)
        shards.write_documents(tmp_path / "validation", name, ["a"])
    assert validation_rows(tmp_path, 5, pad=9)[:, 0].tolist() == [0, 1, 2, 0, 1]


def test_calibrating_reads_the_last_ingredient(tmp_path: Path) -> None:
    for number in range(11):
        shards.write(tmp_path / "shards", f"phase2-{number}", np.full((3, 4), number, dtype=np.int64), 500)
        shards.write_documents(tmp_path / "shards", f"phase2-{number}", ["a"])
    assert rows_of_tokens(tmp_path, 2).tolist() == [[10] * 4] * 2
