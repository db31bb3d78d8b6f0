"""What of the system is shown inside."""

from __future__ import annotations

from hornbook.sandbox.inside import mounts


def test_folders_within_others_are_not_bound_twice() -> None:
    folders = ["/a/b/c", "/a/b", "/a/bc", "/a/b/", "/z", "/a/b/../b/d"]
    assert mounts._outermost(folders) == ["/z", "/a/b", "/a/bc"]
