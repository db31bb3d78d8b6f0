"""`hornbook generate` and `hornbook chat`: text from a model, as it is made."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hornbook.commands.options import amounts
from hornbook.commands.places import MODEL
from hornbook.display import plural
from hornbook.errors import UserError, of_system
from hornbook.files import expanded
from hornbook.model import model_folder
from hornbook.terminal import Terminal, in_markup, printable

if TYPE_CHECKING:
    from hornbook.inference.conversation import Conversation
    from hornbook.inference.sampling import Sampling

console = Terminal()
notes = Terminal(stderr=True)

AS_PUBLISHED = "as the model's files say"

# What is not said is taken from the model's generation_config.json.
TEMPERATURE = Annotated[
    float | None,
    typer.Option(min=0, help="0 takes the most likely token; 1 samples as the model would.", show_default=AS_PUBLISHED),
]
TOP_K = Annotated[
    int | None, typer.Option(min=0, help="Sample among the k most likely tokens; 0: all.", show_default=AS_PUBLISHED)
]
TOP_P = Annotated[
    float | None,
    typer.Option(
        min=0.0001, max=1, help="Sample among the most likely tokens of this total.", show_default=AS_PUBLISHED
    ),
]
MIN_P = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Drop tokens below this share of the likeliest one.", show_default=AS_PUBLISHED),
]
DTYPE = Annotated[
    str | None,
    typer.Option(
        metavar="fp32|bf16",
        help="Precision of weights and activations, by PyTorch.",
        show_default="as the weights are stored",
    ),
]
CACHE = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="GB",
        help="Memory that keys and values may take.",
        show_default="2, or what a sequence of the whole context takes, up to a quarter of the memory",
    ),
]
THREADS = Annotated[int | None, typer.Option(min=1, help="Threads that compute.", show_default="one a core")]
PROMPT_LOOKUP = Annotated[
    bool | None,
    typer.Option(
        "--prompt-lookup/--no-prompt-lookup",
        help="Read along what the text itself suggests comes next: faster where it repeats, the same text.",
        show_default="where no bit depends on it and nothing is drawn",
    ),
]
PENALTY = Annotated[
    float | None,
    typer.Option(min=0.0001, help="Above 1: less likely what was there before.", show_default=AS_PUBLISHED),
]
SEED = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Same seed, same text.")]
MAX_TOKENS = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        parser=amounts("--max-tokens"),
        help="Longest answer, such as 1K.",
        show_default="as the model's files say, else 256",
    ),
]

HELP = {
    "/new": "starts over",
    "/system TEXT": "starts over, and tells the model TEXT before the conversation begins; nothing without TEXT",
    "/retry": "takes the last answer back and has the model answer again",
    "/save FILE": "writes the conversation, one line of JSON; conversation.jsonl unless named",
    "/help": "shows this",
    "/quit": "leaves, as Ctrl-D does; Ctrl-C stops an answer",
}
HINT = "/help shows what else you can say, /quit leaves; Ctrl-C stops an answer"
_COMMAND = re.compile(r"/[a-z]+|/\?")


def generate(  # noqa: PLR0913 - an option each
    model: MODEL,
    prompt: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text to go on from; - reads it from standard input.")
    ],
    *,
    max_tokens: MAX_TOKENS = None,
    temperature: TEMPERATURE = None,
    top_k: TOP_K = None,
    top_p: TOP_P = None,
    min_p: MIN_P = None,
    repetition_penalty: PENALTY = None,
    seed: SEED = 0,
    dtype: DTYPE = None,
    threads: THREADS = None,
    cache: CACHE = None,
    prompt_lookup: PROMPT_LOOKUP = None,
) -> None:
    """Complete a text; the answer streams to standard output (control characters are shown on a terminal)."""
    from hornbook.inference.generate import complete
    from hornbook.inference.opening import open_scheduler
    from hornbook.model.tokenizers import Tokenizer

    folder = model_folder(model)
    sampling, limit, told = _in_force(
        folder,
        max_tokens,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
    )
    scheduler = open_scheduler(folder, dtype=dtype, threads=threads, cache=cache, most=1, prompt_lookup=prompt_lookup)
    tokenizer = Tokenizer(folder)
    if told:
        notes.print(f"[dim]{in_markup(told)}[/dim]", highlight=False, soft_wrap=True)
    text = sys.stdin.read() if prompt == "-" else prompt
    terminal = sys.stdout.isatty()
    for piece in complete(scheduler, tokenizer, text, limit=limit, sampling=sampling):
        sys.stdout.write(printable(piece, lines=True) if terminal else piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


def chat(  # noqa: PLR0913 - an option each
    model: MODEL,
    *,
    system: Annotated[str | None, typer.Option(help="What the model is told before the conversation begins.")] = None,
    max_tokens: MAX_TOKENS = None,
    temperature: TEMPERATURE = None,
    top_k: TOP_K = None,
    top_p: TOP_P = None,
    min_p: MIN_P = None,
    repetition_penalty: PENALTY = None,
    seed: SEED = 0,
    dtype: DTYPE = None,
    threads: THREADS = None,
    cache: CACHE = None,
    prompt_lookup: PROMPT_LOOKUP = None,
) -> None:
    """Talk with a model in the terminal; /help tells what else can be said, Ctrl-C stops an answer."""
    from hornbook.inference.conversation import Conversation
    from hornbook.inference.opening import open_scheduler
    from hornbook.model.tokenizers import Tokenizer

    folder = model_folder(model)
    sampling, limit, told = _in_force(
        folder,
        max_tokens,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
    )
    tokenizer = Tokenizer(folder)
    if tokenizer.template is None:
        raise UserError(f"{folder} has no chat template; use `hornbook generate` instead")
    scheduler = open_scheduler(folder, dtype=dtype, threads=threads, cache=cache, most=1, prompt_lookup=prompt_lookup)
    talk = Conversation(scheduler, tokenizer, sampling, limit=limit, system=system)
    _note(f"{folder}: {talk.about}. {HINT}.")
    _note(told or f"The next token: {sampling}.")
    while True:
        try:
            said = console.input("[bold cyan]you ›[/bold cyan] ").strip()
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        word, _, rest = said.partition(" ")
        if word in ("/quit", "/exit", "/q"):
            return
        if _COMMAND.fullmatch(word):
            _command(talk, word, rest.strip())
        elif said:
            _answer(talk, said)


def _command(talk: Conversation, word: str, rest: str) -> None:
    """What begins with a slash."""
    if word == "/new":
        talk.reset()
        _note("A new conversation.")
    elif word in ("/help", "/?"):
        for name, told in HELP.items():
            _note(f"{name:14} {told}")
    elif word == "/system":
        talk.reset(rest)
        _note(
            f"A new conversation; the model is told: {rest}"
            if rest
            else "A new conversation; the model is told nothing."
        )
    elif word == "/retry":
        said = talk.take_back()
        if said is None:
            _note("There is nothing to answer again.")
        else:
            _answer(talk, said)
    elif word == "/save":
        _save(talk, rest)
    else:
        _note(f"There is no command {word}: {HINT}.")


def _save(talk: Conversation, name: str) -> None:
    """Write the conversation as a line of JSON, as `hornbook sft` reads conversations; never over a file."""
    path = expanded(name or "conversation.jsonl")
    try:
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps({"messages": talk.turns}, ensure_ascii=False) + "\n")
    except FileExistsError:
        _note(f"{path} is there already; give another name: /save FILE")
    except OSError as error:
        _note(of_system(error))
    else:
        _note(f"{path} has {plural(len(talk.turns), 'message')}.")


def _in_force(folder: Path, limit: int | None, *, seed: int, **asked: float | None) -> tuple[Sampling, int, str]:
    """How to choose tokens, how many, and a line on it where the model's files have a say."""
    from hornbook.inference.sampling import FILE, published

    theirs = published(folder)
    ours = {key: value for key, value in asked.items() if value is not None}
    sampling = theirs.sampling.model_copy(update={**ours, "seed": seed})
    if not theirs.says:
        return sampling, limit or 256, ""
    tokens = limit or theirs.limit or 256
    told = f"The next token, as {FILE} says{' and you' if ours else ''}: {sampling}; at most {tokens} tokens."
    ignored = f" Not supported and ignored: {', '.join(theirs.ignored)}." if theirs.ignored else ""
    return sampling, tokens, told + ignored


def _note(text: str) -> None:
    console.print(f"[dim]{in_markup(text)}[/dim]", highlight=False, soft_wrap=True)


def _answer(talk: Conversation, said: str) -> None:
    """Stream one answer; Ctrl-C ends it early and the conversation goes on."""
    try:
        for piece in talk.answer(said):
            console.print(printable(piece, lines=True), end="", markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print("[dim] (stopped)[/dim]", end="")
    except UserError as error:
        console.print(f"[red]{in_markup(str(error))}[/red]", highlight=False, soft_wrap=True, end="")
    console.print()
    if talk.forgotten:
        _note(f"(forgotten, since the context has no room for more: {plural(talk.forgotten, 'earlier turn')})")
