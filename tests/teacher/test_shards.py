from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hornbook.teacher import shards


def _row(number: int) -> dict[str, str]:
    return {
        "id": f"{number:032x}",
        "text": "t",
        "source": "exercises",
        "path": f"x/{number}",
        "reason": "r",
        "kept": "",
    }


def test_rows_come_back_in_order_over_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_ROWS", 3)
    with shards.Removed(tmp_path) as removed:
        for number in range(8):
            removed.add(_row(number))
    files = sorted(tmp_path.glob("*.parquet"))
    assert [file.name for file in files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert [row for file in files for row in pq.read_table(file).to_pylist()] == [_row(number) for number in range(8)]


def test_no_rows_still_have_columns(tmp_path: Path) -> None:
    with shards.Documents(tmp_path):
        pass
    (file,) = tmp_path.glob("*.parquet")
    table = pq.read_table(file)
    assert table.num_rows == 0
    assert table.column_names == ["id", "text", "source", "path", "family", "composition", "prompt", "seeds"]
