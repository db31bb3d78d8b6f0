"""`hornbook longrope`: a longer context for a model that is there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from hornbook.commands.folders import FORCE, make
from hornbook.commands.places import MODEL
from hornbook.files import digest_value, read_json
from hornbook.longrope.extend import EXTEND
from hornbook.longrope.search import SEARCH
from hornbook.longrope.settings import ExtendSettings, SearchSettings
from hornbook.model import model_folder
from hornbook.progress import Progress
from hornbook.runs.code import code_digest
from hornbook.runs.single import content
from hornbook.runs.stage import Stage
from hornbook.runs.store import Job
from hornbook.settings import Settings, parsed, validated

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


@app.command()
def search(  # noqa: PLR0913 (one for each option)
    model: MODEL,
    text: TEXT,
    to: Annotated[int, typer.Option(metavar="TOKENS", min=2, help="The longer context.")],
    into: INTO,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as iterations=10.")
    ] = None,
    *,
    variant: Annotated[
        Literal["paper", "released"], typer.Option(help="The paper's search, or that of its authors' code.")
    ] = "paper",
    start_tokens: Annotated[
        bool, typer.Option(help="Search how many first tokens keep their angles, which transformers cannot compute.")
    ] = True,
    seed: SEED = 1,
    force: FORCE = False,
) -> None:
    """Search factors for a longer context by evolution; no weight changes. Stopped, the same command goes on."""
    flags = {"variant": variant, "start_tokens": start_tokens}
    given = parsed(SearchSettings, overrides or [], "search").model_dump(exclude_unset=True)
    settings = validated(SearchSettings, {**flags, **given}, "search")
    folder = model_folder(model)

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.longrope.search import search as room

        documents = _documents(folder, text, to, seed, most_documents=settings.documents)
        return room(folder, documents, settings, seed=seed, into=into, progress=progress)

    figures = _make(SEARCH, work, into, text, folder, settings, {"seed": seed, "context": to}, force)
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
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as tokens=1e6.")
    ] = None,
    seed: SEED = 1,
    force: FORCE = False,
) -> None:
    """Train a model with the factors of `search` at its longer context, mixing in short rows so that it keeps both."""
    settings = parsed(ExtendSettings, overrides or [], "extend")
    folder = model_folder(model)
    context = read_json(folder / "config.json").get("max_position_embeddings", 0)

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.longrope.extend import extend as room

        documents = _documents(folder, text, context, seed, most_tokens=2 * settings.tokens)
        return room(folder, documents, None, settings, seed=seed, into=into, progress=progress)

    figures = _make(EXTEND, work, into, text, folder, settings, {"seed": seed}, force)
    console.print(
        f"Read {figures['tokens']:,} tokens; loss on long rows {figures['loss_first']:.3f} → "
        f"[bold]{figures['loss_last']:.3f}[/bold]. The model: {into / 'model'}",
        highlight=False,
        soft_wrap=True,
    )


def _documents(folder: Path, text: Path, length: int, seed: int, **most: int) -> LongDocuments:
    from hornbook.longrope.documents import long_documents, of_files
    from hornbook.model.tokenizers import Tokenizer

    return long_documents(of_files(text, held_out=0.0, seed=seed), Tokenizer(folder), length, seed=seed, **most)


def _make(
    stage: Stage[Any],
    work: Callable[[Path, Progress], dict[str, Any]],
    into: Path,
    text: Path,
    model: Path,
    settings: Settings,
    told: dict[str, Any],
    force: bool,
) -> dict[str, Any]:
    """The figures of a folder that is made of a model and of texts."""
    from hornbook.corpus.read.settings import Source
    from hornbook.corpus.read.sources import fingerprint

    texts = fingerprint([Source(name="text", path=str(text.absolute()))], Path())
    job = Job(
        stage.name,
        {**told, **settings.model_dump(mode="json")},
        {"model": content(model), "texts": digest_value(texts)},
        code_digest(stage.module),
    )
    return make(into, job, work, headline=stage.in_a_line, reads=[model, text], force=force).manifest.figures
