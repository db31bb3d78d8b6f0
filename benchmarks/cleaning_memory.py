"""How much memory the starting process of `clean` takes for each document, and how long it takes.

Synthetic short documents of ten to forty words; a tenth of them repeats another exactly, a tenth nearly. Each size is
cleaned in a process of its own, whose largest resident size is measured, with so many workers beside it (1: it does all
the work itself). Bytes a document are those by which the peak of one size is above that of the size before it, over the
documents that it has more.

python benchmarks/cleaning_memory.py 1000000,2000000,4000000 [--workers 2] [--out benchmarks/cleaning_memory.json]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hornbook.corpus.clean import clean
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.documents import DOCUMENTS, document_id, document_schema
from hornbook.machine import describe, peak_memory
from hornbook.progress import Progress
from hornbook.workers import runner
from hornbook.workers.work import workers_memory

FILE = 100_000  # documents in a file
WORDS = [f"word{number}" for number in range(20_000)]


def make(folder: Path, documents: int) -> None:
    """Write a corpus."""
    (folder / DOCUMENTS).mkdir(parents=True)
    chance = random.Random(documents)
    some: list[str] = []
    for first in range(0, documents, FILE):
        texts = []
        for _ in range(min(FILE, documents - first)):
            kind = chance.random() if some else 1.0
            text = some[chance.randrange(len(some))] if kind < 0.2 else ""
            if kind >= 0.1:
                words = text.split() or chance.choices(WORDS, k=chance.randrange(10, 41))
                words[-1] = chance.choice(WORDS)
                text = " ".join(words)
            if kind >= 0.2 and chance.random() < 0.05:
                some.append(text)
            texts.append(text)
        names = [f"{number}.txt" for number in range(first, first + len(texts))]
        columns = [
            [document_id(text) for text in texts],
            texts,
            [f"source {number % 5}" for number in range(len(texts))],
        ]
        pq.write_table(
            pa.table([*columns, names], schema=document_schema()),
            folder / DOCUMENTS / f"part-{first // FILE:05d}.parquet",
            compression="zstd",
        )


def measure(folder: Path, workers: int) -> dict[str, Any]:
    """Clean a corpus in this process: seconds and bytes."""
    runner.choose("native", workers)
    before, started = peak_memory(), time.monotonic()
    figures = clean([folder / "corpus"], None, CleanSettings(), into=folder / f"clean-{workers}", progress=Progress())
    return {
        "documents": figures["read"],
        "removed": figures["removed"],
        "seconds": round(time.monotonic() - started, 1),
        "peak_before": before,
        "peak": peak_memory(),
        "workers_together": workers_memory(),
    }


def main() -> None:
    """Make corpora of each size and have each cleaned in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "sizes", help="documents: 1000000,2000000,4000000; or, with --measure, the folder of one corpus"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(Path(options.sizes), options.workers)))
        return
    found = []
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="hornbook-memory-") as work:
            make(Path(work) / "corpus", size)
            command = [sys.executable, __file__, work, "--measure", "--workers", str(options.workers)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
        print(json.dumps(found[-1]), flush=True)
    more = [(other["peak"] - one["peak"]) / (other["documents"] - one["documents"]) for one, other in pairwise(found)]
    result = {
        "command": f"python benchmarks/cleaning_memory.py {options.sizes} --workers {options.workers}",
        "machine": describe(),
        "sizes": found,
        "bytes_a_document": [round(one, 1) for one in more],
    }
    print(json.dumps(result["bytes_a_document"]))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
