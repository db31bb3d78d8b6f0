"""What is asked and what comes back: requests, the replies of endpoints, and the answers they come to.

A request's key is the same whoever serves the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hornbook.files import digest_value
from hornbook.teacher.client.reader import read, without_thought
from hornbook.teacher.client.schema import BLANK, check_schema, sample
from hornbook.teacher.interface import Message

SHOWN = 120  # characters of a response that is no chat completion
CHARACTERS_A_TOKEN = 4  # the usual rule of thumb for English, where nobody counted


@dataclass(frozen=True)
class Request:
    """One thing to ask. Whoever wants several answers to one prompt gives each request a seed of its own.

    `schema` is a JSON schema that the answer must fit (see `schema.py` for the part of the language that is known).
    `about` is the asker's own note: it is neither sent nor hashed, and comes back with the answer.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int = 0
    stop: tuple[str, ...] = ()
    about: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("a request needs a message")
        if self.schema is not None:
            check_schema(self.schema)

    def key(self, model: str) -> str:
        """SHA-256 over everything that decides the answer, the model's name included, and nothing else."""
        return digest_value(
            {
                "model": model,
                "messages": [[message.role, message.content] for message in self.messages],
                "schema": self.schema,
                "temperature": float(self.temperature),
                "top_p": float(self.top_p),
                "max_tokens": self.max_tokens,
                "seed": self.seed,
                "stop": list(self.stop),
            }
        )

    @property
    def characters(self) -> int:
        """Characters of all messages: what a prompt's tokens are estimated from."""
        return sum(len(message.content) for message in self.messages)


@dataclass(frozen=True)
class Usage:
    """Tokens, as the endpoint counts them, or a quarter of the characters where it does not."""

    prompt: int = 0
    answer: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.answer

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.prompt + other.prompt, self.answer + other.answer, self.estimated or other.estimated)


@dataclass(frozen=True)
class Answer:
    """What came of a request: `text`, and with a schema `value`; or `failure` says why there is neither.

    `failure` is one of a few words to count by (refused, invalid, empty, ...) and `detail` a sentence.
    `usage` counts every answer that was paid for this request, in this run or before; `cached` says that none was
    paid for now. `finish` is the endpoint's reason to stop: "length" marks a text that was cut at `max_tokens`.
    """

    request: Request
    text: str = ""
    value: Any = None
    usage: Usage = Usage()
    cached: bool = False
    failure: str | None = None
    detail: str = ""
    finish: str = "stop"

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return self.failure is None


class DamagedError(ValueError):
    """A response that is not the whole of what the endpoint meant to say."""


class ForeignError(DamagedError):
    """A response that is no chat completion, not even a damaged one: a web page, or what another service says."""


@dataclass(frozen=True)
class Reply:
    """What an endpoint said: kept as it came, and judged each time it is read."""

    text: str
    finish: str
    refusal: str
    usage: Usage


@dataclass(frozen=True)
class Verdict:
    """What a reply is worth: a `value` for a request with a schema, or a `failure` and, in words, `detail`.

    A failure that is `final` is not asked again.
    """

    value: Any = None
    failure: str | None = None
    detail: str = ""
    final: bool = True


def read_reply(body: bytes, request: Request) -> Reply:
    """Read the JSON of a chat completion. Raises `DamagedError` for a broken one, `ForeignError` for what is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        if _begins_completion(body):
            raise DamagedError("the response is not whole JSON") from None
        raise ForeignError(f"the response is no chat completion but {_what(body)}") from None
    if not _is_completion(data):
        raise ForeignError(f"the response is no chat completion but {_what(body)}")
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        finish = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise DamagedError("the response holds no message") from None
    if not isinstance(text, str | None) or not isinstance(refusal, str | None) or not isinstance(finish, str | None):
        raise DamagedError("the response's message is not a text")
    text = text or ""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DamagedError("the response's text has half characters") from None
    return Reply(text, finish or "stop", refusal or "", _usage(data.get("usage"), request, text))


def _is_completion(data: Any) -> bool:
    """Whether this is a chat completion, however poor: an object with choices, of which the first has a message."""
    if not isinstance(data, Mapping) or not isinstance(data.get("choices"), list):
        return False
    return not data["choices"] or (isinstance(data["choices"][0], Mapping) and "message" in data["choices"][0])


def _begins_completion(body: bytes) -> bool:
    """Whether what is not whole JSON may be the beginning of a chat completion."""
    text = body.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return True
    return _is_completion(first)  # something follows an object that is whole, such as the next line of a stream


def _what(body: bytes) -> str:
    """In a few words what a body is instead, with its beginning."""
    text = " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    if not text:
        return "nothing at all"
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    page = text[:14].lower().startswith(("<!doctype html", "<html"))
    return f"{'a web page' if page else 'something else'}, which begins with: {shown}"


def _usage(counted: Any, request: Request, text: str) -> Usage:
    if isinstance(counted, Mapping):
        prompt, answer = counted.get("prompt_tokens"), counted.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(answer, int) and prompt >= 0 and answer >= 0:
            return Usage(prompt, answer)
    return Usage(tokens_of(request.characters), tokens_of(len(text)), estimated=True)


def tokens_of(characters: int) -> int:
    """An estimate of the tokens in so many characters."""
    return -(-characters // CHARACTERS_A_TOKEN)


def judge(reply: Reply, request: Request) -> Verdict:
    """Whether a reply answers its request."""
    if reply.refusal or reply.finish == "content_filter":
        return Verdict(failure="refused", detail=reply.refusal or "the endpoint's content filter stopped it")
    if not without_thought(reply.text).strip():
        return Verdict(failure="empty", detail=f"an empty answer ({reply.finish})", final=False)
    if request.schema is None:
        return Verdict()
    cut = reply.finish == "length"
    value, wrong = read(reply.text, request.schema, cut=cut)
    if cut and value is None:
        wrong = f"cut at {request.max_tokens} tokens"
    if not wrong and BLANK in reply.text and value == sample(request.schema):
        wrong = "it repeats the example"
    return Verdict(failure="invalid", detail=wrong, final=False) if wrong else Verdict(value)


def settled(replies: Sequence[Reply], request: Request, attempts: int) -> Answer | None:
    """The answer that these replies give, in the order they came; None while another attempt is due."""
    usage = Usage()
    failure, detail = "", ""
    for reply in replies[:attempts]:
        usage += reply.usage
        verdict = judge(reply, request)
        if verdict.failure is None:
            return Answer(request, without_thought(reply.text), verdict.value, usage, finish=reply.finish)
        failure, detail = verdict.failure, verdict.detail
        if verdict.final:
            return Answer(request, usage=usage, failure=failure, detail=detail, finish=reply.finish)
    if len(replies) < attempts:
        return None
    return Answer(request, usage=usage, failure=failure, detail=detail, finish=replies[-1].finish)
