"""One, two and four processes train the same model; one is killed, and another number of them goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.on_ranks import start, train, wait_and_work

SETTINGS: dict[str, Any] = {"batch": 6, "compile": False, "checkpoint_seconds": 1000, "learning_rate": 1e-2}
EVERY_STEP = SETTINGS | {"checkpoint_seconds": 0}
KILLED = -9


def trained(world: int, into: Path, settings: dict[str, Any] = SETTINGS, steps: int = 20) -> dict[str, Any]:
    """What `world` processes make; one is this one."""
    into.mkdir(parents=True, exist_ok=True)
    if world == 1:
        train(settings, into, steps)
    else:
        assert start(world, train, settings, into, steps) == [0] * world
    made: dict[str, Any] = torch.load(into / "trained.pt")
    return made


def assert_alike(made: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The same batches, and weights but for the order in which sums are taken."""
    for name, weight in wanted["weights"].items():
        torch.testing.assert_close(made["weights"][name], weight, rtol=0, atol=1e-9)
    for one, other in zip(made["log"], wanted["log"], strict=True):
        assert one == pytest.approx(other, rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "worlds"), [("muon", (2, 4)), ("adamw", (2,))], ids=["muon", "adamw"])
def test_several_processes_train_as_one_does(optimizer: str, worlds: tuple[int, ...], tmp_path: Path) -> None:
    """Six rows are no multiple of four: two of the ranks compute a part that counts nothing."""
    settings = SETTINGS | {"optimizer": optimizer}
    one = trained(1, tmp_path / "1", settings)
    for world in worlds:
        made = trained(world, tmp_path / f"{world}", settings)
        assert made["gradients"].keys() == one["gradients"].keys()
        for name, gradient in one["gradients"].items():
            torch.testing.assert_close(made["gradients"][name], gradient, rtol=1e-11, atol=1e-15)
        assert_alike(made, one)


@pytest.mark.slow
def test_a_rank_is_killed_and_the_same_number_goes_on(tmp_path: Path) -> None:
    whole = trained(2, tmp_path / "whole", EVERY_STEP, 5)
    (tmp_path / "killed").mkdir()
    codes = start(2, train, EVERY_STEP, tmp_path / "killed", 5, 4)
    assert codes[1] == KILLED
    assert codes[0] != 0
    assert (tmp_path / "killed" / "scratch" / "state.json").is_file()
    again = trained(2, tmp_path / "killed", EVERY_STEP, 5)
    assert len(again["log"]) == 5
    assert again["log"] == whole["log"]
    for name, weight in whole["weights"].items():
        assert torch.equal(again["weights"][name], weight)


@pytest.mark.slow
def test_another_number_goes_on(tmp_path: Path) -> None:
    one = trained(1, tmp_path / "one", SETTINGS, 5)
    for before, after in ((4, (2, 1)), (1, (2,))):
        begun = tmp_path / f"of-{before}"
        begun.mkdir()
        assert start(before, train, EVERY_STEP, begun, 5, 4)[-1] == KILLED
        for world in after:
            into = shutil.copytree(begun, tmp_path / f"from-{before}-to-{world}")
            assert_alike(trained(world, into, EVERY_STEP, 5), one)
            assert len(list((into / "scratch").glob("state*"))) == (1 if world == 1 else 2), "the state before is gone"


def test_a_damaged_part_is_never_gone_on_from(tmp_path: Path) -> None:
    start(2, train, EVERY_STEP, tmp_path, 3, 3)
    (part,) = (tmp_path / "scratch").glob("state-*/__1_0.distcp")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert_alike(trained(1, tmp_path, SETTINGS, 3), trained(1, tmp_path / "other", SETTINGS, 3))
    assert not list((tmp_path / "scratch").glob("state*")) or part.exists()


def test_waiting_takes_no_processor(tmp_path: Path) -> None:
    assert start(2, wait_and_work, tmp_path) == [0, 0]
    assert float((tmp_path / "seconds").read_text()) < 0.3
