"""Decontamination: what a model will be measured with is kept out of what it learns from.

The run's own problems are found by runs of words (`ngram_overlap`), or by their parts where both they and the text were
composed of parts; benchmarks that others published (`benchmarks`) by runs of words, by runs of letters for mathematics,
and by the shape of code (`finder`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hornbook.corpus.decontaminate.benchmarks import load_benchmarks, say_left_out
from hornbook.corpus.decontaminate.finder import Finder
from hornbook.corpus.decontaminate.ngram_overlap import Detector, Leak, Problem, load_problems
from hornbook.corpus.decontaminate.settings import DecontaminationSettings
from hornbook.corpus.shuffle import LeftOut, Pieces, RunWriter, chosen, rows_left
from hornbook.documents import DOCUMENTS, Shard
from hornbook.files import digest_value, read_jsonl, write_jsonl
from hornbook.progress import Progress
from hornbook.runs.manifest import SCRATCH
from hornbook.workers.portion import Advance, Portion
from hornbook.workers.work import done_here, work_through

CONTAMINATED = "contamination"  # the reason in `removed/`


@dataclass(frozen=True)
class EvaluationFiles:
    """Where that is which no document may hold: the run's own problems, and folders of benchmarks."""

    problems: Path | None
    benchmarks: tuple[Path, ...]
    settings: DecontaminationSettings


class OwnProblems:
    """Finds a run's own problems in texts.

    What the built-in teacher composed of the parts that problems have, too, shares the words of its family with them:
    by words a family of few forms would go whole, and with it parts that problems ask for. The write stage let nothing
    through that has a problem's parts or, of others, its body. So what it wrote beside the problems, and is known to be
    composed, holds a problem where both are composed alike.
    """

    def __init__(self, problems: Sequence[Problem], settings: DecontaminationSettings) -> None:
        self.composed = {problem.composition: problem for problem in problems if problem.composition}
        self._detector = Detector(problems, ngram=settings.ngram, match=settings.match)

    def find(self, texts: Sequence[str], compositions: Sequence[Sequence[str]]) -> list[Leak | None]:
        """For each text the problem that it holds. compositions: all that it is made of, none where that's unknown."""
        unknown = [place for place, made_of in enumerate(compositions) if not (self.composed and made_of)]
        by_words = dict(zip(unknown, self._detector.find([texts[place] for place in unknown]), strict=True))
        return [
            by_words[place] if place in by_words else next(self._held(made_of), None)
            for place, made_of in enumerate(compositions)
        ]

    def _held(self, compositions: Iterable[str]) -> Iterator[Leak]:
        return (Leak(self.composed[one], 1.0) for one in compositions if one in self.composed)


class EvaluationSets:
    """Finds problems and items of benchmarks in documents, and knows their texts by the names it gives them.

    `left_out`: for each file of the benchmarks of which something can't be used, why.
    """

    def __init__(self, files: EvaluationFiles) -> None:
        """Raises UserError for unusable problems or benchmarks."""
        self.files = files
        own = load_problems(files.problems) if files.problems else []
        loaded = [load_benchmarks(path) for path in files.benchmarks]
        self._benchmarks = [one for some in loaded for one in some]
        self.left_out = {place: reason for some in loaded for place, reason in some.left_out.items()}
        self.texts = {problem.id: problem.text for problem in own}
        self.texts |= {f"{item.benchmark}/{item.id}": item.text for one in self._benchmarks for item in one.items}
        self._own = OwnProblems(own, files.settings) if own else None
        self._finder: Finder | None = None

    @property
    def digest(self) -> str:
        """Tells these texts, and what counts as holding them, from any others."""
        composed = {} if self._own is None else {parts: one.id for parts, one in self._own.composed.items()}
        return digest_value([self.texts, composed, self.files.settings.ngram, self.files.settings.match])

    def prepare(self, progress: Progress) -> None:
        """Make ready to look for benchmarks, which can take a minute."""
        if self._benchmarks and self._finder is None:
            total = sum(len(one.items) for one in self._benchmarks)
            with progress.task("prepare benchmarks", total=total) as task:
                self._finder = Finder(self._benchmarks, task=task)

    def find(self, texts: Sequence[str], compositions: Sequence[str] | None = None) -> list[str | None]:
        """For each text the name of what it holds, or None: a problem of the run's own first.

        compositions: of each text what it is made of, empty where that isn't known.
        """
        found: list[str | None] = [None] * len(texts)
        if self._own is not None:
            parts = [[one] if one else [] for one in compositions] if compositions else [()] * len(texts)
            found = [leak.problem.id if leak is not None else None for leak in self._own.find(texts, parts)]
        if self._benchmarks:
            self._finder = self._finder or Finder(self._benchmarks)
            for number, hits in enumerate(self._finder.find(texts)):
                if hits and found[number] is None:
                    best = max(hits, key=lambda hit: hit.share)
                    found[number] = f"{best.item.benchmark}/{best.item.id}"
        return found


