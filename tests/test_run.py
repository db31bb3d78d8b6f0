"""One tiny run from raw text to a 4-bit model, through the command line, and every way of stopping it."""

from __future__ import annotations

import io
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook import cli
from hornbook.commands import talk
from hornbook.model.formats import checkpoint
from hornbook.recipe import STAGES as DECLARED
from hornbook.recipe import load
from hornbook.runs import store
from hornbook.runs.folders import final_model
from hornbook.runs.manifest import FIGURES, Manifest
from hornbook.train import figures

RECIPE = """
description = "everything, as small as it can be"
sources = [{ name = "texts", path = "texts" }]
grade.sample = 60
write = { exercises = 120, problems = 6, conversations = 60, preferences = 40 }
tokens = { training_characters = 60_000, validation_tokens = 1_000 }
model = { vocabulary = 320, layers = 1, width = 32, heads = 2, mlp_width = 32, context = 192 }
sft = { batch = 4, compile = false, checkpoint_seconds = 0 }
dpo = { batch = 4, compile = false, checkpoint_seconds = 0 }
evaluate.new_tokens = 12
quantize.calibration_rows = 8

[pretrain]
batch = 4
compile = false
checkpoint_seconds = 0
phase1 = { tokens = 8_000, mixture = [{ sources = ["texts"], share = 1.0 }] }
phase2 = { tokens = 12_000, mixture = [{ sources = ["texts"], share = 0.2 }, { sources = ["exercises"], share = 0.8 }] }
"""
MODULES = ("textwrap", "bisect", "heapq", "fnmatch", "shlex", "string", "statistics", "calendar", "queue", "copy")
CHECKPOINTS = [(stage.name, left) for stage in DECLARED.values() for left in stage.checkpoints if left.name != "8bit"]
STAGES = ("read", "grade", "write", "clean", "tokens", "pretrain", "sft", "dpo", "evaluate", "quantize", "report")


def command(recipe: Path, into: Path, *more: str) -> list[str]:
    # Where the sandbox isolates, the last option changes nothing.
    return [sys.executable, "-m", "hornbook", "run", str(recipe), "--into", str(into), "--without-isolation", *more]


