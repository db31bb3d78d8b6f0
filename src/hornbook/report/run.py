"""A run as the report sees it: the manifests and files of its finished stages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.documents import rows_where
from hornbook.files import read_json
from hornbook.runs import manifest
from hornbook.runs.folders import stage_folders
from hornbook.runs.manifest import Manifest


@dataclass(frozen=True)
class Run:
    """Finished stages by name, in the recipe's order. A stage that is not there has no figures and no files."""

    folders: Mapping[str, Path]
    manifests: Mapping[str, Manifest]
    control: Run | None = None  # another run, which this one is held against

    @classmethod
    def of(cls, inputs: Mapping[str, Path]) -> Run:
        """The stages among `inputs` that have a manifest; folders are named `NN-stage`, which gives the order."""
        folders, manifests = {}, {}
        for stage, folder in sorted(inputs.items(), key=lambda item: (item[1].name, item[0])):
            found = manifest.read(folder)
            if found is not None:
                folders[stage], manifests[stage] = folder, found
        return cls(folders, manifests)

    @classmethod
    def at(cls, root: Path) -> Run:
        """The run in a folder that `hornbook run` made."""
        return cls.of(stage_folders(root))

    @property
    def titles(self) -> dict[str, str]:
        """What people call the checkpoints, by name, in the recipe's order: the one it went on from, those it left."""
        return dict(self.figures("evaluate").get("titles") or {}) | {
            checkpoint["name"]: checkpoint["title"]
            for found in self.manifests.values()
            for checkpoint in found.checkpoints
        }

    def title(self, stage: str) -> str:
        """What people call the last checkpoint that a stage left; the stage's own name where it tells of none."""
        left = self.manifests[stage].checkpoints if stage in self.manifests else []
        return str(left[-1]["title"]) if left else stage

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Checkpoint names in the recipe's order; unknown ones follow by name."""
        known = list(self.titles)
        return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))

    def figures(self, stage: str) -> dict[str, Any]:
        """What a stage measured; empty where the stage is missing."""
        return self.manifests[stage].figures if stage in self.manifests else {}

    def settings(self, stage: str) -> dict[str, Any]:
        """What a stage was told; empty where the stage is missing."""
        return self.manifests[stage].settings if stage in self.manifests else {}

    def json(self, stage: str, path: str, default: Any) -> Any:
        """A JSON file of a stage, or `default` where the stage did not write it."""
        if stage not in self.folders or not (self.folders[stage] / path).is_file():
            return default
        return read_json(self.folders[stage] / path)

    def file(self, stage: str, path: str) -> Path | None:
        """A file of a stage, or None where the stage did not write it."""
        found = self.folders[stage] / path if stage in self.folders else None
        return found if found is not None and found.is_file() else None

    def documents(
        self, stage: str, column: str, values: Collection[str], columns: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """The documents of a stage's corpus whose `column` has one of these values; none where the stage is missing.

        Only their texts are read; columns that the corpus does not have are left out.
        """
        if stage in self.folders and values:
            yield from rows_where(self.folders[stage], column, values, columns)
