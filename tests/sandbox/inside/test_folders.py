"""The temporary folder is empty after every program, whatever it held."""

from __future__ import annotations

import os
from pathlib import Path

from hornbook.sandbox.inside import folders


def test_everything_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = tmp_path / "folder"
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    (folder / "a" / "link").symlink_to(outside)
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to("loop")
    (folder / ".moved-1").mkdir()
    (folder / ".moved-2").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    folder.chmod(0)
    folders.empty(folder)
    assert list(folder.iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_paths_longer_than_the_system_allows(tmp_path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(30):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("leaf").touch()
    finally:
        os.fchdir(here)
        os.close(here)
    folders.empty(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_remove_does_not_mind_what_is_gone(tmp_path: Path) -> None:
    folders.remove(tmp_path / "never")
    (tmp_path / "folder" / "file").parent.mkdir()
    (tmp_path / "folder" / "file").touch()
    folders.remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []
