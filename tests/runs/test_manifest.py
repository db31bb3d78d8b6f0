from __future__ import annotations

from pathlib import Path

from hornbook.files import digest_value
from hornbook.runs import manifest


def test_outputs_leave_out_scratch_and_the_manifest(tmp_path: Path) -> None:
    for name in ("manifest.json", "scratch/state", "out/scratch/x", "scratchy", "a/manifest.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(manifest.outputs(tmp_path)) == ["a/manifest.json", "out/scratch/x", "scratchy"]


def test_a_part_of_what_was_written_has_a_hash_of_its_own(tmp_path: Path) -> None:
    for name in ("rows.jsonl", "documents/a", "documents/deep/b", "documents.more/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    outputs = manifest.outputs(tmp_path)
    made = manifest.Manifest("clean", "", {}, {}, "", {}, 0.0, 0, outputs)
    assert made.content_of("") == made.content_of("nowhere") == made.content == digest_value(outputs)
    assert made.content_of("rows.jsonl") == outputs["rows.jsonl"]
    assert made.content_of("documents") == digest_value(manifest.outputs(tmp_path / "documents"))
    assert made.content_of("documents/deep") == digest_value({"b": outputs["documents/deep/b"]})
    parts = ("", "documents", "documents/deep", "documents.more", *outputs)
    assert made.contents == {made.content_of(part) for part in parts}
