from __future__ import annotations

from pathlib import Path

from hornbook.runs import manifest


def test_outputs_leave_out_scratch_and_the_manifest(tmp_path: Path) -> None:
    for name in ("manifest.json", "scratch/state", "out/scratch/x", "scratchy", "a/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(manifest.outputs(tmp_path)) == ["a/manifest.json", "out/scratch/x", "scratchy"]
