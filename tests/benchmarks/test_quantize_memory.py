"""Peak memory of quantizing: a way in a process of its own, whole by rtn and a few blocks by gptq."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.scripts import script

quantize_memory = script("quantize_memory")


def test_sizes_of_what_is_written_and_blocks_of_what_is_not(make_checkpoint: Any) -> None:
    _, folder = make_checkpoint()
    rtn = quantize_memory.one(folder, "method=rtn group=32", 1)
    assert rtn["peak_bytes"] > rtn["bytes"] > 0
    assert rtn["bytes"] < (folder / "model.safetensors").stat().st_size
    gptq = quantize_memory.one(folder, "group=32 calibration_rows=3", 1)
    assert gptq["blocks"] == 1 and gptq["calibration_rows"] == 3 and "bytes" not in gptq
