"""Seconds that cleaning takes, and near duplicates it finds, where many small files have one licence and unlike bodies.

python benchmarks/boilerplate.py 2000,4000,8000 [--body 50] [--one-line] [--boilerplate 100]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from hornbook.corpus.clean import clean
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.documents import CorpusWriter, document_id, document_schema
from hornbook.progress import Progress

WORDS = [f"word{number}" for number in range(20_000)]
LICENCE = 182  # words


def main() -> None:
    """Clean a corpus of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents")
    parser.add_argument("--body", type=int, default=50, help="words below the licence")
    parser.add_argument("--one-line", action="store_true", help="texts without ends of lines")
    parser.add_argument("--boilerplate", type=int, default=100, help="clean.boilerplate")
    asked = parser.parse_args()
    settings = CleanSettings(boilerplate=asked.boilerplate)
    for count in map(int, asked.documents.split(",")):
        with tempfile.TemporaryDirectory() as name:
            corpus = Path(name) / "corpus"
            _write(corpus, count, asked.body, one_line=asked.one_line)
            began = time.perf_counter()
            figures = clean([corpus], None, settings, into=Path(name) / "out", progress=Progress())
            took = time.perf_counter() - began
            print(f"{count:,} documents: {took:.1f} s, {figures['removed']['near duplicate']:,} near duplicates")


def _write(folder: Path, count: int, body: int, *, one_line: bool) -> None:
    licence = _lines(random.Random("licence"), LICENCE, 13)
    with CorpusWriter(folder, document_schema()) as corpus:
        for number in range(count):
            text = f"{licence}\n\n{_lines(random.Random(number), body, 8)}"
            text = " ".join(text.split()) if one_line else text
            corpus.keep({"id": document_id(text), "text": text, "source": "files", "path": str(number)})


def _lines(chance: random.Random, count: int, wide: int) -> str:
    words = chance.choices(WORDS, k=count)
    return "\n".join(" ".join(words[start : start + wide]) for start in range(0, count, wide))


if __name__ == "__main__":
    main()
