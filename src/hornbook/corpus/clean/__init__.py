"""The third stage: no text twice, none almost twice, and none that the model will be measured with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.corpus.clean.boilerplate import CommonLines, common_lines
from hornbook.corpus.clean.duplicates import near_duplicates
from hornbook.corpus.clean.index import exact_duplicates, index_documents
from hornbook.corpus.clean.removals import NEAR, Removals
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.clean.writing import EXAMPLE_CHARACTERS, write
from hornbook.corpus.decontaminate import CONTAMINATED, EvaluationFiles, EvaluationSets, contaminated
from hornbook.corpus.shuffle import LeftOut
from hornbook.display import plural
from hornbook.documents import corpus_schema, shards
from hornbook.errors import UserError
from hornbook.files import expanded
from hornbook.machine import release_memory
from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import Input, Stage, Work
from hornbook.settings import Settings


def clean(
    corpora: Sequence[Path],
    problems: Path | None,
    settings: CleanSettings,
    *,
    into: Path,
    progress: Progress,
    against: Sequence[Path] = (),
) -> dict[str, Any]:
    """Merge `corpora` into one, without duplicates and without the `problems` (.jsonl: id, prompt, solution), if any,
    and the benchmarks in the folders `against`.

    First exact duplicates go (equal normalised texts), then near duplicates, which are compared without boilerplate,
    then what holds a problem. Of duplicates
    the one with the highest score stays, then the one with the smallest id. Columns that only some corpora have
    survive, null elsewhere. `documents/` and `removed/` are ordered by the hash of the normalised text and do not
    depend on the order of rows, files or corpora. Every pass works in portions; what an interrupted call finished is
    not done again. Returns the figures: counts by source and by reason, and examples. Raises UserError for something
    that isn't a corpus, columns that don't fit together, or unusable problems.
    """
    if not corpora:
        raise UserError("there is no corpus to clean: name one, a folder with documents/ in it")
    schema = corpus_schema(corpora)
    evaluation = EvaluationSets(EvaluationFiles(problems, tuple(against), settings))
    index = index_documents(shards(*corpora), into=into, progress=progress)
    left_out = exact_duplicates(index, into=into, progress=progress)
    boilerplate: CommonLines | None = None
    if settings.boilerplate:
        boilerplate = common_lines(index.shards, left_out, settings, into=into, progress=progress)
    near = near_duplicates(index, left_out, boilerplate, settings, into=into, progress=progress)
    left_out = LeftOut(left_out.anywhere, near.removed)
    release_memory()  # sets of shingles, before several workers hold texts
    leaks = contaminated(index.shards, left_out, evaluation, into=into, progress=progress)
    others = [(NEAR, near.removed), (CONTAMINATED, leaks)]
    removals = Removals(index, [(reason, pieces) for reason, pieces in others if pieces is not None])
    off = boilerplate if settings.remove_boilerplate else None
    figures = write(removals, schema, off, settings, into=into, progress=progress)
    for row in figures["examples"][CONTAMINATED]:
        row["kept_text"] = evaluation.texts[row["kept"]][:EXAMPLE_CHARACTERS]
    return {
        **figures,
        "without_boilerplate": near.without_boilerplate,
        "problems": len(evaluation.texts),
        "benchmarks_left_out": evaluation.left_out,
    }


class CleanStageSettings(Settings):
    """What the clean stage depends on."""

    clean: CleanSettings = CleanSettings()

    def benchmarks(self, base: Path) -> list[Path]:
        """Where the benchmarks lie that no document may hold."""
        return [base / expanded(path) for path in self.clean.against]


def _clean(work: Work[CleanStageSettings]) -> dict[str, Any]:
    from hornbook.corpus.decontaminate import decontaminate_conversations

    settings, texts, written = work.settings.clean, work.inputs.get("texts"), work.inputs.get("written")
    against = work.settings.benchmarks(work.base)
    corpora = [*work.several.get("corpora", {}).values()]
    corpora += [work.inputs["corpus"]] if "corpus" in work.inputs else []
    if texts is not None:
        corpora += sorted(path for path in texts.iterdir() if path.is_dir())
    if written is None:
        return clean(corpora, None, settings, into=work.into, progress=work.progress, against=against)
    problems = written / "problems.jsonl"
    corpora.append(written)
    figures = clean(corpora, problems, settings, into=work.into, progress=work.progress, against=against)
    files = (written / "conversations.jsonl", written / "preferences.jsonl")
    return figures | {"fine_tuning": decontaminate_conversations(files, problems, settings, into=work.into)}


def _benchmarks(settings: CleanStageSettings, base: Path) -> Any:
    from hornbook.corpus.decontaminate.benchmarks import fingerprint

    return [fingerprint(path) for path in settings.benchmarks(base)] or None


CLEAN = Stage(
    name="clean",
    summary="duplicates and leaked problems out",
    settings=CleanStageSettings,
    run=_clean,
    on_workers=True,
    inputs=(
        Input("corpora", (), "Corpora of one's own, which become one.", every=True, optional=True),
        Input("corpus", ("grade", "filter", "read"), "A corpus folder: one with documents/ in it.", optional=True),
        Input("texts", ("texts",), "Corpora that a teacher wrote.", optional=True),
        Input("written", ("write",), "Exercises, problems and conversations.", optional=True),
    ),
    outside=_benchmarks,
    headline=lambda f: f"{plural(f['documents'], 'document')} kept, {sum(f['removed'].values()):,} removed",
    estimate=lambda settings, volume: _clean_effort(volume),
)


def _clean_effort(volume: Volume) -> Effort:
    size = volume.raw + volume.written
    return Effort(f"{size / 1e6:.0f} MB", size / 3e6)
