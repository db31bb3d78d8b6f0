"""What importing a model file takes: its header beside the gguf package's reader, the whole import, its memory.

python benchmarks/import_model.py FILE [--precision bf16] [--header]

Each figure is of a process of its own: seconds of its processor, and how much its peak memory rose above what it had
with all libraries imported. --header leaves the import out, for files without tensors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hornbook import machine


def measured(what: str, file: Path, precision: str) -> dict[str, float]:
    """One of the ways, in this process."""
    import gguf as library
    from tokenizers import Tokenizer  # noqa: F401 (so that it is there before)

    from hornbook.model.formats import importing
    from hornbook.model.formats.contents import ImportSettings
    from hornbook.model.formats.gguf import header
    from hornbook.progress import Progress

    settings = ImportSettings.model_validate({"precision": precision})
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        opened = importing.found(file, Path(folder))
        machine.release_memory()
        machine.reset_peak_memory()
        before, began = machine.peak_memory(), time.process_time()
        told: dict[str, float] = {}
        if what == "gguf package":
            library.GGUFReader(opened.path)
        elif what == "header":
            header.read(opened)
        else:
            told["bytes"] = importing.import_model(file, settings, into=Path(folder), progress=Progress())["bytes"]
        return {"seconds": time.process_time() - began, "memory": machine.peak_memory() - before, **told}


def main() -> None:
    """Measure each way in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--header", action="store_true")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measured(options.only, options.file, options.precision)))
        return
    print(json.dumps(machine.describe()))
    for what in ("gguf package", "header", *(() if options.header else ("import",))):
        words = [sys.executable, __file__, str(options.file), "--precision", options.precision, "--only", what]
        told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        written = f", {told['bytes'] / 1e6:.0f} MB written" if "bytes" in told else ""
        print(f"{what:12}  {told['seconds']:6.2f} s  {told['memory'] / 1e6:6.0f} MB{written}")


if __name__ == "__main__":
    main()
