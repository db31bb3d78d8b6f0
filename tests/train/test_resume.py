"""Killed at any moment and started again: the same bytes as never having been stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hornbook.files import CheckedWriter, temporary_of
from hornbook.model.config import ModelConfig
from hornbook.progress import Progress, Task
from hornbook.runs.manifest import FIGURES
from hornbook.train.data import Given
from hornbook.train.dpo import DpoSettings, dpo
from hornbook.train.figures import read
from hornbook.train.pretrain import PretrainSettings, pretrain
from hornbook.train.sft import SftSettings, sft
from hornbook.train.state import Pace

COMMON: dict[str, Any] = {"batch": 4, "compile": False, "precision": "fp32", "checkpoint_seconds": 0}
SHAPE = ModelConfig(vocabulary=380, layers=2, width=32, heads=2, mlp_width=64, context=64)
PHASES: dict[str, Any] = {
    "phase1": {"tokens": 6 * 256, "mixture": [{"sources": ["a"], "share": 1.0}]},
    "phase2": {"tokens": 8 * 256, "mixture": [{"sources": ["b"], "share": 0.3}, {"sources": ["c"], "share": 0.7}]},
}


class Stopped(BaseException):
    """Stands for a kill: nothing catches it."""


class StopAfter(Progress):
    """Raises once `steps` steps were counted."""

    def __init__(self, steps: int, what: type[BaseException] = Stopped) -> None:
        self.left, self.what = steps, what

    @contextmanager
    def task(self, label: str, total: float | None = None, done: float = 0) -> Iterator[Task]:
        outer = self

        class Counting(Task):
            def advance(self, amount: float = 1) -> None:
                outer.left -= 1
                if outer.left < 0:
                    raise outer.what

        yield Counting()


def files(folder: Path) -> dict[str, bytes]:
    """Everything a stage leaves, without its scratch folder; the figures of steps without their times."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    made = {name: path.read_bytes() for name, path in found.items() if not name.startswith("scratch/")}
    return made | ({FIGURES: json.dumps(read(folder)).encode()} if FIGURES in made else {})


def run_pretrain(tokens: Path, into: Path, progress: Progress, optimizer: Any = "muon") -> dict[str, Any]:
    settings = PretrainSettings(optimizer=optimizer, **COMMON, **PHASES)
    return pretrain(tokens, SHAPE, settings, seed=1, into=into, progress=progress)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_pretraining_resumes_exactly(optimizer: Any, tokens_folder: Path, tmp_path: Path) -> None:
    figures = run_pretrain(tokens_folder, tmp_path / "whole", Progress(), optimizer)
    assert figures["steps"] == {"phase1": 6, "phase2": 8}
    wanted = files(tmp_path / "whole")
    assert {"phase1/model.safetensors", "phase2/model.safetensors", "training/figures.jsonl"} <= wanted.keys()
    assert wanted["phase1/model.safetensors"] != wanted["phase2/model.safetensors"]
    for number, stops in enumerate(([0], [5], [6], [13], [2, 3, 4], [1] * 5)):
        into = tmp_path / f"stopped-{number}"
        for steps in stops:
            with pytest.raises(Stopped):
                run_pretrain(tokens_folder, into, StopAfter(steps), optimizer)
        again = run_pretrain(tokens_folder, into, Progress(), optimizer)
        assert files(into) == wanted, f"stopped after {stops}"
        assert {k: v for k, v in again.items() if k != "training_seconds"} == {
            k: v for k, v in figures.items() if k != "training_seconds"
        }


