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


def test_calibrating_reads_what_phase_2_reads_in_its_shares(tmp_path: Path) -> None:
    for name, rows in (("phase1-0", 9), ("phase2-0", 2), ("phase2-1", 6), ("phase2-10", 0)):
        number = int(name.partition("-")[2])
        shards.write(tmp_path / "shards", name, np.full((rows, 4), number, dtype=np.int64), 500)
        shards.write_documents(tmp_path / "shards", name, ["a"])
    assert rows_of_tokens(tmp_path, 4).tolist() == [[0] * 4] + [[1] * 4] * 3
    assert rows_of_tokens(tmp_path, 99).shape == (8, 4)
