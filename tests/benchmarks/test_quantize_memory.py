"""Peak memory of quantizing: a way in a process of its own, whole by rtn and a few blocks by gptq."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.scripts import script

quantize_memory = script("quantize_memory")


def test_all_blocks_or_the_first(make_checkpoint: Any) -> None:
    model, folder = make_checkpoint()
    whole = quantize_memory.one(folder, "method=rtn group=32", 0)
    assert whole["blocks"] == model.config.layers and whole["calibration_rows"] == 0
    assert whole["peak_bytes"] > whole["mapped_bytes"] > whole["rounded_bytes"] > 0
    first = quantize_memory.one(folder, "group=32 calibration_rows=3", 1)
    assert first["blocks"] == 1 and first["calibration_rows"] == 3
    assert 0 < first["rounded_bytes"] < whole["rounded_bytes"]
