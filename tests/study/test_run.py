"""A whole study in seconds: shared stages, resumption, several at once, an arm that fails, and what is told of it."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

import hornbook
from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.tokenizers import Tokenizer
from hornbook.study.plan import plan
from hornbook.study.run import run_study
from hornbook.study.settings import locate_study, read_study, runs_of

SOURCES = {f"{measure}.{source}" for measure in ("bits", "perplexity") for source in ("texts", "tasks")}
SCORES = {"pass_at_1", "chat", "harmful_refused", "harmless_refused"}

LONGER = """

[longrope]
context = 512
sources = ["texts"]
search = { population = 4, iterations = 1, mutations = 1, crossovers = 1, parents = 2, documents = 2, start_tokens = false }
extend = { tokens = 3_000, batch = 1, recovery = { population = 3, iterations = 0, parents = 2, documents = 2 } }
measure = { documents = 3, passkeys = 0 }
"""


def command(study: Path, into: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "hornbook", "study", str(study), "--into", str(into), "--without-isolation", *more]


def made(into: Path) -> dict[str, tuple[int, float]]:
    """Every file of the stages, with its inode and time."""
    files = [path for path in into.glob("runs/*/[0-9]*/**/*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime) for path in files}


def shorter(study: Path) -> str:
    """Without what only scores need; returns what the file holds then."""
    study.write_text('until = "pretrain"\n' + study.read_text())
    return study.read_text()


def whole(into: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((into / "study.json").read_text())
    return told


@pytest.mark.slow
def test_a_study_from_python(study_file: Path, tmp_path: Path) -> None:
    assert hornbook.run_study is run_study
    study = read_study(study_file)
    planned = {one.name: one for one in plan(study, runs_of(study, tmp_path), tmp_path / "out")}
    assert planned["slow-1"].shared == ["read", "write", "clean", "tokens"]
    assert planned["slow-1"].makes == ["pretrain", "evaluate"]
    assert "read" in planned["plain-2"].shared

    result = run_study(study_file, tmp_path / "out", allow_unisolated=True)
    runs = tmp_path / "out" / "runs"
    for seed in (1, 2):
        for number, stage in ((1, "read"), (2, "write"), (3, "clean"), (4, "tokens")):
            ours, theirs = (runs / f"{arm}-{seed}" / f"{number:02d}-{stage}" for arm in ("plain", "slow"))
            for path in ours.rglob("*"):
                if path.is_file() and path.name != "manifest.json":
                    assert path.samefile(theirs / path.relative_to(ours)), path

    rows = pq.read_table(tmp_path / "out" / "figures.parquet").to_pylist()
    assert {row["measure"] for row in rows} == {"right", "body", "margin", *SCORES, *SOURCES}
    assert len(rows) == len({tuple(row.values())[:4] for row in rows})

    told = {(one["checkpoint"], one["measure"]): one for one in result["comparisons"]}
    assert {measure for _, measure in told} == {"right", "margin", "pass_at_1", *SOURCES}
    assert {checkpoint for checkpoint, _ in told} == {"phase2"}
    right = told["phase2", "right"]
    [slow] = right["arms"]
    values = {
        (row["arm"], row["seed"]): row["value"]
        for row in rows
        if row["measure"] == "right" and row["checkpoint"] == "phase2"
    }
    mean = sum(values["slow", seed] - values["plain", seed] for seed in (1, 2)) / 2
    assert slow["mean"] == pytest.approx(mean)
    assert mean > 0.1  # it has hardly learned
    assert result == whole(tmp_path / "out")
    page = (tmp_path / "out" / "study.html").read_text()
    assert slow["sentence"] in page
    assert page.count("<svg") == 2 * len(result["comparisons"])
    assert not re.search(r'(?:src|href)="(?!#)', page)

    before = made(tmp_path / "out")
    run_study(study_file, tmp_path / "out", allow_unisolated=True)
    assert made(tmp_path / "out") == before
    assert not any(one.makes for one in plan(study, runs_of(study, tmp_path), tmp_path / "out"))

    with pytest.raises(UserError, match="holds work of other settings"):
        run_study(study.model_copy(update={"settings": {"pretrain.batch": 2}}), tmp_path / "out", base=tmp_path)

    one = study.model_copy(update={"checkpoints": ("phase1",)})
    told = run_study(one, tmp_path / "out", base=tmp_path, allow_unisolated=True, changed_settings="redo")
    assert {row["checkpoint"] for row in pq.read_table(tmp_path / "out" / "figures.parquet").to_pylist()} == {"phase1"}
    assert {made["checkpoint"] for made in told["comparisons"]} == {"phase1"}
    asked = json.loads(next((runs / "slow-2").glob("*-evaluate/manifest.json")).read_text())
    assert asked["figures"]["models"].keys() == {"phase1"}


@pytest.mark.slow
def test_killed_and_interrupted_it_goes_on(study_file: Path, tmp_path: Path) -> None:
    shorter(study_file)
    into = tmp_path / "out"
    for end, reached in ((signal.SIGKILL, "plain-1/02-write"), (signal.SIGINT, "plain-2/04-tokens")):
        process = subprocess.Popen(command(study_file, into), stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 600
        while not (into / "runs" / reached).exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(end)
        out, _ = process.communicate()
        assert process.returncode == (-9 if end == signal.SIGKILL else 130), out
        assert (into / "runs" / reached).exists()
    before = made(into)
    done = subprocess.run(command(study_file, into), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert before.items() <= made(into).items()  # nothing that was whole was made again
    assert "after phase 2" in done.stdout
    assert all(run["failed"] is None and run["training"]["pretrain"] > 0 for run in whole(into)["runs"])


@pytest.mark.slow
def test_several_at_once_are_the_same_and_one_that_fails_is_told(study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(
        shorter(study_file)
        + '[arms.empty]\npretrain.phase2.mixture = [{ sources = ["texts"], minimum_score = 1.0, share = 1.0, '
        'languages = ["tlh"] }]\nfilter.language.identify = true\n'
    )
    into = tmp_path / "out"
    done = subprocess.run(command(study_file, into, "--workers", "2"), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    told = whole(into)
    assert [run["arm"] for run in told["runs"] if run["failed"] is not None] == ["empty", "empty"]
    assert "empty with seed 1 failed: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert {arm["arm"] for one in told["comparisons"] for arm in one["arms"]} == {"slow"}
    for seed in (1, 2):
        [ours, theirs] = [next((into / "runs" / f"{arm}-{seed}").glob("*-write")) for arm in ("plain", "slow")]
        assert (ours / "problems.jsonl").samefile(theirs / "problems.jsonl")
    assert (into / "runs/plain-1/01-read/manifest.json").read_bytes() == (
        into / "runs/plain-2/01-read/manifest.json"
    ).read_bytes()


@pytest.mark.slow
def test_longer_contexts_are_measured_before_and_after_training(study_file: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    told = (
        recipe.read_text()
        .replace('"grade", ', '"grade", "evaluate", ')
        .replace("validation_tokens", "held_out = 0.4, validation_tokens")
    )
    recipe.write_text(told + LONGER)
    study_file.write_text(
        'recipe = "tiny.toml"\nseeds = [1]\nagainst = "searched"\nmeasures = ["long", "perplexity"]\n'
        'checkpoints = ["searched", "extended"]\nuntil = "measure"\n'
        '[arms.searched]\n[arms.ntk]\nlongrope.search.method = "ntk"\n'
    )
    result = run_study(study_file, tmp_path / "out", allow_unisolated=True)
    assert [one["failed"] for one in result["runs"]] == [None, None]
    assert all(set(one["training"]) == {"pretrain", "extend"} for one in result["runs"])
    found = {(one["checkpoint"], one["measure"]): one for one in result["comparisons"]}
    assert list(found)[:2] == [("searched", "long"), ("extended", "long")]
    assert {measure for checkpoint, measure in found if checkpoint == "extended"} > {"long", "perplexity.texts"}
    for arm in ("searched", "ntk"):
        measured = json.loads(
            next((tmp_path / "out" / "runs" / f"{arm}-1").glob("*-measure/measured.json")).read_text()
        )
        for checkpoint, method in (("searched", "search"), ("extended", "extended")):
            value = found[checkpoint, "long"]["values"][arm]["1"]
            assert value == measured["perplexity"][method][-1]["perplexity"]
        # What is taken unsearched is the published method itself.
        assert (measured["perplexity"]["search"] == measured["perplexity"]["ntk"]) == (arm == "ntk")
    assert found["searched", "long"]["arms"][0]["verdict"] == "one seed"


@pytest.mark.slow
def test_a_model_goes_on_with_pages_by_their_grades(
    tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"vocabulary": 400, "layers": 1, "width": 32, "heads": 2, "kv_heads": 1, "mlp_width": 32}
    llama = ModelConfig(format="llama", context=512, qkv_bias=False, **shape)
    save(build(llama, dtype=torch.bfloat16, seed=4), tmp_path / "base", Tokenizer(tokenizer_folder))
    words = (Path(sysconfig.get_paths()["stdlib"]) / "textwrap.py").read_text().split()
    texts = [" ".join(random.Random(number).choices(words, k=150)) for number in range(60)]
    pages = [{"text": text, "score": number % 6} for number, text in enumerate(texts)]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pages))
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "book.txt").write_text("A gate is a door of a garden. " * 300)
    row = {"instruction": "Please choose the correct answer to the question: What has a gate?\n\nAnswer1: a garden "
           "Answer2: a cloud Answer3: milk Answer4: ice\n\nAnswer format: answer1/answer2/answer3/answer4", "input": "",
           "output": "", "answer": "answer1"}  # fmt: skip
    (tmp_path / "arc_easy_test.json").write_text(json.dumps([row]))
    changed = ["recipe=tutor", "seeds=[1]", "model.from=base", "sources.0.path=pages.jsonl", "sources.1.path=books"]
    changed += [
        "evaluate.exam.data=.",
        "pretrain.phase1.tokens=2048",
        "pretrain.phase2.tokens=2048",
        "pretrain.compile=false",
    ]
    changed += ['evaluate.exam.benchmarks=["arc_easy"]', "evaluate.new_tokens=4", "tokens.validation_tokens=1000"]
    monkeypatch.chdir(tmp_path)
    study = read_study(locate_study("pages"), [*changed, 'measures=["perplexity", "answers", "score"]'])
    result = run_study(study, tmp_path / "out", allow_unisolated=True)
    assert [one["failed"] for one in result["runs"]] == [None] * 3
    found = {one["measure"]: one for one in result["comparisons"]}
    assert found.keys() >= {"perplexity.general", "answers.arc_easy", "score.arc_easy"}
    assert all(one["verdict"] == "one seed" for one in found["answers.arc_easy"]["arms"])
    assert len({value["1"] for value in found["perplexity.general"]["values"].values()}) == 3
    packed = [
        read_json(next((tmp_path / "out" / "runs" / f"{arm}-1").glob("*-tokens/manifest.json")))["figures"]["phases"]
        for arm in ("best", "worst")
    ]
    assert packed[0] != packed[1]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_on_a_cluster_they_are_the_same(study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(shorter(study_file).replace("seeds = [1, 2]", "seeds = [1]"))
    told = []
    for into, more in ((tmp_path / "here", ("--runner", "native")), (tmp_path / "there", ("--runner", "ray"))):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # sums of two threads differ from those of one
        done = subprocess.run(
            command(study_file, into, *more), capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told.append(whole(into))
    assert told[0]["comparisons"] == told[1]["comparisons"]
    rows = [
        sorted(pq.read_table(tmp_path / place / "figures.parquet").to_pylist(), key=str) for place in ("here", "there")
    ]
    assert rows[0] == rows[1]
