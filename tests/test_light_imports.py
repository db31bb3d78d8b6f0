"""What the command line imports to know of the stages costs no heavy library."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "numpy", "pyarrow", "tokenizers", "daft", "jinja2", "sklearn", "matplotlib")
STAGES = (
    "teacher.texts",
    "teacher.write",
    "tokens.tokenize",
    "train.pretrain",
    "train.sft",
    "train.dpo",
    "longrope.search",
    "longrope.extend",
    "longrope.measure",
    "quantize.quantize",
)


def test_a_stages_module_is_imported_without_what_it_computes_with() -> None:
    code = (
        f"import importlib, sys\nfor stage in {STAGES}:\n    importlib.import_module('hornbook.' + stage)\n"
        f"    print(stage, [name for name in {HEAVY} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [f"{stage} []" for stage in STAGES]
