"""The data engine against datatrove: read, exact and near duplicates, heuristics, write; both in one run.

Give it folders of texts or of .jsonl.gz files; `python:source` is this interpreter's own standard library. datatrove
has an environment of its own (pip install 'datatrove[processing,io]==0.10.1' spacy), whose Python --datatrove names.

Both tools get the same files, the same shingles and bands, and the same sets of rules, on two processors. Measured are
the CPU-seconds of the whole tree of processes, user and system, starting included, and its largest proportional memory.
Wall times are not compared: other work may share the machine.

python benchmarks/corpus.py python:source FOLDER ... --datatrove PYTHON [--out results.json]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hornbook.corpus.clean import clean
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter import filter_corpus
from hornbook.corpus.filter.settings import FilterSettings, HeuristicSettings
from hornbook.corpus.read import read
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import STANDARD_LIBRARY, find
from hornbook.documents import DOCUMENTS
from hornbook.machine import describe, release_memory
from hornbook.progress import Progress

CLEAN = CleanSettings(memory=16_000_000)  # sorted in passes of this many bytes of text, instead of all at once
SETTINGS = {"shingle": CLEAN.shingle, "bands": CLEAN.bands, "rows": CLEAN.rows}
RULES = FilterSettings(heuristics=HeuristicSettings(rules=("gopher", "c4", "fineweb")))
CPUS = 2
SUBREAPER = 36  # prctl: orphans below us become our children, so that their seconds count


def hornbook_steps(folder: Path, work: Path) -> None:
    """Our side, in a process of its own."""
    source = Source(name="texts", path=str(folder), split=False)
    read([source], ReadSettings(), base=folder, into=work / "read", progress=Progress())
    release_memory()  # as the pipeline does before each stage
    clean([work / "read"], None, CLEAN, into=work / "clean", progress=Progress())
    release_memory()
    filter_corpus(work / "clean", RULES, into=work / "kept", progress=Progress())


def measure(command: Sequence[str]) -> dict[str, float]:
    """CPU-seconds and peak memory in MB of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        peak = _Peak(process.pid)
        peak.start()
        told, _ = process.communicate()
        peak.stopped.set()
        peak.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{told[-3000:]}")
    while True:  # what outlived its parent, datatrove's fork server
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(seconds, 2), "memory_mb": round(peak.bytes / 1e6, 1)}


class _Peak(threading.Thread):
    """Watches the proportional memory (shared pages once) of a process and its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.bytes, self.stopped = root, 0, threading.Event()

    def run(self) -> None:
        """Look four times a second."""
        while not self.stopped.wait(0.25):
            self.bytes = max(self.bytes, sum(map(_memory, _tree(self.root))))


def _tree(root: int) -> list[int]:
    """A process and its descendants."""
    found = [root]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _memory(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def prepare(given: str, into: Path) -> Path:
    """The folder that both tools read: a copy of just the files that we would read."""
    into.mkdir(parents=True)
    base = Path.cwd()
    for item in find(Source(name="texts", path=given), base):
        if isinstance(item, Found) and isinstance(item.file, Path):
            place = into / item.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item.file, place)
    return into


def rows(folder: Path) -> int:
    """Documents in a folder of parquet files."""
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


def compare(given: str, datatrove: str | None, runs: int) -> dict[str, Any]:
    """Both tools on one corpus, the best of `runs` runs each, taken in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = prepare(given, Path(temporary) / "input")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found: dict[str, Any] = {"files_mb": round(size / 1e6, 1)}
        for number in range(runs):
            for tool in ("hornbook", *(("datatrove",) if datatrove else ())):
                work = Path(temporary) / f"{tool}-{number}"
                work.mkdir()
                if tool == "hornbook":
                    command = [sys.executable, __file__, "--hornbook", str(folder), str(work)]
                else:
                    other = Path(__file__).with_name("corpus_datatrove.py")
                    command = [str(datatrove), str(other), str(folder), str(work), json.dumps(SETTINGS)]
                taken = measure(command)
                best = found.setdefault(
                    tool, {**taken, "kept": rows(work / "kept" / (DOCUMENTS if tool == "hornbook" else ""))}
                )
                best["cpu_seconds"] = min(best["cpu_seconds"], taken["cpu_seconds"])
                best["memory_mb"] = min(best["memory_mb"], taken["memory_mb"])
                if tool == "hornbook":
                    best["read"], best["after_duplicates"] = (
                        rows(work / part / DOCUMENTS) for part in ("read", "clean")
                    )
                shutil.rmtree(work)
    if datatrove:
        found["times_less_cpu"] = round(found["datatrove"]["cpu_seconds"] / found["hornbook"]["cpu_seconds"], 2)
        found["memory_share"] = round(found["hornbook"]["memory_mb"] / found["datatrove"]["memory_mb"], 2)
    return found


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", help="folders, or python:source")
    parser.add_argument("--datatrove", metavar="PYTHON", help="the interpreter that has datatrove; else only ours")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--hornbook", nargs=2, type=Path, metavar=("INPUT", "WORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hornbook:
        hornbook_steps(*options.hornbook)
        return
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])
    results: dict[str, Any] = {
        "machine": describe(),
        "settings": SETTINGS,
        "rules": list(RULES.heuristics.rules),
        "corpora": {},
    }
    for given in options.corpora or [STANDARD_LIBRARY]:
        name = given if given == STANDARD_LIBRARY else Path(given).name
        results["corpora"][name] = compare(given, options.datatrove, options.runs)
        print(name, json.dumps(results["corpora"][name], indent=2), flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
