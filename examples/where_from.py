"""From a model back to the documents that it learned from.

    python examples/where_from.py MODEL

MODEL is a run, or a model in one. Every folder of a run names, by hash, what it read: the chain that this follows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hornbook import chain, packed_documents, trace


def main(model: Path, shown: int = 2) -> None:
    """Print the chain, and of each ingredient of the training's mixtures where its first `shown` documents are from."""
    links = chain(model)
    for link in links:
        read = ", ".join(f"{name} in {folder}" if folder else f"{name} (gone)" for name, folder in link.reads.items())
        print(f"{link.stage}  {link.manifest.content[:12]}  {link.folder}" + (f"\n    read {read}" if read else ""))

    folders = [link.folder for link in reversed(links)]
    for link in links:
        for shard, identities in packed_documents(link.folder).items():
            print(f"\n{shard}: {len(identities)} documents, the first of them")
            for identity in identities[:shown]:
                way = trace(identity, folders)
                print(f"  {identity[:12]}  {way.text[:50]!r}")
                for step in way.steps:
                    notes = ", ".join([str(step.columns.get("path", "")), *step.notes]).strip(", ")
                    print(f"    {step.stage}: {'kept' if step.kept else 'dropped'}  {notes}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/pocket"))
