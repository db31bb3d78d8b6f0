"""The served model: from what is asked to requests of the scheduler, and the answers piece by piece."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hornbook.errors import UserError
from hornbook.inference.choosing import Grammar
from hornbook.inference.grammar import Grammars
from hornbook.inference.sampling import Published, published
from hornbook.inference.scheduler import Finish, Request, Scheduler
from hornbook.inference.spoken import Spoken
from hornbook.model.tokenizers import Tokenizer
from hornbook.serve.metrics import Metrics
from hornbook.serve.suggestions import suggestions
from hornbook.serve.wire import Asked, ChatAsked, CompletionAsked, RefusedError
from hornbook.serve.worker import Job, Piece, Worker

# Where nobody says how long an answer may be: OpenAI's own for completions, all the room there is for chats.
COMPLETION = 16


@dataclass
class Under:
    """An answer under way, number `index`: its job, and the pieces that have not been taken."""

    index: int
    job: Job
    pieces: asyncio.Queue[Piece]
    finish: Finish | None = None


class ServedModel:
    """A model's folder, open, with the thread that computes."""

    def __init__(self, name: str, folder: Path, scheduler: Scheduler, *, queue: int, seconds: float) -> None:
        """queue: requests that wait for a place of the scheduler's at most. seconds: an answer's time."""
        self.name, self.folder, self.tokenizer = name, folder, Tokenizer(folder)
        self.published: Published = published(folder)
        self.context, self.created = scheduler.context, int(time.time())
        self.worker = Worker(scheduler)
        self.metrics = Metrics(self.worker)
        self._vocabulary, self._most, self._seconds = scheduler.vocabulary, scheduler.most + queue, seconds
        self._live = 0  # answers under way; the loop's thread alone counts them
        # Templates and tokenizers take milliseconds that streams should not wait for.
        self._encoder = ThreadPoolExecutor(1, "hornbook-encoder")
        self.worker.start()

    def close(self) -> None:
        """End the threads."""
        self.worker.close()
        self._encoder.shutdown()

    @cached_property
    def suggestions(self) -> tuple[str, ...]:
        """Prompts to try; files of a run are read for them."""
        return suggestions(self.folder, self.tokenizer)

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.tokenizer, self._vocabulary)

    def named(self, asked: Asked) -> None:
        """Refuse a request that means another model."""
        if asked.model not in (None, "", self.name):
            raise RefusedError(
                404,
                f"there is no model {asked.model!r:.100}; this is {self.name}",
                param="model",
                code="model_not_found",
            )

    async def prompts(self, asked: ChatAsked | CompletionAsked) -> list[list[int]]:
        """The prompts in ids. Raises RefusedError where one does not fit, or where the template refuses."""
        try:
            prompts = await asyncio.get_running_loop().run_in_executor(self._encoder, self._encoded, asked)
        except UserError as error:
            raise RefusedError(400, str(error), param="messages") from None
        for ids in prompts:
            if len(ids) >= self.context:
                raise RefusedError(
                    400,
                    f"this model's context is {self.context} tokens, the prompt has {len(ids)}",
                    param="messages" if isinstance(asked, ChatAsked) else "prompt",
                    code="context_length_exceeded",
                )
        return prompts

    def _encoded(self, asked: ChatAsked | CompletionAsked) -> list[list[int]]:
        if isinstance(asked, ChatAsked):
            if self.tokenizer.template is None:
                told = f"{self.name} has no chat template: ask /v1/completions to go on from a prompt"
                raise RefusedError(400, told, param="messages")
            return [self.tokenizer.chat([message.plain for message in asked.messages])]
        if not asked.prompts:
            raise RefusedError(400, "there is no prompt", param="prompt")
        made: list[list[int]] = []
        for prompt in asked.prompts:
            encode = self.tokenizer.encode_prompt if asked.add_special_tokens else self.tokenizer.encode
            ids = encode(prompt) if isinstance(prompt, str) else list(prompt)
            if not ids or min(ids) < 0 or max(ids) >= self._vocabulary:
                raise RefusedError(
                    400, f"a prompt's ids are numbers below {self._vocabulary}, one at least", param="prompt"
                )
            made.append(ids)
        return made

    async def ask(
        self, asked: Asked, prompts: Sequence[list[int]], *, limit: int, logprobs: int | None, echo: bool = False
    ) -> list[Under]:
        """Begin `asked.n` answers to each prompt. Raises RefusedError where too many wait, or for a strange schema."""
        count = asked.n * len(prompts)
        if count > self._most:
            raise RefusedError(400, f"there is room for {self._most} answers, not for {count}", param="n")
        loop = asyncio.get_running_loop()
        seed = asked.seed if asked.seed is not None else secrets.randbits(32)
        begun: list[Under] = []
        for number, ids in enumerate(prompts):
            for choice in range(asked.n):
                spoken = Spoken(self.tokenizer, asked.stops)
                grammar = await loop.run_in_executor(self._encoder, self._grammar, asked)
                request = Request(
                    ids,
                    limit,
                    self.tokenizer.stops,
                    asked.sampling(self.published.sampling, (seed + choice) % 2**63),
                    grammar,
                    logprobs=logprobs,
                    echo=echo,
                    ended=spoken.hear,
                )
                pieces: asyncio.Queue[Piece] = asyncio.Queue()
                begun.append(
                    Under(number * asked.n + choice, Job(request, spoken, _Tell(loop, pieces, self._ended)), pieces)
                )
        if self._live + count > self._most:
            raise RefusedError(429, "too many requests are waiting; try again in a moment", code="queue_full")
        self._live += count
        for under in begun:
            self.worker.submit(under.job)
        return begun

    def _ended(self) -> None:
        self._live -= 1

    def _grammar(self, asked: Asked) -> Grammar | None:
        wanted = asked.response_format
        if wanted is None or wanted.type == "text":
            return None
        try:
            if wanted.type == "regex":
                return self._grammars.of_regex(wanted.pattern or "")
            if wanted.type == "json_object":
                return self._grammars.of_schema({"type": "object"})
            if wanted.json_schema is None:
                raise RefusedError(400, "json_schema is needed", param="response_format")
            return self._grammars.of_schema(wanted.json_schema.schema_)
        except UserError as error:
            raise RefusedError(400, str(error), param="response_format") from None

    async def pieces(self, begun: Sequence[Under]) -> AsyncIterator[tuple[Under, Piece]]:
        """Each piece of all answers as it comes. However this ends, nothing of it is computed any further.

        Raises RefusedError where the time is over (504) or an answer failed.
        """
        started, first = time.monotonic(), True
        tasks = {asyncio.ensure_future(under.pieces.get()): under for under in begun}
        try:
            while tasks:
                left = self._seconds - (time.monotonic() - started)
                done, _ = await asyncio.wait(tasks, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    raise RefusedError(504, f"the answer took longer than {self._seconds:g} seconds", code="timeout")
                for task in done:
                    under, piece = tasks.pop(task), task.result()
                    if first and piece.tokens:
                        self.metrics.first.observe(time.monotonic() - started)
                        first = False
                    if piece.finish is None:
                        tasks[asyncio.ensure_future(under.pieces.get())] = under
                    else:
                        under.finish = piece.finish
                        self._settle(under, time.monotonic() - started)
                    yield under, piece
        finally:
            for task in tasks:
                task.cancel()
            for under in begun:
                if under.finish is None:
                    self.worker.cancel(under.job)

    def _settle(self, under: Under, seconds: float) -> None:
        """Count an answer that has ended; raise what went wrong with it."""
        error, answer = under.job.error, under.job.answer
        if answer is not None:
            self.metrics.ended(answer, seconds)
        if isinstance(error, UserError):
            raise RefusedError(400, str(error))
        if under.finish == "error":
            raise RefusedError(500, "the server failed at this request; its log says how")
        if under.finish == "cancelled":
            raise RefusedError(503, "the server is ending", code="closing")


class _Tell:
    """Brings pieces from the worker's thread into the loop's; after the loop's end nobody listens."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pieces: asyncio.Queue[Piece], ended: Callable[[], None]
    ) -> None:
        self._loop, self._pieces, self._ended = loop, pieces, ended

    def __call__(self, piece: Piece) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take, piece)

    def _take(self, piece: Piece) -> None:
        if piece.finish is not None:
            self._ended()
        self._pieces.put_nowait(piece)
