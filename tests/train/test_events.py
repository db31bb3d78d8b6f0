"""A training that TensorBoard shows: what lies in the event files, read back by TensorBoard itself."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from tests.train.test_resume import COMMON

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Work
from hornbook.settings import deciding
from hornbook.train.data import Given
from hornbook.train.events import located
from hornbook.train.figures import Figures, read
from hornbook.train.further import FURTHER, FurtherStageSettings
from hornbook.train.sft import SftSettings, sft


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard would draw: steps and values by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(one.step, one.value) for one in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_a_training_leaves_its_figures_as_events(base: Path, conversations: list[Any], tmp_path: Path) -> None:
    """All of them, beside the file that it writes anyhow, and its result is no other."""
    settings = SftSettings(**COMMON | {"validation": 6, "validate_every": 2, "tensorboard": str(tmp_path / "events")})
    for name, chosen in (("seen", settings), ("plain", settings.model_copy(update={"tensorboard": None}))):
        sft(base, [Given("rows", rows=conversations)], chosen, seed=1, into=tmp_path / name, progress=Progress())
    assert deciding(settings) == deciding(settings.model_copy(update={"tensorboard": None}))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("seen", "plain")]
    assert weights[0] == weights[1]
    found = shown(tmp_path / "events")
    wanted: dict[str, list[tuple[int, float]]] = {}
    for entry in read(tmp_path / "seen"):
        measured = "validation_loss" in entry
        for name, figure in entry.items():
            if name not in ("step", "precision") and measured == name.startswith("validation_"):
                tag = f"validation/{name.removeprefix('validation_')}" if measured else f"training/{name}"
                wanted.setdefault(tag, []).append((int(entry["step"]), pytest.approx(figure, rel=1e-6)))
    assert len(found.pop("training/tokens_per_second")) == len(wanted["training/loss"])
    assert found == wanted
    assert found["validation/loss"][0][0] == 0


def test_steps_that_are_done_again_are_there_once(tmp_path: Path) -> None:
    """Killed behind the third step, with the second as the last state; and events that are asked for only then."""

    def go_on(steps: range, events: str, before: list[dict[str, float]]) -> None:
        figures = Figures(tmp_path, before, str(tmp_path / events))
        with figures.open():
            for step in steps:
                figures.add({"step": step, "loss": step / 2})

    go_on(range(1, 4), "events", [])
    before = [{"step": step, "loss": step / 2, "seconds": 1.0} for step in (1, 2)]
    go_on(range(3, 5), "events", before)
    go_on(range(3, 5), "late", before)
    for name in ("events", "late"):
        assert shown(tmp_path / name) == {"training/loss": [(step, step / 2) for step in range(1, 5)]}
    go_on(range(1, 2), "events", [])
    assert shown(tmp_path / "events") == {"training/loss": [(1, 0.5)]}, "another training takes its place"


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one who adds a line, so that the training stops as for its other files."""

    def full(writer: Any, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    figures = Figures(tmp_path, [], str(tmp_path / "events"))
    with figures.open():
        monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
        with pytest.raises(OSError, match="No space left") as raised:
            figures.add({"step": 1, "loss": 1.0})
    assert Path(raised.value.filename).parent == tmp_path / "events"


def test_where_events_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to where other paths are; never into the folder that is made, in which nothing else may lie."""
    settings = SftSettings(tensorboard="seen")
    assert located(settings, tmp_path / "tuned", tmp_path).tensorboard == str(tmp_path / "seen")
    assert located(SftSettings(), tmp_path / "tuned", tmp_path) == SftSettings()
    for into in (".tuned.partial", "tuned"):
        for place in ("tuned/seen", "tuned", f"{into}/x"):
            with pytest.raises(UserError, match=f"tensorboard={place} lies in .*, which is to be made; name another"):
                located(SftSettings(tensorboard=place), tmp_path / into, tmp_path)
    monkeypatch.setattr("hornbook.train.events.find_spec", lambda name: None)
    work = Work(FurtherStageSettings.model_validate({"pretrain": {"tensorboard": "x"}}), {}, tmp_path / SCRATCH, Progress())  # fmt: skip
    with pytest.raises(UserError, match=r"needs TensorBoard: pip install 'hornbook\[tensorboard\]'"):
        FURTHER.run(work)
