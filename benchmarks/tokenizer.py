"""Encoding: Hornbook's tokenizer against the `tokenizers` library that it stands on, in one run, on this machine.

python benchmarks/tokenizer.py [--tokenizer FOLDER] [--text FILE] [--out results.json]

Without --tokenizer it trains one of 1,024 ids; without --text it reads Python's own standard library.
"""

from __future__ import annotations

import argparse
import json
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer as FastTokenizer

from hornbook.machine import describe
from hornbook.model.tokenizers import Tokenizer
from hornbook.tokens import train_tokenizer

MEGABYTES = 1


def documents(source: Path | None) -> list[str]:
    """About 1 MB of text, in documents of 4,000 characters."""
    if source is not None:
        text = source.read_text(encoding="utf-8", errors="replace")[: MEGABYTES * 1_000_000]
    else:
        modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
        text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in modules)[: MEGABYTES * 1_000_000]
    return [text[start : start + 4000] for start in range(0, len(text), 4000)]


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Fewest CPU seconds of two calls that take turns, so that what else the machine does troubles both little."""
    times: tuple[list[float], list[float]] = ([], [])
    for call in (ours, theirs):
        call()
    for _ in range(repeats):
        for call, took in zip((ours, theirs), times, strict=True):
            began = time.process_time()
            call()
            took.append(time.process_time() - began)
    return min(times[0]), min(times[1])


def measure(folder: Path, texts: list[str], repeats: int) -> dict[str, float]:
    """MB per CPU second of both, one text at a time and many at once."""
    began = time.perf_counter()
    ours = Tokenizer(folder)
    load = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as saved:
        ours.save(Path(saved))
        theirs = FastTokenizer.from_file(str(Path(saved) / "tokenizer.json"))
    theirs.encode_special_tokens = True
    size = sum(len(text.encode()) for text in texts) / 1e6

    def one(encode: Callable[[str], list[int]]) -> Callable[[], object]:
        return lambda: [encode(text) for text in texts]

    def theirs_one(text: str) -> list[int]:
        return theirs.encode(text, add_special_tokens=False).ids

    def theirs_many() -> list[list[int]]:
        return [made.ids for made in theirs.encode_batch_fast(texts, add_special_tokens=False)]

    single = in_turns(one(ours.encode), one(theirs_one), repeats)
    many = in_turns(lambda: ours.encode_many(texts), theirs_many, repeats)
    return {
        "load_seconds": round(load, 3),
        "megabytes": round(size, 2),
        "hornbook_encode_mb_per_cpu_s": round(size / single[0], 2),
        "tokenizers_encode_mb_per_cpu_s": round(size / single[1], 2),
        "encode_ratio": round(single[1] / single[0], 3),
        "hornbook_encode_many_mb_per_cpu_s": round(size / many[0], 2),
        "tokenizers_encode_many_mb_per_cpu_s": round(size / many[1], 2),
        "encode_many_ratio": round(many[1] / many[0], 3),
    }


def main() -> None:
    """Measure, print, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer")
    parser.add_argument("--text", type=Path, help="a text file to encode")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    texts = documents(arguments.text)
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.tokenizer or Path(made)
        if arguments.tokenizer is None:
            train_tokenizer.save(train_tokenizer.train(texts, 1024), folder, context=128)
        figures = {"machine": describe(), "tokenizers": tokenizers.__version__}
        figures |= measure(folder, texts, arguments.repeats)
    print(json.dumps(figures, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
