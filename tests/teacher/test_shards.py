from pathlib import Path

import pyarrow.parquet as pq

from hornbook.teacher import shards


def test_no_rows_still_have_columns(tmp_path: Path) -> None:
    with shards.Documents(tmp_path):
        pass
    (file,) = tmp_path.glob("*.parquet")
    table = pq.read_table(file)
    assert table.num_rows == 0
    assert table.column_names == ["id", "text", "source", "path", "family", "composition", "prompt", "seeds"]
