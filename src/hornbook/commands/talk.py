"""`hornbook generate` and `hornbook chat`: text from a model, as it is made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hornbook.commands.places import MODEL
from hornbook.errors import UserError
from hornbook.model import model_folder, open_model
from hornbook.terminal import printable

if TYPE_CHECKING:
    from hornbook.inference.conversation import Conversation

console = Console()

TEMPERATURE = Annotated[float, typer.Option(min=0, help="0 takes the most likely token; 1 samples as the model would.")]
TOP_K = Annotated[int, typer.Option(min=0, help="Sample among the k most likely tokens; 0: all.")]
TOP_P = Annotated[float, typer.Option(min=0.0001, max=1, help="Sample among the most likely tokens of this total.")]
SEED = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same text.")]
MAX_TOKENS = Annotated[int, typer.Option(min=1, help="Longest answer in tokens.")]


def generate(
    model: MODEL,
    prompt: Annotated[str, typer.Argument(help="The text to go on from; - reads it from standard input.")],
    max_tokens: MAX_TOKENS = 256,
    temperature: TEMPERATURE = 0.0,
    top_k: TOP_K = 0,
    top_p: TOP_P = 1.0,
    seed: SEED = 0,
) -> None:
    """Complete a text; the answer streams to standard output (control characters are shown on a terminal)."""
    from hornbook.inference.generate import Sampling, complete

    loaded, tokenizer = open_model(model)
    text = sys.stdin.read() if prompt == "-" else prompt
    terminal = sys.stdout.isatty()
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    for piece in complete(loaded, tokenizer, text, limit=max_tokens, sampling=sampling):
        sys.stdout.write(printable(piece, lines=True) if terminal else piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def chat(
    model: MODEL,
    system: Annotated[str | None, typer.Option(help="What the model is told before the conversation begins.")] = None,
    max_tokens: MAX_TOKENS = 256,
    temperature: TEMPERATURE = 0.0,
    top_k: TOP_K = 0,
    top_p: TOP_P = 1.0,
    seed: SEED = 0,
) -> None:
    """Talk with a model in the terminal. /new starts over, /quit or Ctrl-D leaves, Ctrl-C stops an answer."""
    from hornbook.inference.conversation import Conversation
    from hornbook.inference.generate import Sampling

    folder = model_folder(model)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    talk = Conversation(*open_model(folder), sampling, limit=max_tokens, system=system)
    console.print(f"[dim]{folder}: {talk.about}. /new starts over, /quit leaves.[/dim]", highlight=False)
    while True:
        try:
            said = console.input("[bold cyan]you ›[/bold cyan] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if said in ("/quit", "/exit", "/q"):
            return
        if said == "/new":
            talk.reset()
            console.print("[dim]A new conversation.[/dim]")
        elif said:
            _answer(talk, said)


def _answer(talk: Conversation, said: str) -> None:
    """Stream one answer; Ctrl-C ends it early and the conversation goes on."""
    try:
        for piece in talk.answer(said):
            console.print(printable(piece, lines=True), end="", markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print("[dim] (stopped)[/dim]", end="")
    except UserError as error:
        console.print(f"[red]{escape(printable(str(error)))}[/red]", highlight=False, soft_wrap=True, end="")
    console.print()
    if talk.forgotten:
        console.print(f"[dim]({talk.forgotten} earlier turns no longer fit the context and are forgotten)[/dim]")
