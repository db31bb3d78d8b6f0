"""`hornbook read`, `filter` and `clean`: the corpus stages of a recipe one by one, for documents of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hornbook.commands import corpora
from hornbook.commands.stopping import stoppable
from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.errors import UserError
from hornbook.files import digest_value
from hornbook.progress import ConsoleProgress, Progress
from hornbook.settings import parsed, validated

console = Console()

CODE = ("corpus", "documents", "records")

CHANGES = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting to change, as in a recipe; can be repeated."),
]
CORPUS = "A corpus folder: one with documents/ in it."


def read(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="[NAME=]PATH...", help="Files, folders, addresses (s3://, https://), hf:DATASET."),
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The corpus to write.")] = Path("corpus"),
    *,
    whole: Annotated[bool, typer.Option("--whole", help="Keep long documents whole instead of cutting them.")] = False,
    column: Annotated[
        str | None,
        typer.Option(
            help="Column of rows (.jsonl, .json, .csv, .parquet) that holds the text; text or content unless told."
        ),
    ] = None,
    changes: CHANGES = None,
    force: corpora.FORCE = False,
    runner: corpora.RUNNER = None,
    workers: corpora.WORKERS = None,
) -> None:
    """Make a corpus of files of any kind: text, Markdown, code, HTML, WARC, JSON lines, CSV, parquet, packed or not."""
    from hornbook.corpus.read import read as room
    from hornbook.corpus.read.sources import fingerprint

    corpora.choose_runner(runner, workers)
    settings = parsed(ReadSettings, changes or [], "read")
    sources = [_source(path, whole, column) for path in paths]
    here = Path.cwd()
    told = {"sources": [source.model_dump(mode="json") for source in sources], **settings.model_dump(mode="json")}
    inputs = {"sources": digest_value(fingerprint(sources, here))}

    def work(folder: Path, progress: Progress) -> dict[str, Any]:
        return room(sources, settings, base=here, into=folder, progress=progress)

    local = [Path(source.path) for source in sources if Path(source.path).exists()]
    _make(into, "read", told, inputs, work, reads=local, force=force)


def filter_corpus(  # noqa: PLR0913 (one for each option)
    corpus: Annotated[Path, typer.Argument(help=CORPUS)],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The corpus to write.")] = Path("filtered"),
    *,
    rules: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="gopher, c4, fineweb, or a single rule; can be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Keep this language, such as en; can be repeated.")
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Mask email, ip, phone, card or secret; can be repeated."),
    ] = None,
    changes: CHANGES = None,
    force: corpora.FORCE = False,
    runner: corpora.RUNNER = None,
    workers: corpora.WORKERS = None,
) -> None:
    """Drop documents in the wrong language or against the rules, and mask what is private. All is counted."""
    from hornbook.corpus.filter import filter_corpus as room

    corpora.choose_runner(runner, workers)
    given = parsed(FilterSettings, changes or [], "filter").model_dump(mode="json")
    for table, key, values in (
        ("heuristics", "rules", rules),
        ("language", "keep", language),
        ("privacy", "mask", mask),
    ):
        given[table][key] = [*given[table][key], *(values or [])]
    settings = validated(FilterSettings, given, "filter")
    if not settings.active:
        raise UserError("nothing to filter by: name --rules, --language or --mask, or settings with --set")

    def work(folder: Path, progress: Progress) -> dict[str, Any]:
        return room(corpus, settings, into=folder, progress=progress)

    _make(
        into,
        "filter",
        settings.model_dump(mode="json"),
        {"corpus": corpora.content(corpus)},
        work,
        reads=[corpus],
        force=force,
    )


def clean(
    corpus: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="One corpus folder or several.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The one corpus to write.")] = Path("cleaned"),
    *,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Benchmarks whose items no document may hold; can be repeated."),
    ] = None,
    changes: CHANGES = None,
    force: corpora.FORCE = False,
    runner: corpora.RUNNER = None,
    workers: corpora.WORKERS = None,
) -> None:
    """Drop exact and near duplicates, and what a model will be measured with. Several corpora become one."""
    from hornbook.corpus.clean import clean as room
    from hornbook.corpus.decontaminate.benchmarks import fingerprint

    corpora.choose_runner(runner, workers)
    settings = parsed(CleanSettings, changes or [], "clean")
    benchmarks = [*map(Path, settings.against), *(against or [])]
    inputs = {str(number): corpora.content(one) for number, one in enumerate(corpus)}
    inputs |= {f"against {number}": digest_value(fingerprint(path)) for number, path in enumerate(benchmarks)}

    def work(folder: Path, progress: Progress) -> dict[str, Any]:
        return room(corpus, None, settings, into=folder, progress=progress, against=benchmarks)

    _make(into, "clean", settings.model_dump(mode="json"), inputs, work, reads=corpus, force=force)


def _source(path: str, whole: bool, column: str | None) -> Source:
    """A source by its path; its name is what stands before a =, or else the path's last part."""
    name, equals, rest = path.partition("=")
    if not equals or "/" in name or ":" in name:
        name, rest = Path(path.rstrip("/")).name.split(".")[0] or path, path
    values: dict[str, Any] = {"name": name, "path": rest, "split": not whole, "column": column}
    return validated(Source, values, "source")


def _make(
    into: Path,
    stage: str,
    settings: dict[str, Any],
    inputs: Mapping[str, str],
    work: Callable[[Path, Progress], dict[str, Any]],
    *,
    reads: Sequence[Path],
    force: bool,
) -> None:
    from hornbook.report.figures import headline

    progress = ConsoleProgress(console)
    with stoppable(console):
        made, before = corpora.make(
            into, stage, settings, inputs, CODE, lambda folder: work(folder, progress), reads=reads, force=force
        )
    if before:
        console.print("It is there already, whole.", highlight=False)
    console.print(f"{headline(stage, made.figures)}, in {made.seconds:.1f} s", highlight=False, soft_wrap=True)
    _show(made.figures.get("removed", {}), "removed")
    _show(made.figures.get("lines", {}), "lines taken out")
    _show(made.figures.get("masked", {}), "masked")
    console.print(f"The corpus: {into}", highlight=False, soft_wrap=True)


def _show(counts: Mapping[str, int], what: str) -> None:
    """How often each reason was met, the most frequent first."""
    there: Sequence[tuple[str, int]] = sorted(
        ((reason, count) for reason, count in counts.items() if count), key=lambda item: -item[1]
    )
    if there:
        told = ", ".join(f"{count:,} {reason}" for reason, count in there)
        console.print(f"  {what}: {told}", highlight=False, soft_wrap=True, markup=False)
