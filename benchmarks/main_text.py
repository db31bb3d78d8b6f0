"""Main text of web pages: trafilatura against resiliparse on real pages whose main text is known, on this machine.

Give it the folder or the .tar.gz of the article extraction benchmark (`html/*.html.gz` and `ground-truth.json`, from
github.com/scrapinghub/article-extraction-benchmark). Scored as that benchmark does: shingles of four words, counted;
precision and recall of each page, their means over the pages, and F1 of the two means.

python benchmarks/main_text.py PAGES [--out results.json]
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import json
import random
import re
import statistics
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hornbook.corpus.read.html import main_text
from hornbook.machine import describe

SHINGLE = 4
RESAMPLES = 1_000
WORD = re.compile(r"\w+")

Pair = tuple[float, float]  # precision and recall of one page


def load(place: Path) -> list[tuple[str, str]]:
    """(page, true main text) in the order of the pages' names."""
    files: dict[str, bytes] = {}
    if place.is_dir():
        files = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    else:
        with tarfile.open(place) as archive:
            for member in archive.getmembers():
                content = archive.extractfile(member)
                if content is not None:
                    files[member.name.removeprefix("./")] = content.read()
    truth = json.loads(files["ground-truth.json"])
    return [
        (gzip.decompress(files[f"html/{name}.html.gz"]).decode("utf-8"), truth[name]["articleBody"])
        for name in sorted(truth)
    ]


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """How often each run of four words occurs; a shorter text is one run."""
    words = WORD.findall(text)
    starts = range(max(1, len(words) - SHINGLE + 1))
    return Counter(run for run in (tuple(words[start : start + SHINGLE]) for start in starts) if run)


def score(truth: str, found: str) -> tuple[float | None, float | None]:
    """Precision and recall of one page; None where nothing was found, or nothing was there to find."""
    wanted, given = shingles(truth), shingles(found)
    common = (wanted & given).total()
    precision = common / given.total() if given else None
    return precision, common / wanted.total() if wanted else None


def summary(scores: Sequence[tuple[float | None, float | None]]) -> dict[str, float]:
    """Means over the pages, and F1 of the means."""
    precision = statistics.fmean(one for one, _ in scores if one is not None)
    recall = statistics.fmean(one for _, one in scores if one is not None)
    return {"f1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall}


def measure(extract: Callable[[str], str], pages: Sequence[tuple[str, str]], repeats: int) -> dict[str, Any]:
    """Scores with the half width of F1's 95% interval (bootstrap over the pages), and pages a second (best round)."""
    found = [extract(page) for page, _ in pages]
    scores = [score(truth, text) for (_, truth), text in zip(pages, found, strict=True)]
    draw = random.Random(1)
    resampled = [summary(draw.choices(scores, k=len(scores)))["f1"] for _ in range(RESAMPLES)]
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        for page, _ in pages:
            extract(page)
        seconds.append(time.process_time() - began)
    figures = {name: round(value, 4) for name, value in summary(scores).items()}
    return figures | {
        "f1_interval": round(1.96 * statistics.stdev(resampled), 4),
        "pages_without_text": sum(not text.strip() for text in found),
        "pages_a_second": round(len(pages) / min(seconds), 1),
    }


def extractors() -> dict[str, Callable[[str], str]]:
    """The candidates by name, the one that Hornbook uses first."""
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    def theirs(**options: bool) -> Callable[[str], str]:
        return lambda page: trafilatura.extract(page, include_comments=False, **options) or ""

    return {
        "hornbook": main_text,
        "resiliparse": lambda page: extract_plain_text(page, main_content=True, alt_texts=False, links=False),
        "resiliparse, whole page": lambda page: extract_plain_text(page, alt_texts=False, links=False),
        "trafilatura": theirs(),
        "trafilatura, fast": theirs(fast=True),
        "trafilatura, precision": theirs(favor_precision=True),
        "trafilatura, recall": theirs(favor_recall=True),
        "trafilatura, no tables": theirs(include_tables=False),
    }


def main() -> None:
    """Measure all, print, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    pages = load(arguments.pages)
    figures: dict[str, Any] = {
        "machine": describe(),
        "pages": len(pages),
        "versions": {name: importlib.metadata.version(name) for name in ("trafilatura", "resiliparse")},
    }
    for name, extract in extractors().items():
        figures[name] = measure(extract, pages, arguments.repeats)
        print(f"{name:28}", "  ".join(f"{key} {value}" for key, value in figures[name].items()), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
