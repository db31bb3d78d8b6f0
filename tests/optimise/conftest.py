"""A recipe of seconds with two sources, code and numbers."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

RECIPE = """
sources = [{ name = "texts", path = "texts" }, { name = "numbers", path = "numbers", split = false }]
without = ["grade", "write", "sft", "dpo", "evaluate", "quantize"]
clean = { similarity = 1.0 }
tokens = { training_characters = 20_000, validation_tokens = 1_000, held_out = 0.1 }
model = { vocabulary = 320, layers = 1, width = 64, heads = 2, mlp_width = 64, context = 64 }
samples = { held_out = 1, each = 1, new_tokens = 1 }

[pretrain]
batch = 4
compile = false
phase1 = { tokens = 1_000, mixture = [{ sources = ["texts"], share = 1.0 }] }
phase2 = { tokens = 3_000, mixture = [{ sources = ["texts"], share = 0.5 }, { sources = ["numbers"], share = 0.5 }] }
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    for name in ("textwrap", "bisect", "heapq", "shlex"):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", tmp_path / "texts")
    (tmp_path / "numbers").mkdir()
    for number in range(40):
        words = " ".join(str((number + 2) * other**3) for other in range(1, 80))
        (tmp_path / "numbers" / f"{number}.txt").write_text(f"Number {number}: {words}\n")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    return tmp_path / "tiny.toml"
