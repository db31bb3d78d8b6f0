"""`hornbook serve`: a model behind OpenAI's HTTP interface, with a page to chat."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hornbook.commands.options import amounts
from hornbook.commands.places import MODEL
from hornbook.commands.talk import CACHE, DTYPE, PROMPT_LOOKUP, THREADS
from hornbook.errors import UserError
from hornbook.model import model_folder
from hornbook.terminal import console, in_markup


def serve(  # noqa: PLR0913 - an option each
    model: MODEL,
    *,
    host: Annotated[
        str, typer.Option(help="Where to listen; another than this machine needs --api-key-env.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_key_env: Annotated[
        str | None, typer.Option(help="Variable with the key that clients must send.", show_default="no key")
    ] = None,
    threads: THREADS = None,
    context: Annotated[
        int | None,
        typer.Option(
            metavar="TOKENS",
            parser=amounts("--context", least=16),
            help="Longest sequence, such as 4K.",
            show_default="the model's own",
        ),
    ] = None,
    dtype: DTYPE = None,
    prompt_lookup: PROMPT_LOOKUP = None,
    cache: CACHE = None,
    places: Annotated[int, typer.Option(min=1, max=1024, help="Requests that are worked on at a time.")] = 64,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait; more get status 429.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.1, help="An answer's time; longer ones get status 504.")] = 600.0,
    body: Annotated[int, typer.Option(min=1, help="Bytes of a request; longer ones get status 413.")] = 1_000_000,
    origin: Annotated[
        list[str] | None, typer.Option(help="A web site whose pages may ask, such as https://example.org.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What clients call the model.", show_default="its folder")] = None,
) -> None:
    """Serve a model: OpenAI's HTTP interface, and a page to chat at /."""
    from hornbook.serve.server import listen, run
    from hornbook.serve.settings import LOOPBACK, ServeSettings, origin_of

    key = os.environ.get(api_key_env, "") if api_key_env is not None else ""
    if api_key_env is not None and not key:
        raise UserError(f"the variable {api_key_env} is empty or not set; put the API key into it")
    settings = ServeSettings(
        host=host,
        port=port,
        api_key=key.strip(),
        origins=tuple(map(origin_of, origin or ())),
        body=body,
        queue=queue,
        seconds=seconds,
    )
    bound = listen(settings)
    folder = model_folder(model)

    from hornbook.inference.opening import open_scheduler
    from hornbook.serve.app import application
    from hornbook.serve.model import ServedModel

    scheduler = open_scheduler(
        folder,
        dtype=dtype,
        threads=threads,
        cache=cache,
        context=context,
        most=places,
        prompt_lookup=prompt_lookup,
    )
    served = ServedModel(name or _called(str(model)), folder, scheduler, queue=queue, seconds=seconds)

    def ready() -> None:
        shown = "localhost" if host in LOOPBACK else f"[{host}]" if ":" in host else host
        told = in_markup(f"http://{shown}:{bound.getsockname()[1]}")
        console.print(
            f"[bold]{in_markup(served.name)}[/bold], context of {served.context:d} tokens: chat at {told}/, "
            f"OpenAI's interface at {told}/v1. Ctrl-C ends.",
            highlight=False,
            soft_wrap=True,
        )

    run(application(served, settings), bound, settings, ready)


def _called(model: str) -> str:
    """A model's name: the last part of what the user called it by."""
    return os.path.basename(os.path.normpath(model)) or "model"  # noqa: PTH119 - a name may be no path
