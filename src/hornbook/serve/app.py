"""The application: its addresses, who may ask, and how answers go out, at once or as a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hornbook.serve.guard import Guard
from hornbook.serve.model import COMPLETION, ServedModel, Under
from hornbook.serve.page import HEADERS, page
from hornbook.serve.settings import ServeSettings
from hornbook.serve.shapes import ChatShape, CompletionShape
from hornbook.serve.wire import Asked, ChatAsked, CompletionAsked, RefusedError, parsed

_WATCH = 0.2  # seconds between looks at whether a client is still there
_GONE = 499  # what nginx notes for a client that went away; nobody receives it


def application(model: ServedModel, settings: ServeSettings) -> FastAPI:
    """The whole application over a model."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        model.close()

    app = FastAPI(title="Hornbook", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Guard, settings=settings, metrics=model.metrics)
    sending = Sending(model, settings)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return error.response

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        told = f"{request.method} {request.url.path[:100]} is not served here"
        return RefusedError(error.status_code, told).response

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=_GONE)

    @app.get("/health")
    async def health() -> Response:
        alive = model.worker.is_alive()
        return JSONResponse({"status": "ok" if alive else "failed"}, 200 if alive else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(model.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models")
    async def models() -> Response:
        return JSONResponse({"object": "list", "data": [described(model)]})

    @app.get("/v1/models/{name:path}")
    async def one(name: str) -> Response:
        model.named(Asked(model=name))
        return JSONResponse(described(model))

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        asked = parsed(ChatAsked, await sending.body(request))
        model.named(asked)
        prompts = await model.prompts(asked)
        room = model.context - len(prompts[0])
        limit = min(asked.limit or model.published.limit or room, room)
        logprobs = asked.top_logprobs if asked.logprobs else None
        begun = await model.ask(asked, prompts, limit=limit, logprobs=logprobs)
        return await sending.answer(request, asked, begun, ChatShape(model.name, model.tokenizer))

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        asked = parsed(CompletionAsked, await sending.body(request))
        model.named(asked)
        if asked.suffix:
            raise RefusedError(400, "this model cannot write before a suffix", param="suffix")
        if asked.max_tokens == 0 and not asked.echo:
            raise RefusedError(400, "max_tokens of 0 makes sense with echo alone", param="max_tokens")
        prompts = await model.prompts(asked)
        limit = COMPLETION if asked.max_tokens is None else asked.max_tokens
        echo = asked.echo and asked.logprobs is not None
        begun = await model.ask(asked, prompts, limit=limit, logprobs=asked.logprobs, echo=echo)
        return await sending.answer(request, asked, begun, CompletionShape(model.name, model.tokenizer, asked.echo))

    @app.get("/")
    async def chat_page() -> Response:
        return HTMLResponse(page(), headers=HEADERS)

    return app


def described(model: ServedModel) -> dict[str, Any]:
    """The model as `/v1/models` tells of it; what is under `hornbook` is for the chat page."""
    sampling = model.published.sampling.model_dump(exclude={"seed"})
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "hornbook",
        "max_model_len": model.context,
        "hornbook": {
            "chats": model.tokenizer.template is not None,
            "sampling": sampling,
            "max_tokens": model.published.limit,
            "suggestions": model.suggestions,
        },
    }


class Sending:
    """How bodies are taken in and answers given out."""

    def __init__(self, model: ServedModel, settings: ServeSettings) -> None:
        self._model, self._settings = model, settings

    async def body(self, request: Request) -> bytes:
        """The whole body. Raises RefusedError where it is too long (413) or too slow (408)."""
        limit = self._settings.body
        told = request.headers.get("content-length", "")
        too_long = RefusedError(413, f"the body is longer than {limit:,} bytes", code="body_too_long")
        if told.isdecimal() and int(told) > limit:
            raise too_long
        parts = bytearray()
        try:
            async with asyncio.timeout(self._settings.sending):
                async for part in request.stream():
                    parts += part
                    if len(parts) > limit:
                        raise too_long
        except TimeoutError:
            slow = f"the body did not arrive within {self._settings.sending:g} seconds"
            raise RefusedError(408, slow, code="slow_body") from None
        return bytes(parts)

    async def answer(
        self, request: Request, asked: Asked, begun: list[Under], shape: ChatShape | CompletionShape
    ) -> Response:
        """A response with all choices, or a stream of their pieces."""
        if not asked.stream:
            return await self._whole(request, begun, shape)
        usage = asked.stream_options is not None and asked.stream_options.include_usage
        return _Stream(self._events(begun, shape, usage), lambda: self._let_go(begun))

    async def _whole(self, request: Request, begun: list[Under], shape: ChatShape | CompletionShape) -> Response:
        texts = [""] * len(begun)

        async def collect() -> None:
            async for under, piece in self._model.pieces(begun):
                texts[under.index] += piece.text

        work = asyncio.ensure_future(collect())
        try:
            while not (await asyncio.wait([work], timeout=_WATCH))[0]:
                if await request.is_disconnected():
                    return Response(status_code=_GONE)
            await work
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, RefusedError):
                await work
        return JSONResponse(shape.whole(begun, texts))

    async def _events(
        self, begun: list[Under], shape: ChatShape | CompletionShape, usage: bool
    ) -> AsyncIterator[bytes]:
        pieces = self._model.pieces(begun)
        try:
            for under in begun:
                head = shape.head(under)
                if head is not None:
                    yield _event(head)
            async for under, piece in pieces:
                if piece.text or piece.finish or under.job.request.logprobs is not None:
                    yield _event(shape.chunk(under, piece))
            if usage:
                yield _event(shape.tail(begun))
            yield b"data: [DONE]\n\n"
        except RefusedError as error:  # the status has gone out already
            yield _event(error.body)
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]

    def _let_go(self, begun: list[Under]) -> None:
        """Compute nothing further of answers that have no end."""
        for under in begun:
            if under.finish is None:
                self._model.worker.cancel(under.job)


class _Stream(StreamingResponse):
    """Events as they come. `ended` is called however it ends, also where the client goes away before the first."""

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n\n"
