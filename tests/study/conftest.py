"""A recipe of seconds, and a study of it with two arms and two seeds."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

RECIPE = """
sources = [{ name = "texts", path = "texts" }]
without = ["grade", "sft", "dpo", "quantize"]
write = { exercises = 40, problems = 12, conversations = 0, preferences = 0 }
tokens = { training_characters = 40_000, validation_tokens = 1_000 }
model = { vocabulary = 320, layers = 1, width = 32, heads = 2, mlp_width = 32, context = 256 }
evaluate = { new_tokens = 4, problems = 4 }

[pretrain]
batch = 4
compile = false
phase1 = { tokens = 4_000, mixture = [{ sources = ["texts"], share = 1.0 }] }
phase2 = { tokens = 4_000, mixture = [{ sources = ["texts"], share = 0.2 }, { sources = ["exercises"], share = 0.8 }] }
"""
STUDY = """
recipe = "tiny.toml"
seeds = [1, 2]
against = "plain"
measures = ["right", "margin", "pass_at_1", "perplexity", "bits"]

[arms.plain]

[arms.slow]
pretrain.learning_rate = 1e-5
pretrain.muon_learning_rate = 1e-5
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    for name in ("textwrap", "bisect", "heapq", "shlex"):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", tmp_path / "texts")
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "rates.toml").write_text(STUDY)
    return tmp_path / "rates.toml"
