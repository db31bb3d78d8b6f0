"""Listening: uvicorn in this process, until it is told to end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from hornbook.errors import UserError, of_system
from hornbook.serve.settings import ServeSettings


class _Server(uvicorn.Server):
    """Ends with its own exit code, where uvicorn would raise the signal again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are listened to by `run`."""
        yield


def listen(settings: ServeSettings) -> socket.socket:
    """The socket, bound. Raises UserError where the address cannot be had."""
    settings.check()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise UserError(f"cannot listen on {settings.host} port {settings.port}: {of_system(error)}") from None
    return bound


def run(app: FastAPI, bound: socket.socket, settings: ServeSettings, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; answers under way get `settings.closing` seconds. A second signal ends at once."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(settings.closing) or None,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config)

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            server.force_exit = server.should_exit
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        loop.call_soon(ready)
        await server.serve(sockets=[bound])

    asyncio.run(serve())
