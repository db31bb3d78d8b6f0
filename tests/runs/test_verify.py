"""A run is what was written, to the last bit, or what is not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.files import write_checked, write_text
from hornbook.progress import Progress
from hornbook.runs.run import run
from hornbook.runs.steps import Step
from hornbook.runs.verify import verify


def steps() -> list[Step]:
    def work(inputs: Any, into: Path, progress: Any) -> dict[str, Any]:
        write_text(into / "out" / "text", into.name)
        write_text(into / "empty", "")
        return {}

    return [
        Step(name, "", reads, {}, ("hornbook.seeds",), work)
        for name, reads in (("a", ()), ("b", ("a",)), ("c", ("b",)))
    ]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    run(steps(), tmp_path / "run", progress=Progress())
    return tmp_path / "run"


def wrong(place: Path) -> dict[str, tuple[str, ...]]:
    return {found.folder.name: found.wrong for found in verify(place) if found.wrong}


def test_a_whole_run(made: Path) -> None:
    found = list(verify(made))
    assert [(one.stage, one.files, one.wrong, one.others) for one in found] == [(name, 2, (), ()) for name in "abc"]
    assert [one.stage for one in verify(made / "02-b")] == ["b"]
    assert [one.stage for one in verify(made / "02-b" / "out")] == ["b"]


def test_any_flipped_bit_is_found(made: Path) -> None:
    for file in sorted(made.glob("*/out/text")):
        content = file.read_bytes()
        for position in (0, len(content) - 1):
            flipped = bytearray(content)
            flipped[position] ^= 0b100
            file.write_bytes(flipped)
            assert wrong(made) == {file.parts[-3]: ("out/text has other contents than were written",)}
        file.write_bytes(content)
    assert wrong(made) == {}


def test_what_else_may_be_wrong(made: Path) -> None:
    (made / "01-a" / "out" / "text").write_text("")
    (made / "02-b" / "empty").unlink()
    (made / "03-c" / "notes").write_text("mine")
    found = {one.folder.name: one for one in verify(made)}
    assert found["01-a"].wrong == ("out/text has 0 bytes in place of 13",)
    assert found["02-b"].wrong == ("empty is gone",)
    assert (found["03-c"].wrong, found["03-c"].others) == ((), ("notes",))


def test_the_chain_is_walked(made: Path, tmp_path: Path) -> None:
    other = [Step(one.name, "", one.inputs, {"seed": 2}, one.modules, one.run) for one in steps()[:1]]

    def work(inputs: Any, into: Path, progress: Any) -> dict[str, Any]:
        write_text(into / "out" / "text", "another")
        return {}

    run([Step("a", "", (), {}, other[0].modules, work)], tmp_path / "other", progress=Progress())
    (made / "01-a").rename(tmp_path / "away")
    (tmp_path / "other" / "01-a").rename(made / "01-a")
    assert wrong(made) == {"02-b": ("what it read as a is not in this run",)}


def test_what_is_not_finished(made: Path) -> None:
    partial = made / ".04-d.partial"
    write_text(partial / "scratch" / "key.json", '{"stage": "d", "key": "", "code": "", "seconds": 0}')
    write_checked(partial / "scratch" / "state.pt", b"weights")
    assert [one.stage for one in verify(made)] == ["a", "b", "c", None]
    (partial / "scratch" / "state.pt").write_bytes(b"weights" * 6)
    assert wrong(made) == {".04-d.partial": ("scratch/state.pt is damaged: the training would begin again",)}


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run, and no folder with a manifest"):
        list(verify(tmp_path))
