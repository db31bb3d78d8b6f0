"""What the command line imports to know of the stages costs no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "train.pretrain",
        "train.sft",
        "train.dpo",
        "longrope.search",
        "longrope.extend",
        "longrope.measure",
        "quantize.quantize",
        "tokens.tokenize",
    ],
)
def test_a_stages_module_is_imported_without_what_it_computes_with(module: str) -> None:
    heavy = ("torch", "numpy", "pyarrow", "tokenizers", "daft", "jinja2")
    code = f"import sys, hornbook.{module}; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
