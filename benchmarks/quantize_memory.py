"""The peak memory of quantizing a large model: a published shape with random weights.

python benchmarks/quantize_memory.py [--model phi-3-mini-4k] [--folder FOLDER] --tokenizer FOLDER
    [--ways "method=rtn group=128" ...] [--blocks 3] [--into benchmarks/quantize_memory.json]

Each way works in a process of its own. gptq weighs errors by calibration_rows of 512 random ids. Only the first
--blocks are rounded, or all where that is 0: each is read, rounded and kept as the one before, and leaves its levels
and scales in memory, `rounded_bytes`. Of the peak a part, `mapped_bytes`, is pages of the original's files, which the
system takes back where memory is short.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from phi3_mini import write

from hornbook import machine
from hornbook.files import read_json, write_json
from hornbook.model.registry import find
from hornbook.progress import Progress, Task
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize

WAYS = ["method=rtn group=128 embeddings=4", "group=128 embeddings=4 calibration_rows=32"]
TIME = 512


class EnoughError(Exception):
    """As many blocks are rounded as were wanted."""


class First(Progress):
    """Goes on for so many blocks."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks

    @contextmanager
    def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        """See `Progress.task`; the task raises EnoughError after the blocks."""
        blocks = self._blocks

        class Counting(Task):
            """Counts blocks."""

            done = 0.0

            def advance(self, amount: float = 1) -> None:
                """See `Task.advance`."""
                self.done += amount
                if self.done >= blocks:
                    raise EnoughError

        yield Counting()


def one(model: Path, way: str, blocks: int) -> dict[str, Any]:
    """Quantize in this process; seconds, peak memory, and the bytes of what was written."""
    changed = dict(word.split("=", 1) for word in way.split())
    settings = QuantizeSettings.model_validate({key: int(v) if v.isdigit() else v for key, v in changed.items()})
    count, vocabulary = settings.calibration_rows, read_json(model / "config.json")["vocab_size"]
    calibrating = np.random.default_rng(1).integers(5, vocabulary - 5, (count, TIME))
    rows = Rows(calibrating, np.zeros((0, 1), np.int64))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=model.parent) as into:
        with suppress(EnoughError):
            quantize(model, rows, settings, into=Path(into), progress=First(blocks) if blocks else Progress())
        kept = [*Path(into).glob("scratch/blocks/*.safetensors" if blocks else "model/*.safetensors")]
        size = sum(path.stat().st_size for path in kept)
    return {
        "way": way,
        "blocks": blocks or read_json(model / "config.json")["num_hidden_layers"],
        "calibration_rows": count if settings.method == "gptq" else 0,
        "seconds": time.monotonic() - began,
        "peak_bytes": machine.peak_memory(),
        "mapped_bytes": sum(path.stat().st_size for path in model.glob("*.safetensors")),
        "rounded_bytes": size,
    }


def main() -> None:
    """Measure every way; print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="phi-3-mini-4k")
    parser.add_argument("--folder", type=Path, help="keeps the weights here, and uses those that lie there")
    parser.add_argument("--tokenizer", type=Path, required=True, help="a model's folder whose tokenizer goes with it")
    parser.add_argument("--ways", nargs="+", default=WAYS)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.folder, given.one, given.blocks)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "model"
        if not (folder / "config.json").is_file():
            write(given.model, folder)
        for path in given.tokenizer.glob("*token*.json"):
            (folder / path.name).write_bytes(path.read_bytes())
        told: list[dict[str, Any]] = []
        for way in given.ways:
            command = [sys.executable, __file__, "--one", way, "--folder", str(folder), "--tokenizer", str(folder)]
            command += ["--blocks", str(given.blocks)]
            told.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(told[-1], flush=True)
    about = {"model": given.model, "parameters": find(given.model).config.parameters()}
    if given.into:
        write_json(given.into, {**about, "ways": told, "machine": machine.describe()})


if __name__ == "__main__":
    main()
