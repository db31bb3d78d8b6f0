"""The recipe tutor, short: a tiny Llama goes on with a folder of documents to the report, and is asked before and after."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.benchmarks.scripts import script

from hornbook.files import read_json
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.runs.folders import stage_folders

LLAMA = ModelConfig(
    format="llama", vocabulary=400, layers=1, width=32, heads=2, kv_heads=1, mlp_width=32, context=512, qkv_bias=False
)
SHORT = {
    "grade.sample": 40, "write.exercises": 60, "write.problems": 2, "write.conversations": 12, "write.preferences": 12,
    "tokens.validation_tokens": 1_000, "pretrain.phase1.tokens": 2_048, "pretrain.phase2.tokens": 2_048,
    "pretrain.compile": "false", "sft.compile": "false", "dpo.compile": "false", "evaluate.new_tokens": 4,
    "quantize.calibration_rows": 8, "quantize.measured_rows": 8,
}  # fmt: skip


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_passes_paths_on_as_they_are() -> None:
    given = {"DOCUMENTS": "John's texts", "WEB": "a, b", "QUESTIONS": "my $HOME.jsonl", "MODEL": "a model", "SEED": "2"}
    runs = _would_run("tutor", "tutor-control", *(f"{key}={value.replace('$', '$$')}" for key, value in given.items()))
    chosen = ["sources.0.path=John's texts", "sources.1.path=a, b", "evaluate.own_questions=my $HOME.jsonl", "seed=2"]
    tutor, control = ["tutor", *chosen, "model.from=a model"], ["tutor-control", *chosen]
    control += ["model.like=a model", "tokens.tokenizer=a model"]
    assert runs == [[*tutor, "--dry-run"], tutor, control, [*tutor, "--force", "report"]]
    assert _would_run("tutor")[-1] == ["tutor"]


def _would_run(*words: str) -> list[list[str]]:
    """What follows `hornbook run` in each command that make would run."""
    # A make that runs these tests hands its own variables on, ARGS among them.
    alone = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKEOVERRIDES", "ARGS"}}
    done = subprocess.run(
        ["make", "-n", *words], cwd=Path(__file__).parents[1], env=alone, capture_output=True, text=True, check=True
    )
    return [shlex.split(line, comments=True)[2:] for line in done.stdout.splitlines() if "/hornbook run" in line]


@pytest.mark.slow
def test_it_goes_on_from_a_model_with_a_folder_of_documents(tmp_path: Path, tokenizer_folder: Path) -> None:
    save(build(LLAMA, dtype=torch.bfloat16, seed=4), tmp_path / "base", Tokenizer(tokenizer_folder))
    (tmp_path / "texts").mkdir()
    for number in range(60):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"The garden {number} has a gate. " * (20 + number))
    (tmp_path / "own.jsonl").write_text(json.dumps({"question": "What has a gate?", "answer": "the garden"}))
    words = ["model.from=base", "sources.0.path=texts", "evaluate.own_questions=own.jsonl"]
    words += [f"{key}={value}" for key, value in SHORT.items()]
    command = [sys.executable, "-m", "hornbook", "run", "tutor", *words, "--without-isolation"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    stages = stage_folders(tmp_path / "runs" / "tutor")
    assert list(stages) == ["read", "grade", "write", "clean", "tokens", "pretrain", "sft", "dpo", "evaluate", "quantize", "report"]  # fmt: skip
    assert "no training" in done.stdout
    scores = read_json(stages["evaluate"] / "manifest.json")["figures"]["models"]
    assert set(scores) == {"before", "dpo"}
    assert (stages["sft"] / "rehearsal.jsonl").is_file()
    read = read_json(stages["pretrain"] / "manifest.json")["figures"]["mixture"]["phase2"]
    assert [part["sources"] for part in read][2:] == [["what the model says already"]] and read[2]["rows"] == 1
    first, last = (checkpoint.load(one).embed.weight for one in (tmp_path / "base", stages["dpo"] / "model"))
    assert torch.equal(first, last), "its embedding stays"
    for one in scores.values():
        assert (one["questions"]["general"]["of"], one["questions"]["own"]["of"]) == (9, 1)
        assert "general" in one["validation_loss"]
        assert "refusals" not in one, "nothing is taught of harmful requests"
    told = script("tutor").measured(tmp_path / "runs" / "tutor", 1)
    assert told["tokens"].keys() == {"phase1", "phase2", "sft", "dpo"} and min(told["tokens"].values()) > 0
    assert set(told["scores"]) == {"before", "dpo", "4bit"}
    assert all(one["perplexity"] > 1 and 0 <= one["questions"] <= 9 for one in told["scores"].values())
    # Nothing of what measures forgetting was read.
    packed = read_json(stages["tokens"] / "manifest.json")["figures"]
    assert {source for phase in packed["phases"].values() for part in phase for source in part["sources"]} == {
        "documents",
        "exercises",
        "tasks",
    }
    page = (stages["report"] / "report.html").read_text()
    assert "after no training and after DPO" in page and "What is the capital of France?" in page