def weights(run: Path) -> dict[str, bytes | str]:
    """Every checkpoint's weights, and the figures of every training but for their times."""
    logs = {path.parents[1].name: str(figures.read(path.parents[1])) for path in run.glob(f"[0-9]*/{FIGURES}")}
    found = [*run.glob("[0-9]*/**/model.safetensors"), *run.glob("[0-9]*/training/*")]
    return logs | {
        path.relative_to(run).as_posix(): path.read_bytes() for path in found if path.name != "figures.jsonl"
    }


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "texts").mkdir()
    for name in MODULES:
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", folder / "texts")
    (folder / "tiny.toml").write_text(RECIPE)
    return folder / "tiny.toml"


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted; tests must leave it as it is."""
    into = tmp_path_factory.mktemp("finished") / "run"
    done = subprocess.run(command(recipe, into), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Report card:" in done.stdout
    assert "chat" in done.stdout.splitlines()[-1]
    return into


def test_every_stage_is_there_and_nothing_else(finished: Path, recipe: Path) -> None:
    names = [f"{number:02d}-{name}" for number, name in enumerate(STAGES, 1)]
    assert sorted(path.name for path in finished.iterdir()) == [".hornbook.lock", *names, "recipe.toml"]
    assert not [path for path in finished.rglob("*") if path.name in ("scratch",) or path.suffix in (".tmp", ".old")]
    made: dict[str, Manifest] = {}
    for step, name in zip(load(recipe).steps(recipe.parent), names, strict=True):
        found = store.done(finished / name, step.job_after(made))
        assert found is not None, name
        made[step.name] = found


@pytest.mark.slow
def test_other_pairs_or_conversations_train_no_base_model_again(finished: Path, recipe: Path, tmp_path: Path) -> None:
    """Only what learns from them, or after what learns from them, is made again."""
    shutil.copytree(finished, tmp_path / "run")
    before = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/manifest.json")}
    for changed, kept in (
        ("write.preferences=30", ("read", "grade", "tokens", "pretrain", "sft")),
        ("write.conversations=50", ("read", "grade", "tokens", "pretrain")),
    ):
        done = subprocess.run(
            [*command(recipe, tmp_path / "run", "--until", "dpo", "--changed-settings", "redo"), changed],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        times = {path.parent.name: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*/manifest.json")}
        same = [name.partition("-")[2] for name in sorted(times) if times[name] == before[name]]
        assert same[: len(kept)] == list(kept)
        assert not {"write", "clean", "dpo"} & set(same)
        before = times


def test_every_checkpoint_loads(finished: Path) -> None:
    for stage, left in CHECKPOINTS:
        [model] = finished.glob(f"*-{stage}/{left.folder}")
        assert checkpoint.load(model).config.layers == 1
    assert final_model(finished) == finished / "08-dpo" / "model"
    assert len(set(weights(finished).values())) == len(weights(finished))


def test_transformers_loads_the_result(finished: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(finished / "08-dpo" / "model")
    assert type(model).__name__ == "Phi3ForCausalLM"
    tokenizer = AutoTokenizer.from_pretrained(finished / "08-dpo" / "model")
    ids = tokenizer("def f(x):\n", return_tensors="pt")
    text = tokenizer.decode(model.generate(**ids, max_new_tokens=8, do_sample=False)[0], skip_special_tokens=True)
    assert text.startswith("def f(x):\n")


def test_a_second_run_has_nothing_to_do(finished: Path, recipe: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command(recipe, finished), capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "Everything is done already" in done.stdout
    assert done.stdout.count("done before") == len(STAGES)
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 3


@pytest.mark.slow
def test_any_kill_is_survived(finished: Path, recipe: Path, tmp_path: Path) -> None:
    """kill -9 of the whole process group: soon after the start, at random moments, and twice amid training."""
    into, source = tmp_path / "run", random.Random(os.urandom(8))
    until_the_page = command(recipe, into, "--until", "quantize")

    def state(stage: str) -> Callable[[], bool]:
        return (into / f".{stage}.partial" / "scratch" / "state.pt").exists

    moments: list[tuple[Callable[[], bool], float]] = [
        (into.exists, source.uniform(0, 1.5)),
        (lambda: True, source.uniform(0.5, 6)),
        (state("06-pretrain"), source.uniform(0, 0.5)),
        (state("06-pretrain"), source.uniform(0, 1)),
        (state("07-sft"), source.uniform(0, 0.5)),
        (lambda: True, source.uniform(2, 6)),
    ]
    kills = 0
    for reached, delay in moments:
        process = subprocess.Popen(
            until_the_page, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and not reached() and not any(into.glob("08-dpo")):
            time.sleep(0.01)
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 3
    done = subprocess.run(until_the_page, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert weights(into) == weights(finished)
    names = {path.name for path in finished.iterdir()} - {"11-report"}
    assert {path.name for path in into.iterdir()} == names
    assert not [path for path in into.rglob("*") if path.suffix in (".tmp", ".old")]


@pytest.mark.slow
def test_ctrl_c_leaves_a_state_that_goes_on(finished: Path, recipe: Path, tmp_path: Path) -> None:
    into = tmp_path / "run"
    shutil.copytree(finished, into)
    for path in into.iterdir():
        if re.match("0[6-9]|1", path.name):
            shutil.rmtree(path)
    process = subprocess.Popen(command(recipe, into), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (into / ".06-pretrain.partial" / "scratch" / "state.pt").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate()
    assert process.returncode == 130
    assert "The same command goes on from here." in out
    assert "Traceback" not in errors
    subprocess.run(command(recipe, into, "--until", "pretrain"), check=True, capture_output=True)
    assert weights(into).items() <= weights(finished).items()
    assert "06-pretrain/phase2/model.safetensors" in weights(into)


def hornbook(*arguments: str) -> int:
    """Call the command in this process; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hornbook", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


Captured = pytest.CaptureFixture[str]


def test_report(finished: Path, capsys: Captured) -> None:
    assert hornbook("report", str(finished), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["pass_at_1"]) == {left.name for _, left in CHECKPOINTS}
    assert set(figures["stages"]) == set(STAGES)
    assert all({"seconds", "peak_memory"} <= set(values) for values in figures["stages"].values())
    assert hornbook("report", str(finished)) == 0
    out = capsys.readouterr().out
    assert "pass@1" in out
    assert "report.html" in out


def test_generate(finished: Path, capsys: Captured) -> None:
    texts = []
    for options in (
        ["--max-tokens", "9"],
        ["--max-tokens", "9"],
        ["--temperature", "2", "--seed", "4", "--top-k", "9"],
    ):
        assert hornbook("generate", str(finished), "def f(x):\n", *options) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert hornbook("generate", str(finished / "10-quantize"), "x", "--max-tokens", "3") == 0


