"""From a result back to what it was made of, by the hashes in the manifests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.files import write_text
from hornbook.runs.chain import chain
from hornbook.runs.single import run_stage
from hornbook.runs.stage import Input, Stage, Work
from hornbook.settings import Settings


class NoSettings(Settings):
    """Nothing."""


def _write(work: Work[Any]) -> dict[str, Any]:
    told = [(folder / "words.txt").read_text() for folder in work.inputs.values()]
    write_text(work.into / "words.txt", " ".join([*told, work.into.name]))
    write_text(work.into / "model" / "words.txt", f"model of {work.into.name}")
    return {}


def stage(name: str, *reads: str) -> Stage[Any]:
    return Stage(name, "", NoSettings, _write, inputs=tuple(Input(one, ()) for one in reads))


@pytest.fixture
def made(tmp_path: Path) -> Mapping[str, Path]:
    """a and b are read by c, of which d reads the model."""
    folders = {name: tmp_path / name for name in "abcd"}
    run_stage(stage("read"), folders["a"])
    run_stage(stage("read"), folders["b"])
    run_stage(stage("mix", "one", "other"), folders["c"], one=folders["a"], other=folders["b"])
    run_stage(stage("train", "base"), folders["d"], base=folders["c"] / "model")
    return folders


def test_every_folder_comes_before_what_it_read(made: Mapping[str, Path]) -> None:
    links = chain(made["d"])
    assert [link.stage for link in links] == ["train", "mix", "read", "read"]
    assert links[0].reads == {"base": made["c"]}
    assert links[1].reads == {"one": made["a"], "other": made["b"]}
    assert [link.folder for link in chain(made["d"] / "model")] == [link.folder for link in links]
    assert [link.folder for link in chain(str(made["a"]))] == [made["a"]]


def test_what_was_changed_or_taken_away_is_no_link(made: Mapping[str, Path]) -> None:
    run_stage(stage("other"), made["a"].with_name("e"))
    manifest = made["b"] / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"words.txt": "', '"words.txt": "0'))
    assert chain(made["d"])[1].reads == {"one": made["a"], "other": None}
    manifest.unlink()
    assert chain(made["d"])[1].reads == {"one": made["a"], "other": None}


def test_a_folder_without_a_manifest_has_no_chain(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither .* nor a folder above it has a manifest.json"):
        chain(tmp_path)
