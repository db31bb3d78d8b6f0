"""Requests as OpenAI's interface has them, checked, and errors as it has them."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from starlette.responses import JSONResponse

from hornbook.inference.sampling import Sampling
from hornbook.settings import where_and_what

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


class RefusedError(Exception):
    """A request that is not answered: the status, one line, the field that is meant, and a word for programs."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """The error as clients read it."""
        kind = _TYPES.get(self.status, "rate_limit_error" if self.status == 429 else "server_error")
        if 400 <= self.status < 429 and self.status not in _TYPES:
            kind = "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        """The error as a response."""
        return JSONResponse(self.body, self.status, {"Retry-After": "1"} if self.status == 429 else None)


class Message(BaseModel):
    """A turn of a conversation."""

    role: str
    content: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _parts(cls, content: Any) -> Any:
        """Parts as one text; only text is understood."""
        if not isinstance(content, list):
            return content
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind != "text" or not isinstance(part.get("text"), str):
                told = f"a part of type {kind!r}" if kind not in ("text", None) else "a part without its text"
                raise ValueError(f"{told:.100}: this model reads parts of type 'text', with their text")
        return "".join(part["text"] for part in content)

    @property
    def plain(self) -> dict[str, str]:
        """What the chat template reads."""
        return {"role": self.role, "content": self.content or ""}


class _Schema(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    schema_: dict[str, Any] | bool = Field(alias="schema")


class ResponseFormat(BaseModel):
    """What an answer must look like. `regex` is Hornbook's own: the whole answer matches `pattern`."""

    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: _Schema | None = None
    pattern: str | None = None


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    include_usage: bool = False


class Asked(BaseModel):
    """What both kinds of requests have. Fields that are not known are passed over, as other servers do."""

    model: str | None = None
    n: int = Field(1, ge=1, le=64)
    stream: bool = False
    stream_options: StreamOptions | None = None
    stop: str | list[str] | None = Field(None, max_length=256)
    max_tokens: int | None = Field(None, ge=0)
    seed: int | None = None
    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=100)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    response_format: ResponseFormat | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_unsaid(cls, value: Any) -> Any:
        """Some clients send every field, `null` where nothing is meant."""
        return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value

    @property
    def stops(self) -> list[str]:
        """The strings that end an answer."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or ())

    def sampling(self, published: Sampling, seed: int) -> Sampling:
        """How tokens are chosen: as asked, else as the model's files say."""
        names = (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
        )
        asked = {name: value for name in names if (value := getattr(self, name)) is not None}
        if asked.get("top_k") == -1:
            asked["top_k"] = 0
        if asked.get("top_p") == 0:  # some clients mean the likeliest token by it
            asked |= {"top_p": 1.0, "top_k": 1}
        return published.model_copy(update={**asked, "seed": seed})


class ChatAsked(Asked):
    """A request to `/v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)

    @property
    def limit(self) -> int | None:
        """Tokens of an answer at most."""
        return self.max_completion_tokens or self.max_tokens or None


class CompletionAsked(Asked):
    """A request to `/v1/completions`: a text or several, or ids of one or several."""

    prompt: str | list[str] | list[int] | list[list[int]] = Field("", max_length=1_000_000)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)
    suffix: str | None = None
    add_special_tokens: bool = True  # before a prompt, what the model begins every text with

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """The prompts, one or several."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [self.prompt]
        return self.prompt  # type: ignore[return-value]


_Asked = TypeVar("_Asked", bound=Asked)


def parsed(kind: type[_Asked], body: bytes) -> _Asked:
    """A request from its body. Raises RefusedError that names the field."""
    try:
        value = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"the body is not UTF-8: byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body is not a JSON object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        where, what = where_and_what(error.errors()[0])
        raise RefusedError(400, f"{where}: {what}"[:500], param=where) from None
