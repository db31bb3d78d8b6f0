"""The stages that make text: read, filter, grade, have it written, clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.stage import Flag, Input, Stage, Work
from hornbook.settings import Settings
from hornbook.teacher.settings import PREFIX, TeacherSettings, WriteSettings, ordered

RAW = Input("corpus", ("filter", "read"), help="A corpus folder: one with documents/ in it.")


class ReadStage(Settings):
    """What the read stage depends on."""

    sources: tuple[Source, ...]
    read: ReadSettings = ReadSettings()

    @property
    def real(self) -> tuple[Source, ...]:
        """The sources that are there, not to be written."""
        return tuple(source for source in self.sources if not source.path.startswith(PREFIX))


def _read(work: Work[ReadStage]) -> dict[str, Any]:
    from hornbook.corpus.read import read

    return read(work.settings.real, work.settings.read, base=work.base, into=work.into, progress=work.progress)


def _fingerprint(settings: ReadStage, base: Path) -> Any:
    from hornbook.corpus.read.sources import fingerprint

    return fingerprint(settings.real, base)


READ = Stage(
    name="read",
    summary="real documents",
    settings=ReadStage,
    run=_read,
    on_workers=True,
    wanted=lambda settings: bool(settings.real),
    decides=lambda settings, base: {
        "sources": [source.model_dump(mode="json") for source in settings.real],
        **settings.read.model_dump(mode="json"),
    },
    outside=_fingerprint,
    headline=lambda f: f"{f['documents']:,} documents, {f['characters'] / 1e6:.1f} million characters",
    estimate=lambda settings, volume: Effort(f"{volume.raw / 1e6:.0f} MB", volume.raw / 12e6),
)


class FilterStage(Settings):
    """What the filter stage depends on."""

    filter: FilterSettings = FilterSettings()


def _filter(work: Work[FilterStage]) -> dict[str, Any]:
    from hornbook.corpus.filter import filter_corpus

    return filter_corpus(work.inputs["corpus"], work.settings.filter, into=work.into, progress=work.progress)


FILTER = Stage(
    name="filter",
    summary="languages, rules, privacy",
    settings=FilterStage,
    run=_filter,
    on_workers=True,
    inputs=(Input("corpus", ("read",), help=RAW.help),),
    wanted=lambda settings: settings.filter.active,
    headline=lambda f: (
        f"{f['documents']:,} documents kept, {sum(f['removed'].values()):,} removed"
        + (f", {sum(f['masked'].values()):,} masked" if f["masked"] else "")
    ),
    estimate=lambda settings, volume: Effort(f"{volume.raw / 1e6:.0f} MB", volume.raw / 4e6),
    flags=(
        Flag("--rules", "heuristics.rules", "gopher, c4, fineweb, or a single rule; can be repeated."),
        Flag("--language", "language.keep", "Keep this language, such as en; can be repeated."),
        Flag("--mask", "privacy.mask", "Mask email, ip, phone, card or secret; can be repeated."),
    ),
)


class GradeStage(Settings):
    """What the grade stage depends on."""

    seed: int = 1
    grade: GradeSettings = GradeSettings()
    teacher: TeacherSettings | None = None


def _grade(work: Work[GradeStage]) -> dict[str, Any]:
    from hornbook.corpus.grade import grade
    from hornbook.teacher.choose import grader

    settings = work.settings
    with grader(settings.teacher, work.base, work.progress) as teacher:
        return grade(
            work.inputs["corpus"],
            teacher,
            settings.grade,
            seed=settings.seed,
            into=work.into,
            progress=work.progress,
        )


def _grade_decides(settings: GradeStage, base: Path) -> dict[str, Any]:
    from hornbook.teacher.choose import grades_settings

    own = settings.grade.model_dump(mode="json")
    return {"seed": settings.seed, **own, **grades_settings(settings.teacher, base)}


GRADE = Stage(
    name="grade",
    summary="educational value 0-5",
    settings=GradeStage,
    run=_grade,
    on_workers=True,
    inputs=(RAW,),
    leave_out=True,
    decides=_grade_decides,
    headline=lambda f: (
        f"{f['graded']:,} graded; classifier's F1 {f['agreement']['f1']['value']:.2f} on held-out grades"
    ),
    estimate=lambda settings, volume: Effort(f"{settings.grade.sample:,} graded", volume.raw / 2.5e6),
)


class TextsStage(Settings):
    """What the texts stage depends on."""

    seed: int = 1
    sources: tuple[Source, ...]
    teacher: TeacherSettings | None = None

    @property
    def ordered(self) -> dict[str, str]:
        """The sources that the teacher writes: their paths by name."""
        return {source.name: source.path for source in self.sources if source.path.startswith(PREFIX)}

    @property
    def count(self) -> int:
        """Texts in all."""
        return sum(ordered(path)[1] for path in self.ordered.values())


def _needs_documents(settings: TextsStage, base: Path) -> bool:
    from hornbook.teacher.texts import needs_documents

    return needs_documents(settings.ordered, base)


def _texts(work: Work[TextsStage]) -> dict[str, Any]:
    from hornbook.teacher.texts import write_texts

    return write_texts(
        work.settings.ordered,
        work.settings.teacher,
        work.inputs.get("corpus"),
        base=work.base,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
        allow_unisolated=work.allow_unisolated,
    )


def _texts_decides(settings: TextsStage, base: Path) -> dict[str, Any]:
    from hornbook.teacher.texts import texts_settings

    return texts_settings(settings.ordered, settings.teacher, base=base, seed=settings.seed)


TEXTS = Stage(
    name="texts",
    summary="what the teacher writes as a source",
    settings=TextsStage,
    run=_texts,
    inputs=(Input("corpus", RAW.made_by, RAW.help, optional=True, when=_needs_documents),),
    runs_generated_code=True,
    wanted=lambda settings: bool(settings.ordered),
    decides=_texts_decides,
    headline=lambda f: ", ".join(f"{one['documents']:,} {name}" for name, one in f["texts"].items()),
    estimate=lambda settings, volume: Effort(f"{settings.count:,} texts", settings.count / 2_000),
)


class WriteStage(Settings):
    """What the write stage depends on."""

    seed: int = 1
    write: WriteSettings = WriteSettings()
    teacher: TeacherSettings | None = None


def _write(work: Work[WriteStage]) -> dict[str, Any]:
    from hornbook.teacher.choose import writer
    from hornbook.teacher.write import write

    settings = work.settings
    with writer(settings.teacher, work.base, work.progress) as teacher:
        return write(
            teacher,
            settings.write,
            seed=settings.seed,
            into=work.into,
            progress=work.progress,
            allow_unisolated=work.allow_unisolated,
        )


def _write_decides(settings: WriteStage, base: Path) -> dict[str, Any]:
    from hornbook.teacher.choose import writes_settings

    own = settings.write.model_dump(mode="json")
    return {"seed": settings.seed, **own, **writes_settings(settings.teacher, base)}


WRITE = Stage(
    name="write",
    summary="exercises, problems, conversations, preferences",
    settings=WriteStage,
    run=_write,
    leave_out=True,
    runs_generated_code=True,
    decides=_write_decides,
    headline=lambda f: f"{f['exercises']:,} exercises of {f['families']} families, each run and checked",
    estimate=lambda settings, volume: Effort(
        f"{settings.write.exercises:,} exercises", settings.write.exercises / 2_000
    ),
)


class CleanStage(Settings):
    """What the clean stage depends on."""

    clean: CleanSettings = CleanSettings()

    def benchmarks(self, base: Path) -> list[Path]:
        """Where the benchmarks lie that no document may hold."""
        return [base / Path(path).expanduser() for path in self.clean.against]


def _clean(work: Work[CleanStage]) -> dict[str, Any]:
    from hornbook.corpus.clean import clean
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


def _benchmarks(settings: CleanStage, base: Path) -> Any:
    from hornbook.corpus.decontaminate.benchmarks import fingerprint

    return [fingerprint(path) for path in settings.benchmarks(base)] or None


CLEAN = Stage(
    name="clean",
    summary="duplicates and leaked problems out",
    settings=CleanStage,
    run=_clean,
    on_workers=True,
    inputs=(
        Input("corpora", (), "Corpora of one's own, which become one.", every=True, optional=True),
        Input("corpus", ("grade", "filter", "read"), RAW.help, optional=True),
        Input("texts", ("texts",), "Corpora that a teacher wrote.", optional=True),
        Input("written", ("write",), "Exercises, problems and conversations.", optional=True),
    ),
    outside=_benchmarks,
    headline=lambda f: f"{f['documents']:,} documents kept, {sum(f['removed'].values()):,} removed",
    estimate=lambda settings, volume: _clean_effort(volume),
)


def _clean_effort(volume: Volume) -> Effort:
    size = volume.raw + volume.written
    return Effort(f"{size / 1e6:.0f} MB", size / 3e6)
