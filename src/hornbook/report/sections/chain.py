"""The chain from the model back to its documents: each stage names, by hash, what it read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.report.checkpoints import Checkpoint
from hornbook.report.run import Run

DOCUMENTS = 5  # shown of each part of a mixture


def view(run: Run, models: Sequence[Checkpoint]) -> dict[str, Any] | None:
    """Links from the last stage to the first, and the first documents that each phase read."""
    if not run.manifests:
        return None
    links = [_link(run, stage) for stage in reversed(list(run.manifests))]
    return {
        "links": links,
        "broken": [link["stage"] for link in links if any(read["same"] is False for read in link["reads"])],
        "parts": _documents(run),
    }


def _link(run: Run, stage: str) -> dict[str, Any]:
    manifest = run.manifests[stage]
    return {
        "stage": stage,
        "folder": run.folders[stage].name,
        "content": manifest.content,
        "code": manifest.code,
        "weights": [(name, digest) for name, digest in sorted(manifest.outputs.items()) if _is_weights(name)],
        "reads": [
            {
                "stage": name,
                "content": content,
                "same": content in run.manifests[name].contents if name in run.manifests else None,
            }
            for name, content in sorted(manifest.inputs.items())
        ],
    }


def _is_weights(name: str) -> bool:
    return name.endswith("model.safetensors")


def _documents(run: Run) -> list[dict[str, Any]]:
    """For each part of each phase: the first documents in reading order, with where they came from."""
    from hornbook.tokens.shards import packed_documents

    listed = []
    packed = packed_documents(run.folders["tokens"]) if "tokens" in run.folders else {}
    for phase, parts in sorted(run.figures("tokens").get("phases", {}).items()):
        for index, part in enumerate(parts):
            listed.append((phase, part, packed.get(f"{phase}-{index}", [])))
    shown = {id_ for _, _, ids in listed for id_ in ids[:DOCUMENTS]}
    columns = ["id", "source", "path", "score", "text"]
    found = {row["id"]: row for row in run.documents("clean", "id", shown, columns)}
    return [
        {
            "phase": run.titles.get(phase, phase),
            "name": " + ".join(part["sources"]),
            "count": len(ids),
            "rows": [_document(id_, found.get(id_, {})) for id_ in ids[:DOCUMENTS]],
        }
        for phase, part, ids in listed
        if ids
    ]


def _document(id_: str, row: dict[str, Any]) -> dict[str, Any]:
    text = (row.get("text") or "").strip()
    return {
        "id": id_,
        "source": row.get("source") or "",
        "path": row.get("path") or "",
        "score": row.get("score"),
        "opening": text.split("\n", 1)[0][:100],
    }