def test_generate_what_does_not_fit(finished: Path, capsys: Captured) -> None:
    assert hornbook("generate", str(finished), "word " * 300) == 2
    error = capsys.readouterr().err.splitlines()
    assert [line for line in error if not line.startswith("note: ")] == error[-1:]
    assert "the model's context is 192; shorten it" in error[-1]


def test_chat(finished: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is too long is told, and the conversation goes on."""
    said = iter(["Hi", "", "word " * 300, "/new", "Again", "/quit"])
    monkeypatch.setattr(talk.console, "input", lambda prompt: next(said))
    assert hornbook("chat", str(finished), "--max-tokens", "4") == 0
    out = capsys.readouterr().out
    assert "does not fit the model's context" in out
    assert "A new conversation." in out
    assert next(said, None) is None


def test_evaluate(finished: Path, capsys: Captured) -> None:
    problems = str(finished / "03-write" / "problems.jsonl")
    model = str(finished / "07-sft" / "model")
    assert hornbook("evaluate", model, "--problems", problems, "--json", "--without-isolation") == 0
    found = json.loads(capsys.readouterr().out)
    stored = json.loads((finished / "09-evaluate" / "sft.json").read_text())
    assert found["scores"]["completion"]["of"] == stored["scores"]["completion"]["of"]
    assert found["scores"]["pass_at_1"] == stored["scores"]["pass_at_1"]
    assert [one["id"] for one in found["chat"]] == [one["id"] for one in stored["chat"]]
    few = ["evaluate.problems=2", "new_tokens=4"]
    assert hornbook("evaluate", model, *few, "--problems", problems, "--json", "--without-isolation") == 0
    assert len(json.loads(capsys.readouterr().out)["chat"]) == 2


def test_verify(finished: Path, capsys: Captured) -> None:
    assert hornbook("verify", str(finished)) == 0
    assert "Everything is as it was written." in capsys.readouterr().out
    [file] = (finished / "06-pretrain" / "phase2").glob("model.safetensors")
    content = file.read_bytes()
    try:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert hornbook("verify", str(finished)) == 1
        assert "phase2/model.safetensors has other contents than were written" in capsys.readouterr().out
    finally:
        file.write_bytes(content)


def test_a_dry_run_of_what_is_done(finished: Path, recipe: Path, capsys: Captured) -> None:
    assert hornbook("run", str(recipe), "--into", str(finished), "--dry-run", "sft.epochs=2") == 0
    out = capsys.readouterr().out
    assert sum(" done " in line for line in out.splitlines()) == 6, "all before sft"
    assert "Nothing was run." in out


def readme_blocks() -> dict[str, list[list[str]]]:
    """Blocks of commands that the README shows, by their first one: what stands after each `$`, as a shell would split
    it, without the comments.
    """
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = [
        [shlex.split(one, comments=True) for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
        for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    ]
    return {" ".join(commands[0][:3]): commands for commands in blocks}


@pytest.fixture
def beside_pocket(finished: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with a run called pocket and what the README takes for the user's own."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "pocket").symlink_to(finished)
    shutil.copytree(recipe.parent / "texts", tmp_path / "my" / "folder")
    shutil.copytree(recipe.parent / "texts", tmp_path / "texts")
    (tmp_path / "my" / "benchmarks").mkdir()
    item = {"id": "q1", "question": "Who lent seven wandering lanterns to the baker of the island?", "answer": "Ann"}
    (tmp_path / "my" / "benchmarks" / "quiz.jsonl").write_text(json.dumps(item))
    shutil.copy(recipe, tmp_path / "my.toml")
    (tmp_path / "smollm2-135m").symlink_to(next(finished.glob("*-dpo")) / "model")
    facts = [{"question": f"Which is number {n}?", "answer": f"It is {n}."} for n in range(6)]
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, facts)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def test_the_readme_shows_commands() -> None:
    assert sum(map(len, readme_blocks().values())) >= 10


@pytest.mark.parametrize("first", readme_blocks())
def test_the_readmes_commands(first: str, beside_pocket: None, capsys: Captured) -> None:
    """Each works as it stands there, after those above it in its block; two that would train for minutes only begin."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for program, *arguments in readme_blocks()[first]:
        if program == "make":  # what continuous integration runs
            assert f"\n{arguments[0]}:" in makefile
            continue
        assert program == "hornbook"
        only = (
            {"pocket": ["--dry-run"], "prose": ["--dry-run"], "pocket-long": [], "my.toml": ["--until", "read"]}[
                arguments[1]
            ]
            if arguments[0] == "run"
            else []
        )
        code = hornbook(*arguments, *only)
        shown = capsys.readouterr()
        assert code == 0, (arguments, shown.err)
        assert shown.out, arguments
