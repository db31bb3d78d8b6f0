"""Two runs side by side: weights bit by bit, figures by their names as they are now."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.benchmarks.scripts import ROOT, script
from tests.test_docs import is_setting

from hornbook.errors import UserError
from hornbook.files import write_jsonl, write_text
from hornbook.runs.manifest import Manifest

compare_runs = script("compare_runs")
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
CLEAN = {"documents": 9, "fine_tuning": {"conversations": {"kept": 3}}, "examples": {"contamination": []}}


def made(folder: Path, number: int, stage: str, figures: dict[str, Any], weights: dict[str, Any] | None = None) -> None:
    place = folder / f"{number:02d}-{stage}"
    place.mkdir(parents=True)
    if weights:
        save_file(weights, place / "model.safetensors")
    Manifest(stage, "k", {}, {}, "c", figures, 1.5 * number, 1_000 * number, {}).write(place)


def runs(tmp_path: Path, **changed: Any) -> tuple[Path, Path]:
    """Two equal runs, but for what is `changed` in the second: its figures of `clean`, its `weights`."""
    clean, weights = changed.get("clean", CLEAN), changed.get("weights", WEIGHTS)
    for name, figures, tensors in (("a", CLEAN, WEIGHTS), ("b", clean, weights)):
        made(tmp_path / name, 1, "clean", figures)
        made(tmp_path / name, 2, "pretrain", {"loss": 0.5, "training_seconds": float(len(name))}, tensors)
    return tmp_path / "a", tmp_path / "b"


def test_equal_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = runs(tmp_path)
    assert compare_runs.main([str(a), str(b)]) == 0
    assert capsys.readouterr().out == "2 tensors and 4 figures compared: no difference\n"


def test_times_and_memory_are_aside_and_numbers_of_folders_too(tmp_path: Path) -> None:
    a, b = runs(tmp_path)
    (b / "02-pretrain").rename(b / "07-pretrain")
    Manifest("pretrain", "k", {}, {}, "c", {"loss": 0.5, "training_seconds": 9.0}, 99.0, 77, {}).write(
        b / "07-pretrain"
    )
    assert compare_runs.compare(a, b).differences == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"clean": {**CLEAN, "documents": 8}}, "stages.clean.documents: 9 -> 8"),
        ({"clean": {**CLEAN, "more": 1}}, "stages.clean.more: only after"),
        ({"weights": {**WEIGHTS, "a": WEIGHTS["a"] + torch.eye(2, 3) / 8}}, "a: 2 of 6 values, by 0.125 at most"),
        ({"weights": {**WEIGHTS, "b": WEIGHTS["b"].float()}}, "b: torch.bfloat16 (4,) -> torch.float32 (4,)"),
        ({"weights": {"a": WEIGHTS["a"]}}, "pretrain/model.safetensors: b only before"),
        ({"weights": None}, "pretrain/model.safetensors: only before"),
    ],
)
def test_differences_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], told: str
) -> None:
    a, b = runs(tmp_path, **changed)
    assert compare_runs.main([str(a), str(b)]) == 1
    assert told in capsys.readouterr().out


def test_many_differences_of_one_file_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("a", 0.0), ("b", 1.0)):
        weights = {f"w{number}": torch.full((2,), value) for number in range(9)}
        made(tmp_path / name, 1, "sft", {"losses": [value] * 9}, weights)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert compare_runs.main([a, b]) == 1
    out = capsys.readouterr().out
    assert "sft/model.safetensors: and 6 more\n" in out and "stages.sft.losses: and 6 more\n" in out
    assert compare_runs.main([a, b, "--all"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 19


def test_a_zero_of_another_sign_is_a_difference() -> None:
    assert compare_runs.difference(torch.tensor([0.0, 1.0]), torch.tensor([-0.0, 1.0]))


def test_names_are_brought_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, figures, tensor in (
        ("a", {"talks": {"conversations": {"kept": 3}}, "gone": 1}, "cut"),
        ("b", {"fine_tuning": {"conversations": {"kept": 3}}, "asked": [4, 5]}, "cuts"),
    ):
        made(tmp_path / name, 1, "clean", figures, {tensor: WEIGHTS["a"]})
    write_text(
        tmp_path / "map.toml",
        '[figures]\n"stages.clean.talks" = "stages.clean.fine_tuning"\n"stages.clean.gone" = ""\n'
        '[added]\nfigures = ["stages.clean.asked"]\n[tensors]\n"model.safetensors" = { cut = "cuts" }\n',
    )
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert compare_runs.main([a, b, "--renamed", str(tmp_path / "map.toml")]) == 0
    assert compare_runs.main([a, b]) == 1
    assert "stages.clean.talks.conversations.kept: only before" in capsys.readouterr().out


def test_loss_curves_are_figures(tmp_path: Path) -> None:
    a, b = runs(tmp_path)
    for folder, loss in ((a, 0.5), (b, 0.75)):
        rows = [{"step": 1, "loss": 4.0, "seconds": loss}, {"step": 2, "loss": loss, "seconds": 2.0}]
        write_jsonl(folder / "02-pretrain" / "training" / "figures.jsonl", rows)
    assert compare_runs.compare(a, b).differences == ["stages.pretrain.curves.loss[1]: 0.5 -> 0.75"]


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run"):
        compare_runs.compare(tmp_path, tmp_path)


def test_the_committed_map_names_what_there_is() -> None:
    renamed = tomllib.loads((ROOT / "docs" / "renamed.toml").read_text(encoding="utf-8"))
    assert all(is_setting(new) and not is_setting(old) for old, new in renamed["settings"].items())
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for old, new in renamed["settings"].items():
        assert f"`{old}`" in changelog and f"`{new}`" in changelog, old
    assert compare_runs.Renamed.read(ROOT / "docs" / "renamed.toml").figures
    for old, new in renamed["modules"].items():
        there = [ROOT.joinpath("src", "hornbook", *new.split("."), "__init__.py")]
        there.append(there[0].parent.with_suffix(".py"))
        assert any(path.is_file() for path in there), f"{old} -> {new}"
