"""All that a corpus must not hold: the run's own problems, and benchmarks that the recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hornbook.corpus.contamination import Detector, load_problems
from hornbook.corpus.leaks.benchmarks import load_benchmarks
from hornbook.corpus.leaks.find import Finder
from hornbook.corpus.settings import CleanSettings
from hornbook.progress import Progress


class Protected:
    """Finds problems and items of benchmarks in documents, and knows their texts by the names it gives them.

    `left_out`: for each file of the benchmarks of which something can't be used, why.
    """

    def __init__(self, problems: Path | None, against: Sequence[Path], settings: CleanSettings) -> None:
        """Raises UserError for unusable problems or benchmarks."""
        own = load_problems(problems) if problems else []
        loaded = [load_benchmarks(path) for path in against]
        self._benchmarks = [one for some in loaded for one in some]
        self.left_out = {place: reason for some in loaded for place, reason in some.left_out.items()}
        self.texts = {problem.id: problem.text for problem in own}
        self.texts |= {f"{item.benchmark}/{item.id}": item.text for one in self._benchmarks for item in one.items}
        self._detector = Detector(own, gram=settings.gram, match=settings.match) if own else None
        self._finder: Finder | None = None

    def prepare(self, progress: Progress) -> None:
        """Make ready to look for benchmarks, which can take a minute."""
        if self._benchmarks and self._finder is None:
            total = sum(len(one.items) for one in self._benchmarks)
            with progress.task("prepare benchmarks", total=total) as task:
                self._finder = Finder(self._benchmarks, task=task)

    def find(self, texts: Sequence[str]) -> list[str | None]:
        """For each text the name of what it holds, or None: a problem of the run's own first."""
        found: list[str | None] = [None] * len(texts)
        if self._detector is not None:
            found = [leak.problem.id if leak is not None else None for leak in self._detector.find(texts)]
        if self._benchmarks:
            self._finder = self._finder or Finder(self._benchmarks)
            for number, hits in enumerate(self._finder.find(texts)):
                if hits and found[number] is None:
                    best = max(hits, key=lambda hit: hit.share)
                    found[number] = f"{best.item.benchmark}/{best.item.id}"
        return found
