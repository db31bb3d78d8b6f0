"""`hornbook read` and `clean`: the stages whose arguments are more than folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.commands.folders import CHANGED_CODE, FORCE, RUNNER, WORKERS, choose_runner, run_stage, tell
from hornbook.commands.settings import is_override, is_there, settings_of
from hornbook.corpus.clean import CLEAN
from hornbook.corpus.read import READ
from hornbook.corpus.read.hub import PREFIX
from hornbook.corpus.read.remote import is_address
from hornbook.corpus.read.settings import STANDARD_INPUT, ReadSettings, Source
from hornbook.corpus.read.sources import OWN
from hornbook.errors import UserError, nearest
from hornbook.files import expanded
from hornbook.settings import key_and_value, validated

_OF_SOURCES = ("share", "keep", "links")  # settings that all sources of a command have alike


def read(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH|KEY=VALUE",
            help="Files, folders, - (standard input), addresses (s3://, https://), hf:DATASET; settings as in recipes.",
        ),
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The corpus to write.")] = Path("corpus"),
    *,
    whole: Annotated[bool, typer.Option("--whole", help="Keep long documents whole instead of cutting them.")] = False,
    column: Annotated[
        str | None,
        typer.Option(
            help="Column of rows (.jsonl, .json, .csv, .parquet) with the text; text, content or messages unless told."
        ),
    ] = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
    runner: RUNNER = None,
    workers: WORKERS = None,
) -> None:
    """Make a corpus of files of any kind: text, Markdown, code, HTML, WARC, JSON lines, CSV, parquet, packed or not."""
    choose_runner(runner, workers)
    places = [word for word in paths if not _is_setting(word) and not _is_of_sources(word)]
    of_sources = dict(key_and_value(word) for word in paths if _is_of_sources(word))
    if not places:
        raise UserError("`hornbook read` needs something to read: a file, a folder, an address, hf:DATASET, or -")
    sources = [_source(*named, whole, column, of_sources) for named in _named(places)]
    changes = [word for word in paths if _is_setting(word)]
    settings = settings_of(READ, changes, given={"sources": [source.model_dump() for source in sources]})
    tell(run_stage(READ, settings, into, force=force, changed_code=changed_code), into, "corpus")


def clean(
    corpora: Annotated[
        list[str], typer.Argument(metavar="CORPUS|KEY=VALUE", help="Corpus folders; settings, as in a recipe.")
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="The one corpus to write.")] = Path("cleaned"),
    *,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Benchmarks whose items no document may hold; can be repeated."),
    ] = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
    runner: RUNNER = None,
    workers: WORKERS = None,
) -> None:
    """Drop exact and near duplicates, and what a model will be measured with. Several corpora become one."""
    choose_runner(runner, workers)
    changes = [word for word in corpora if is_override(word)]
    folders = [Path(word) for word in corpora if not is_override(word)]
    if not folders:
        raise UserError("`hornbook clean` needs a corpus: a folder with documents/ in it, as `hornbook read` makes one")
    settings = settings_of(CLEAN, changes, given={"against": [str(folder) for folder in against or []]})
    corpora_read = {str(number): folder for number, folder in enumerate(folders)}
    made = run_stage(CLEAN, settings, into, force=force, changed_code=changed_code, corpora=corpora_read)
    tell(made, into, "corpus")


def _source(name: str, path: str, whole: bool, column: str | None, more: Mapping[str, Any]) -> Source:
    values: dict[str, Any] = {"name": name, "path": path, "split": not whole, "column": column, **more}
    return validated(Source, values, "source")


def _named(words: Sequence[str]) -> list[tuple[str, str]]:
    """Names and paths of sources. A name is what stands before a =, or else the path's last part without its endings;
    where these are alike, with as much of the path as tells them apart.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        name, equals, path = ("", "", word) if is_there(word) else word.partition("=")
        found.append((name, path) if equals and "/" not in name and ":" not in name else ("", word))
    bare = [path for name, path in found if not name]
    given = {path: _name(path, bare) for path in bare}
    return [(name or given[path], path) for name, path in found]


def _name(path: str, paths: Sequence[str]) -> str:
    """The shortest name for a path among others."""
    if path == STANDARD_INPUT:
        return "stdin"

    def names(path: str) -> list[str]:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        short = parts[-1].split(".")[0] or parts[-1] if parts else path
        full = ["/".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        return [short, *("/".join([*parts[-count:-1], short]) for count in range(2, len(parts) + 1)), *full, path]

    others = [names(other) for other in set(paths) - {path}]
    mine = names(path)
    return next((name for name in mine if not any(name in some for some in others)), mine[-1])


def _is_of_sources(word: str) -> bool:
    """Whether an argument of `read` is a setting of every source: share, keep or links."""
    key, _, value = word.partition("=")
    return is_override(word) and key in _OF_SOURCES and not _is_place(value)


def _is_place(word: str) -> bool:
    """Whether a source's path leads somewhere: to a file, or to what is on no disk."""
    far = is_address(word) or word.startswith((PREFIX, *OWN)) or word == STANDARD_INPUT
    return far or is_there(str(expanded(word)))


def _is_setting(word: str) -> bool:
    """Whether an argument of `read` is KEY=VALUE and not NAME=PATH: its key is one of read's, or nearly one and no
    file.
    """
    key, _, value = word.partition("=")
    key = key.removeprefix("read.").split(".")[0]
    nearly = nearest(key, ReadSettings.model_fields) and not _is_place(value)
    return is_override(word) and bool(key in ReadSettings.model_fields or nearly)
