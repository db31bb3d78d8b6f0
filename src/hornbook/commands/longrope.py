"""`hornbook longrope`: a longer context for a model that is there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from hornbook.commands.folders import CHANGED_CODE, FORCE, make
from hornbook.commands.of_stages import measure
from hornbook.commands.options import amounts
from hornbook.commands.places import MODEL
from hornbook.commands.settings import settings_of
from hornbook.errors import UserError
from hornbook.files import digest_value
from hornbook.longrope.extend import EXTEND
from hornbook.longrope.search import SEARCH
from hornbook.model import model_folder
from hornbook.model.formats.architectures import read_values
from hornbook.progress import Progress
from hornbook.runs import ranks
from hornbook.runs.code import code_digest
from hornbook.runs.single import content
from hornbook.runs.stage import Stage
from hornbook.runs.store import Job
from hornbook.settings import Settings, deciding
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.longrope.documents import LongDocuments


S = TypeVar("S", bound=Settings)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Make a model's context longer (LongRoPE): search factors without training, then train with them.",
)

TEXT = Annotated[
    Path,
    typer.Option(
        metavar="FILE|FOLDER", help="Long documents: a file or a folder of .txt .md .py .rst .jsonl .parquet."
    ),
]
INTO = Annotated[Path, typer.Option(metavar="FOLDER", help="Where the extended model goes: FOLDER/model.")]
SEED = Annotated[int | None, typer.Option(min=0, help="Same seed, same factors, same weights; 1 unless told.")]
SETTINGS = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings, as in a recipe.")]


@app.command()
def search(  # noqa: PLR0913 (one for each option)
    model: MODEL,
    text: TEXT,
    to: Annotated[
        int, typer.Option(metavar="TOKENS", parser=amounts("--to", least=2), help="The longer context, such as 8K.")
    ],
    into: INTO,
    overrides: SETTINGS = None,
    *,
    variant: Annotated[
        Literal["paper", "released"] | None, typer.Option(help="The paper's search, or that of its authors' code.")
    ] = None,
    start_tokens: Annotated[
        bool | None,
        typer.Option(
            "--start-tokens/--no-start-tokens",
            help="Search how many first tokens keep their angles, which transformers cannot compute.",
        ),
    ] = None,
    seed: SEED = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
) -> None:
    """Search factors for a longer context by evolution; no weight changes. Stopped, the same command goes on."""
    flags = {"seed": seed, "longrope.search.variant": variant, "longrope.search.start_tokens": start_tokens}
    chosen = _settings(SEARCH, overrides, {"longrope.context": to, **flags})
    settings, first = chosen.search, chosen.seed
    folder = model_folder(model)

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.longrope.search import search as room

        documents = _documents(folder, text, to, first, most_documents=settings.documents)
        return room(folder, documents, settings, seed=first, into=into, progress=progress)

    told = {"seed": first, "context": to}
    figures = _make(SEARCH, work, into, text, folder, settings, told, force=force, changed_code=changed_code)
    published = ", ".join(f"{name} {loss:.4f}" for name, loss in figures["published"].items())
    console.plain(f"Loss at {to:,} tokens: {figures['loss']:.4f} (published factors: {published}).")
    console.plain(f"Now train with them: hornbook longrope extend {into}")


@app.command()
def extend(
    model: MODEL,
    text: TEXT,
    into: INTO,
    overrides: SETTINGS = None,
    seed: SEED = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
) -> None:
    """Train a model with the factors of `search` at its longer context, mixing in short rows so that it keeps both."""
    if ranks.world() > 1:
        raise UserError("`hornbook longrope extend` trains in one process; in a recipe all that torchrun starts do it")
    folder = model_folder(model)
    context = read_values(folder).get("max_position_embeddings", 0)
    known = {"longrope.context": max(2, context), "pretrain.phase2.mixture": [], "seed": seed}
    chosen = _settings(EXTEND, overrides, known)
    settings, first = chosen.extend, chosen.seed

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.longrope.extend import extend as room

        documents = _documents(folder, text, context, first, most_tokens=2 * settings.tokens)
        return room(folder, documents, None, settings, seed=first, into=into, progress=progress)

    figures = _make(EXTEND, work, into, text, folder, settings, {"seed": first}, force=force, changed_code=changed_code)
    console.plain(
        f"Read {figures['tokens']:,} tokens; loss on long rows {figures['loss_first']:.3f} → "
        f"{figures['loss_last']:.3f}. The model: {into / 'model'}"
    )


def _settings(stage: Stage[S], overrides: list[str] | None, given: dict[str, Any]) -> S:
    """The stage's settings, of documents that come from one place, whatever it is called."""
    known = {key: value for key, value in given.items() if value is not None}
    return settings_of(stage, overrides or [], given={"longrope.sources": ["text"], **known})


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
    **wishes: Any,
) -> dict[str, Any]:
    """The figures of a folder that is made of a model and of texts."""
    from hornbook.corpus.read.settings import Source
    from hornbook.corpus.read.sources import fingerprint

    texts = fingerprint([Source(name="text", path=str(text.absolute()))], Path())
    job = Job(
        stage.name,
        {**told, **deciding(settings)},
        {"model": content(model), "texts": digest_value(texts)},
        code_digest(stage.module),
    )
    return make(into, job, work, headline=stage.in_a_line, reads=[model, text], **wishes).manifest.figures


app.command()(measure)