def contaminated(
    stored: Sequence[Shard], left_out: LeftOut | None, sets: EvaluationSets, *, into: Path, progress: Progress
) -> Pieces | None:
    """The documents of a corpus, but for those that are `left_out`, that hold something of `sets`: of each file rows of
    `number` and `kept`, the name of it. None where there are none.

    Works in portions, in the scratch folder of `into`.
    """
    digest = digest_value([sets.digest, left_out and left_out.key])
    leaks = Pieces(into / SCRATCH, "leaks", len(stored), digest_value([digest, [shard.digest for shard in stored]]))
    if not sets.texts:
        return None
    portions = []
    for place, shard in enumerate(stored):
        work = partial(_search_shard, shard, place, left_out, sets.files, sets.digest)
        beside = _beside_problems(shard, sets.files)
        portions.append(Portion.over(shard, leaks.folder(place), work, digest, shard.first, beside))
    say_left_out(sets.left_out, progress)
    if done_here(portions):  # workers prepare for themselves
        sets.prepare(progress)
        _ready.clear()
        _ready[sets.digest] = sets
    try:
        return leaks if sum(work_through(portions, "look for problems", progress)) else None
    finally:
        _ready.clear()


def decontaminate_conversations(
    files: Iterable[Path], problems: Path, settings: DecontaminationSettings, *, into: Path
) -> dict[str, Any]:
    """Copy each .jsonl to `into` without the rows that hold one of the `problems`; those go to `into/removed/`.

    A row has `messages` or a `prompt`, perhaps `chosen`, and perhaps `compositions` of all its functions. Returns how
    many rows of each file were kept and removed.
    """
    own = OwnProblems(load_problems(problems), settings)
    figures = {}
    for path in files:
        rows = list(read_jsonl(path))
        leaks = own.find([_all_said(row) for row in rows], [row.get("compositions") or () for row in rows])
        kept = [row for row, leak in zip(rows, leaks, strict=True) if leak is None]
        removed = [
            {**row, "reason": CONTAMINATED, "problem": leak.problem.id, "share": leak.share}
            for row, leak in zip(rows, leaks, strict=True)
            if leak is not None
        ]
        write_jsonl(into / path.name, kept)
        write_jsonl(into / "removed" / path.name, removed)
        figures[path.stem] = {"kept": len(kept), "removed": len(removed)}
    return figures


# One for all portions of a process, by a digest that tells problems that have changed from these.
_ready: dict[str, EvaluationSets] = {}


def _search_shard(
    shard: Shard,
    place: int,
    left_out: LeftOut | None,
    files: EvaluationFiles,
    digest: str,
    folder: Path,
    advance: Advance,
) -> int:
    """Leave those of a file's documents that hold something, each with its name. Returns how many there are."""
    import pyarrow as pa

    if digest not in _ready:
        _ready.clear()
        _ready[digest] = EvaluationSets(files)
    schema, count = pa.schema({"number": pa.int64(), "kept": pa.large_string()}), 0
    columns = ["text", "composition"] if _beside_problems(shard, files) else ["text"]
    with RunWriter(folder, schema, "number") as writer:
        for rows, batch in chosen(shard.batches(columns), rows_left(left_out, place, shard), advance):
            known = batch["composition"].to_pylist() if "composition" in batch.schema.names else None
            names = _ready[digest].find(batch["text"].to_pylist(), known)
            leaks = [
                {"number": shard.first + row, "kept": name}
                for row, name in zip(rows.tolist(), names, strict=True)
                if name is not None
            ]
            writer.add(pa.Table.from_pylist(leaks, schema=schema))
            count += len(leaks)
    return count


def _beside_problems(shard: Shard, files: EvaluationFiles) -> bool:
    """Whether a file was written with the problems: what another run composed nobody has held against these."""
    return files.problems is not None and files.problems.parent / DOCUMENTS in shard.path.parents


def _all_said(row: dict[str, Any]) -> str:
    """All that is said in a row; the rejected answer too, since it is a near copy of the chosen one."""
    spoken = [message["content"] for message in row.get("messages", [])]
    return "\n".join([*spoken, *(row.get(key, "") for key in ("prompt", "completion", "chosen", "rejected"))])
