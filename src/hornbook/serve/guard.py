"""Who may ask: a key where one is set; no web page of elsewhere unless told, whatever name it has for this machine."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hornbook.serve.metrics import Metrics
from hornbook.serve.settings import LOOPBACK, ServeSettings
from hornbook.serve.wire import RefusedError

_OPEN = ("/", "/health")  # nothing in these is worth a key


class Guard:
    """ASGI middleware in front of everything; it counts requests, too."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._key = settings.api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if message["status"] not in (404, 405) else "other"
                self._metrics.requests.labels(path, message["status"]).inc()
            await send(message)

        refusal = self._refusal(scope)
        await (self._app(scope, receive, counted) if refusal is None else refusal.response(scope, receive, counted))

    def _refusal(self, scope: Scope) -> RefusedError | None:
        headers = Headers(scope=scope)
        host = urlsplit(f"//{headers.get('host', '')}")
        # A page of elsewhere can point its own name at this machine, and would then be of the same origin.
        if self._settings.local and not self._key and _name(host.netloc) not in (*LOOPBACK, self._settings.host):
            return RefusedError(403, "this server answers to localhost alone")
        origin = headers.get("origin")
        if origin is not None and origin not in self._settings.origins and urlsplit(origin).netloc != host.netloc:
            return RefusedError(403, "requests of other sites are not answered; --origin lets one in")
        preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if self._key and scope["path"] not in _OPEN and not preflight:
            given = headers.get("authorization", "")
            kind, _, key = given.partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(key.strip().encode("latin-1", "replace"), self._key):
                return RefusedError(401, "the API key is missing or wrong", code="invalid_api_key")
        return None


def _name(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None