@pytest.mark.parametrize("seconds", [0, 1000], ids=["state after every step", "no state"])
def test_ctrl_c_goes_on(seconds: float, tokens_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMON, "checkpoint_seconds", seconds)
    run_pretrain(tokens_folder, tmp_path / "whole", Progress())
    with pytest.raises(KeyboardInterrupt):
        run_pretrain(tokens_folder, tmp_path / "stopped", StopAfter(8, KeyboardInterrupt))
    assert (tmp_path / "stopped" / "scratch" / "state.pt").exists() == (seconds == 0)
    run_pretrain(tokens_folder, tmp_path / "stopped", Progress())
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_sft_resumes_exactly(optimizer: Any, base: Path, conversations: Any, tmp_path: Path) -> None:
    settings = SftSettings(optimizer=optimizer, epochs=2.5, **COMMON)

    def run(into: Path, progress: Progress) -> dict[str, Any]:
        return sft(base, [Given("rows", rows=conversations)], settings, seed=1, into=into, progress=progress)

    figures = run(tmp_path / "whole", Progress())
    assert figures["steps"] > 8
    assert 0 < figures["answer_share"] < 0.7
    for steps in (0, 3, figures["steps"] - 1):
        with pytest.raises(Stopped):
            run(tmp_path / f"{steps}", StopAfter(steps))
        assert run(tmp_path / f"{steps}", Progress()) == figures
        assert files(tmp_path / f"{steps}") == files(tmp_path / "whole")


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_dpo_resumes_exactly(optimizer: Any, base: Path, preferences: Any, tmp_path: Path) -> None:
    settings = DpoSettings(optimizer=optimizer, learning_rate=1e-3, **COMMON)

    def run(into: Path, progress: Progress) -> dict[str, Any]:
        return dpo(base, [Given("rows", rows=preferences)], settings, seed=1, into=into, progress=progress)

    figures = run(tmp_path / "whole", Progress())
    assert figures["steps"] == 10
    for advances in (3, 10, 14, 19):  # the first ten belong to the reference's log-probabilities
        with pytest.raises(Stopped):
            run(tmp_path / f"{advances}", StopAfter(advances))
        assert run(tmp_path / f"{advances}", Progress()) == figures
        assert files(tmp_path / f"{advances}") == files(tmp_path / "whole")


def test_storing_takes_a_thirtieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for seconds, pause in ((20.0, 1200), (1500.0, 1500), (0.0, 0)):
        pace = Pace(seconds)
        with pace.storing():
            clock[0] += 40
        clock[0] += pause
        assert not pace.due
        clock[0] += 1
        assert pace.due


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_resume import Progress, run_pretrain
print("ready", flush=True)
run_pretrain(Path(sys.argv[2]), Path(sys.argv[3]), Progress())
print("finished", flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_random_moments(tokens_folder: Path, tmp_path: Path) -> None:
    run_pretrain(tokens_folder, tmp_path / "whole", Progress())
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tokens_folder), str(tmp_path / "killed")]
    source = random.Random(os.urandom(8))
    kills = 0
    while kills < 4:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(source.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
            finished = "finished" in process.stdout.read()
        kills += 1
        if finished:
            break
    subprocess.run(command, check=True, capture_output=True)
    killed = {name: data for name, data in files(tmp_path / "killed").items() if not name.endswith(".tmp")}
    assert killed == files(tmp_path / "whole")


def test_losses_fall(tokens_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random rows, read again and again, are learnt by heart."""
    monkeypatch.setitem(COMMON, "checkpoint_seconds", 1000)
    monkeypatch.setitem(PHASES, "phase1", PHASES["phase1"] | {"tokens": 30 * 256})
    figures = run_pretrain(tokens_folder, tmp_path, Progress())
    steps = read(tmp_path)
    assert [one["step"] for one in steps] == list(range(1, 39))
    last = {"phase1": sum(one["loss"] for one in steps[24:30]) / 6, "phase2": steps[-1]["loss"]}
    assert figures["loss"] == pytest.approx(last, abs=1e-4), "of the steps of each phase, at its end"
    assert steps[0]["loss"] == pytest.approx(5.94, abs=0.1), "ln 380: nothing is known yet"
    assert steps[29]["loss"] < 0.95 * steps[0]["loss"]
    assert all(0 < one["rate"] <= 1 for one in steps)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def test_the_state_is_replaced_whole(tokens_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while the state is being written leaves the state before it."""
    from hornbook.train import state

    run_pretrain(tokens_folder, tmp_path / "whole", Progress())
    original, written = state.checked_writer, 0

    @contextmanager
    def half(path: Path) -> Iterator[CheckedWriter]:
        nonlocal written
        written += 1
        with original(path) as file:
            yield file
            if written == 5:
                raise Stopped  # nothing catches it: what was written stays, without its end

    monkeypatch.setattr(state, "checked_writer", half)
    with pytest.raises(Stopped):
        run_pretrain(tokens_folder, tmp_path / "stopped", Progress())
    assert temporary_of(tmp_path / "stopped" / "scratch" / "state.pt").is_file()
    run_pretrain(tokens_folder, tmp_path / "stopped", Progress())
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


@pytest.mark.parametrize("damaged", ["scratch/state.pt", "phase1/model.safetensors"])
def test_one_flipped_bit_is_never_gone_on_from(damaged: str, tokens_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    run_pretrain(tokens_folder, tmp_path / "whole", Progress())
    with pytest.raises(Stopped):
        run_pretrain(tokens_folder, tmp_path / "stopped", StopAfter(9))
    place = tmp_path / "stopped" / damaged
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    run_pretrain(tokens_folder, tmp_path / "stopped", Listening())
    assert any(f"{damaged} is damaged: pretraining begins again from its first step" in one for one in said)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
