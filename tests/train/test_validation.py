"""A training that is measured on the way: what it is measured by, what it keeps, and when it ends."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tests.train.on_ranks import start, train
from tests.train.test_resume import COMMON, StopAfter, Stopped, files

from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.train import held_out
from hornbook.train.data import Given
from hornbook.train.dpo import DpoSettings, dpo
from hornbook.train.figures import Figures, read, validations
from hornbook.train.held_out import split
from hornbook.train.sft import SftSettings, sft
from hornbook.train.validation import Validation, outcome

STEEP: dict[str, Any] = COMMON | {"optimizer": "adamw", "learning_rate": 3e-2, "warmup": 0.0, "schedule": "constant"}


@pytest.fixture(scope="module")
def talks() -> list[list[dict[str, str]]]:
    """Answers that nobody can know: what is learnt of some says nothing of the others."""
    source = random.Random(5)
    words = ["red", "blue", "two", "seven", "cat", "house", "run"]
    return [
        [
            {"role": "user", "content": f"Number {number}?"},
            {"role": "assistant", "content": " ".join(source.choices(words, k=6))},
        ]
        for number in range(40)
    ]


def run(base: Path, rows: list[Any], into: Path, progress: Progress | None = None, **chosen: Any) -> dict[str, Any]:
    settings = SftSettings(**STEEP | {"epochs": 12, "validation": 8, "validate_every": 3, "packing": False} | chosen)
    return sft(base, [Given("rows", rows=rows)], settings, seed=1, into=into, progress=progress or Progress())


def loss_of(folder: Path, rows: list[Any]) -> float:
    """The mean loss of the assistant's tokens, one conversation at a time, in transformers' words."""
    model, tokenizer = checkpoint.load(folder, dtype=torch.float32), Tokenizer(folder)
    nats = count = 0.0
    with torch.inference_mode():
        for row in rows:
            ids, mask = tokenizer.chat_with_mask(row)
            logits = model(torch.tensor([ids[:-1]]))[0].double()
            each = F.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
            learnt = torch.tensor(mask[1:])
            nats, count = nats + each[learnt].sum().item(), count + learnt.sum().item()
    return nats / count


def test_it_ends_when_it_gets_no_better_and_keeps_the_best(base: Path, talks: list[Any], tmp_path: Path) -> None:
    """Measured in bf16 training too, the figures are those of the folders, row by row, in fp32."""
    figures = run(base, talks, tmp_path, patience=2, precision="bf16")
    found, measured = figures["validation"], validations(tmp_path)
    losses = measured["validation_loss"]
    assert measured["step"][:2] == [0, 3]
    lowest = min(losses[1:])
    at = losses.index(lowest)
    assert found["step"] == measured["step"][at]
    assert losses[at + 1 :] == [loss for loss in losses[at + 1 :] if loss > lowest]
    assert len(losses) == at + 3, "two more were no better"
    assert figures["steps"] == measured["step"][-1] < 12 * 32 // 4
    assert (
        found["ended"] == f"the held-out loss of step {found['step']}, {lowest:.4f}, stayed the lowest in 2 validations"
    )
    _, held = split([Given("rows", rows=talks)], SftSettings(validation=8), Progress())
    assert loss_of(base, held[0].rows) == pytest.approx(found["before"], abs=2e-4)
    assert loss_of(tmp_path / "model", held[0].rows) == pytest.approx(found["after"], abs=2e-4)
    lines = [line for line in read(tmp_path) if "validation_loss" in line]
    assert {line["precision"] for line in lines} == {"fp32"}
    assert len({line["validation_tokens"] for line in lines}) == 1


@pytest.mark.slow
def test_killed_and_gone_on_with_it_decides_the_same(base: Path, talks: list[Any], tmp_path: Path) -> None:
    """Also right before and behind a validation, and before the last step."""
    figures = run(base, talks, tmp_path / "whole", patience=2)
    last = figures["steps"]
    assert run(base, talks, tmp_path / "whole", patience=2) == figures, "its end was stored"
    for stops in ([2], [3], [last - 2], [last - 1], [1] * 3):
        into = tmp_path / f"{stops}"
        for steps in stops:
            with pytest.raises(Stopped):
                run(base, talks, into, StopAfter(steps), patience=2)
        assert run(base, talks, into, patience=2) == figures
        assert files(into) == files(tmp_path / "whole")


def test_the_last_weights_stay_where_that_is_wanted(base: Path, talks: list[Any], tmp_path: Path) -> None:
    """Being measured changes no weight: a training of the rows that are left ends the same."""
    kept = run(base, talks, tmp_path / "last", keep="last")
    assert kept["validation"]["step"] == kept["steps"] == 96
    learnt, _ = split([Given("rows", rows=talks)], SftSettings(validation=8), Progress())
    run(base, learnt[0].rows, tmp_path / "plain", validation=0, validate_every=None)
    last, plain = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("last", "plain"))
    assert all(torch.equal(last[name], plain[name]) for name in plain)
    assert not validations(tmp_path / "plain")


@pytest.mark.slow
def test_compiled_training_is_measured_alike(base: Path, talks: list[Any], tmp_path: Path) -> None:
    """What is measured is computed without the compiler, and the compiled steps go on as before."""
    measured = run(base, talks[:16], tmp_path / "measured", validation=4, keep="last", epochs=3, compile=True)
    learnt, held = split([Given("rows", rows=talks[:16])], SftSettings(validation=4), Progress())
    plain = {"validation": 0, "validate_every": None, "epochs": 3, "compile": True}
    run(base, learnt[0].rows, tmp_path / "plain", **plain)
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("measured", "plain"))
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert loss_of(tmp_path / "measured" / "model", held[0].rows) == pytest.approx(
        measured["validation"]["after"], abs=2e-4
    )


def test_before_the_first_step_the_loss_may_be_no_number(tmp_path: Path) -> None:
    """JSON has no infinity: the line says null, and so do the figures."""
    told: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            told.append(text)

    lines = Figures(tmp_path, [])
    with lines.open():
        lines.add({"step": 0, "validation_loss": math.inf, "validation_tokens": 7})
        lines.add({"step": 3, "validation_loss": 1.5, "validation_tokens": 7})
    measured = Validation(lambda model: {}, [3], losses={3: 1.5})
    found = outcome([measured], tmp_path, Listening())
    assert found["validation"].items() >= {"before": None, "after": 1.5, "step": 3, "tokens": 7}.items()
    assert "held-out loss no number before, 1.5000 with" in told[0]
    assert held_out.told(found) == ", held out no number → 1.50"


def test_pairs_are_measured_against_the_base(base: Path, preferences: list[Any], tmp_path: Path) -> None:
    """Before the first step the margins are 0, and the loss ln 2."""
    settings = DpoSettings(**COMMON | {"learning_rate": 1e-3, "chosen_weight": 0, "validation": 0.2})
    given = [Given("pairs", rows=preferences)]
    figures = dpo(base, given, settings, seed=1, into=tmp_path / "whole", progress=Progress())
    found = validations(tmp_path / "whole")
    assert figures["pairs"] == 32
    assert found["validation_loss"][0] == pytest.approx(0.6931, abs=1e-4)
    assert (found["validation_margin"][0], found["validation_accuracy"][0]) == (pytest.approx(0, abs=1e-5), 0.5)
    assert len(found["step"]) == 6
    assert figures["validation"]["after"] < 0.69
    with pytest.raises(Stopped):
        dpo(base, given, settings, seed=1, into=tmp_path / "stopped", progress=StopAfter(12))
    assert dpo(base, given, settings, seed=1, into=tmp_path / "stopped", progress=Progress()) == figures
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_two_processes_decide_as_one_does(tmp_path: Path) -> None:
    """The rows are random: what is learnt by heart makes the others worse, and the training ends early."""
    chosen = {"batch": 6, "compile": False, "checkpoint_seconds": 0, "learning_rate": 3e-2, "optimizer": "adamw"}
    for world in (1, 2):
        into = tmp_path / f"{world}"
        into.mkdir()
        if world == 1:
            train(chosen, into, 20, patience=1)
        else:
            assert start(world, train, chosen, into, 20, None, 1) == [0, 0]
    one, two = (read(tmp_path / name) for name in ("1", "2"))
    assert [line["step"] for line in two] == [line["step"] for line in one]
    assert one[-1]["step"] < 20
    for wanted, found in zip(one, two, strict=True):
        figures = [{name: value for name, value in line.items() if name != "precision"} for line in (wanted, found)]
        assert figures[1] == pytest.approx(figures[0], rel=1e-6)
    weights = [torch.load(tmp_path / name / "trained.pt")["weights"] for name in ("1", "2")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=1e-9)
