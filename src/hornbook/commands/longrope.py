"""`hornbook longrope`: a longer context for a model that is there already."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from hornbook.commands.places import MODEL, model_folder
from hornbook.commands.stopping import stoppable
from hornbook.errors import UserError, nearest
from hornbook.files import digest_value, read_json, remove_folder, write_text
from hornbook.longrope.settings import ExtendSettings, SearchSettings
from hornbook.progress import ConsoleProgress
from hornbook.runs.manifest import SCRATCH
from hornbook.settings import Settings

if TYPE_CHECKING:
    from hornbook.longrope.documents import LongDocuments

console = Console()
app = typer.Typer(
    no_args_is_help=True,
    help="Make a model's context longer (LongRoPE): search factors without training, then train with them.",
)

TEXT = Annotated[Path, typer.Option(help="Long documents: a file or a folder of .txt .md .py .rst .jsonl .parquet.")]
INTO = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the extended model goes: FOLDER/model.")]
SEED = Annotated[int, typer.Option(min=0, help="Same seed, same factors, same weights.")]

AnySettings = TypeVar("AnySettings", bound=Settings)


@app.command()
def search(
    model: MODEL,
    text: TEXT,
    to: Annotated[int, typer.Option(metavar="TOKENS", min=2, help="The longer context.")],
    into: INTO,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as iterations=10.")
    ] = None,
    variant: Annotated[
        Literal["paper", "released"], typer.Option(help="The paper's search, or that of its authors' code.")
    ] = "paper",
    start_tokens: Annotated[
        bool, typer.Option(help="Search how many first tokens keep their angles, which transformers cannot compute.")
    ] = True,
    seed: SEED = 1,
) -> None:
    """Search factors for a longer context by evolution; no weight changes. Stopped, the same command goes on."""
    settings = _settings(SearchSettings, overrides, {"variant": variant, "start_tokens": start_tokens})
    folder = model_folder(model)
    depends = [str(folder.absolute()), to, seed, settings.model_dump(mode="json")]

    def work() -> dict[str, Any]:
        from hornbook.longrope import search as room

        documents = _documents(folder, text, to, seed, most_documents=settings.documents)
        return room.search(folder, documents, settings, seed=seed, into=into, progress=ConsoleProgress(console))

    figures = _run(work, into, text, depends)
    told = ", ".join(f"{name} {loss:.4f}" for name, loss in figures["published"].items())
    console.print(
        f"Loss at {to:,} tokens: [bold]{figures['loss']:.4f}[/bold] (published factors: {told}).", highlight=False
    )
    console.print(f"Now train with them: hornbook longrope extend {into}", highlight=False, soft_wrap=True)


@app.command()
def extend(
    model: MODEL,
    text: TEXT,
    into: INTO,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as tokens=1e6.")
    ] = None,
    seed: SEED = 1,
) -> None:
    """Train a model with the factors of `search` at its longer context, mixing in short rows so that it keeps both."""
    settings = _settings(ExtendSettings, overrides, {})
    folder = model_folder(model)
    context = read_json(folder / "config.json").get("max_position_embeddings", 0)
    depends = [str(folder.absolute()), seed, settings.model_dump(mode="json")]

    def work() -> dict[str, Any]:
        from hornbook.longrope import extend as room

        documents = _documents(folder, text, context, seed, most_tokens=2 * settings.tokens)
        return room.extend(folder, documents, None, settings, seed=seed, into=into, progress=ConsoleProgress(console))

    figures = _run(work, into, text, depends)
    console.print(
        f"Read {figures['tokens']:,} tokens; loss on long rows {figures['loss_first']:.3f} → "
        f"[bold]{figures['loss_last']:.3f}[/bold]. The model: {into / 'model'}",
        highlight=False,
        soft_wrap=True,
    )


def _settings(kind: type[AnySettings], overrides: Sequence[str] | None, given: dict[str, Any]) -> AnySettings:
    """The settings with `key=value` overrides; raises UserError for a key or a value that does not exist."""
    values = dict(given)
    for override in overrides or []:
        key, equals, text = override.partition("=")
        if not equals or key not in kind.model_fields:
            raise UserError(f"{override!r} changes no setting{nearest(key, kind.model_fields)}; write key=value")
        try:
            values[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = text
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _documents(folder: Path, text: Path, length: int, seed: int, **most: int) -> LongDocuments:
    from hornbook.longrope.documents import long_documents, of_files
    from hornbook.model.tokenizers import Tokenizer

    return long_documents(of_files(text, held_out=0.0, seed=seed), Tokenizer(folder), length, seed=seed, **most)


def _run(work: Callable[[], dict[str, Any]], into: Path, text: Path, depends: Sequence[Any]) -> dict[str, Any]:
    """Do the work upon what an interrupted run of the very same command left in `into`, and clear that away after."""
    from hornbook.corpus.read.settings import Source
    from hornbook.corpus.read.sources import fingerprint

    scratch = into / SCRATCH
    key = digest_value([*depends, fingerprint([Source(name="text", path=str(text.absolute()))], Path())])
    if scratch.exists() and not ((scratch / "key").is_file() and (scratch / "key").read_text() == key):
        remove_folder(scratch)
    write_text(scratch / "key", key)
    with stoppable(console):
        figures = work()
    remove_folder(scratch)
    return figures
