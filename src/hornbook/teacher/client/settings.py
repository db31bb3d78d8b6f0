"""What can be set about endpoints and how they are asked, and how a user writes an endpoint's address.

Free of heavy imports: every recipe may load this.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from hornbook.amounts import Count
from hornbook.errors import UserError, nearest
from hornbook.settings import Settings, where_and_what

KEY_VARIABLE, AZURE_KEY_VARIABLE = "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"
NO_KEY = "none"

# Options behind an address's #, and the fields of `Endpoint` that they set.
OPTIONS = {
    "as": "known_as",
    "key": "key_variable",
    "api_version": "api_version",
    "azure": "azure",
    "price_in": "price_in",
    "price_out": "price_out",
}
AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
EXAMPLE = "http://localhost:11434/v1#llama3"


class Endpoint(Settings):
    """One place that serves a model: vLLM, Ollama, llama.cpp, OpenAI, Azure, or Hornbook's own server."""

    base_url: str = Field(description="such as http://localhost:11434/v1; /chat/completions is added to it")
    model: str = Field(min_length=1, description="the model's name at this endpoint; at Azure the deployment's")
    known_as: str = Field("", description="the model's name in the cache, where endpoints call one model differently")
    key_variable: str = Field(
        "",
        description=f"environment variable that holds the key; {NO_KEY}: no key is sent; unset: {KEY_VARIABLE} "
        f"(Azure: {AZURE_KEY_VARIABLE}), which https needs, this machine's servers may have, and others never see",
    )
    api_version: str = Field("", description="Azure's api-version, for addresses with /openai/deployments/")
    azure: bool = Field(False, description="send the key as Azure wants it, in the header api-key")
    price_in: float = Field(0.0, ge=0, description="money for a million tokens of prompts")
    price_out: float = Field(0.0, ge=0, description="money for a million tokens of answers")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"{value!r} is not a URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or any(c.isspace() for c in value):
            raise ValueError(f"{value!r} is not a URL such as http://localhost:11434/v1")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a key does not belong into a URL; put it into an environment variable")
        if parts.query or parts.fragment:
            raise ValueError(f"{value!r} must end with its path, such as /v1")
        return value.rstrip("/")

    @property
    def name(self) -> str:
        """The model's name wherever it does not matter who serves it."""
        return self.known_as or self.model

    @property
    def local(self) -> bool:
        """Whether the address is this machine's own."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def variable(self) -> str:
        """The environment variable that is looked into for a key; empty where none is sent.

        Over plain http to another machine, where anybody on the way could read it, only a variable that was named.
        """
        if self.key_variable == NO_KEY:
            return ""
        if self.key_variable:
            return self.key_variable
        usual = AZURE_KEY_VARIABLE if self.azure else KEY_VARIABLE
        return usual if self.base_url.startswith("https:") or self.local else ""

    def key(self) -> str | None:
        """The key to send, or None. Raises UserError where a key is needed and its variable is not set."""
        found = os.environ.get(self.variable, "").strip() if self.variable else ""
        if not found and self.variable and (self.key_variable or self.base_url.startswith("https:")):
            raise UserError(
                f"{self.base_url} wants a key and {self.variable} is not set; "
                f"set it, or name another variable with key= (key={NO_KEY} for no key)"
            )
        if not found.isascii() or not found.isprintable():
            raise UserError(f"{self.variable} holds characters that no key has; set it again")
        return found or None

    def key_header(self) -> dict[str, str]:
        """The header that carries the key, Azure's or everybody else's; none without a key. Raises as `key` does."""
        key = self.key()
        if key is None:
            return {}
        return {"api-key": key} if self.azure or self.api_version else {"Authorization": f"Bearer {key}"}


class BudgetSettings(Settings):
    """What one run may use. Reaching it ends the run cleanly; what was answered stays in the cache."""

    requests: int | None = Field(None, ge=0, description="requests sent, those that fail and are sent again included")
    tokens: Count | None = Field(None, ge=0, description="tokens of prompts and answers together")
    money: float | None = Field(None, ge=0, description="in the currency of the endpoints' prices")


class ClientSettings(Settings):
    """How endpoints are asked. Several endpoints share the load of one model."""

    endpoints: tuple[Endpoint, ...] = Field(min_length=1)
    cache: Path = Field(description="folder in which every response is kept")
    budget: BudgetSettings = BudgetSettings()
    timeout: float = Field(120.0, gt=0, description="seconds until an answer must be whole, however it drips")
    attempts: int = Field(4, ge=1, description="answers paid for at most until one fits its schema")
    retries: int = Field(8, ge=0, description="times a request is sent again after server errors and cut answers")
    patience: float = Field(600.0, gt=0, description="seconds without one good answer after which the run ends")
    start: int = Field(4, ge=1, description="requests at once to begin with, for each endpoint")
    most: int = Field(64, ge=1, description="requests at once at most, for each endpoint")
    backoff: float = Field(1.0, gt=0, description="seconds before the first retry; doubles with each further one")
    longest_pause: float = Field(60.0, gt=0, description="seconds that doubling stops at")
    window: int = Field(1024, ge=1, description="requests read ahead of the answer that is handed out next")
    seed: int = Field(0, description="for the jitter of pauses")

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        names = sorted({endpoint.name for endpoint in self.endpoints})
        if len(names) > 1:
            raise ValueError(
                f"endpoints share the load of one model, and these serve {', '.join(names)}; "
                "if it is one model under several names, give each as=NAME"
            )
        return self

    @property
    def model(self) -> str:
        """The one model that all endpoints serve."""
        return self.endpoints[0].name

    @property
    def dearest(self) -> tuple[float, float]:
        """The highest prices among the endpoints: money a million tokens in and out."""
        return max(one.price_in for one in self.endpoints), max(one.price_out for one in self.endpoints)


def endpoints_from(texts: Sequence[str], model: str = "") -> tuple[Endpoint, ...]:
    """The endpoints that several `--teacher` options name; `model` is for those that name none themselves."""
    return tuple(endpoint_from(text, model) for text in texts)


def settings_from(texts: Sequence[str], model: str = "", **rest: Any) -> ClientSettings:
    """Everything a client needs: the endpoints of `--teacher` options, and the fields of `ClientSettings`.

    Raises UserError for addresses that are none, and for endpoints that serve different models.
    """
    try:
        return ClientSettings(endpoints=endpoints_from(texts, model), **rest)
    except ValidationError as error:
        where, message = where_and_what(error.errors()[0])
        raise UserError(f"{where}: {message}" if where else message) from None


def endpoint_from(text: str, model: str = "") -> Endpoint:
    """Read `URL[#MODEL[,OPTION=VALUE...]]`, such as `https://api.openai.com/v1#gpt-4o-mini,price_in=0.15`.

    A whole address that ends with /chat/completions is taken too, and Azure's with ?api-version=.
    Raises UserError for what is not such an address.
    """
    try:
        parts = urlsplit(text.strip())
    except ValueError as error:
        raise UserError(f"{text!r} is not the address of a teacher: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise UserError(f"{text!r} is not the address of a teacher; it looks like {EXAMPLE}")
    given = _options(text, parts.fragment)
    host = parts.hostname or ""
    if host.endswith(AZURE_HOSTS):
        given = {"azure": True} | given
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    query = parse_qs(parts.query)
    if "api-version" in query:
        given = {"api_version": query.pop("api-version")[0], "azure": True} | given
    if query:
        raise UserError(f"{text!r} has ?{next(iter(query))}=, which no teacher takes; options stand behind a #")
    if "/openai/deployments/" in path:
        given = {"model": path.rpartition("/")[2]} | given
    given = ({"model": model} if model else {}) | given
    if "model" not in given:
        raise UserError(f"{text!r} names no model; write {text.partition('#')[0]}#MODEL or add --model MODEL")
    try:
        return Endpoint(base_url=urlunsplit((parts.scheme, parts.netloc, path, "", "")), **given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{text!r} is not the address of a teacher: {_complaint(first)}") from None


def _options(text: str, fragment: str) -> dict[str, Any]:
    """The fields of `Endpoint` that stand behind the #."""
    given: dict[str, Any] = {}
    for place, piece in enumerate(unquote(fragment).split(",")):
        name, equals, value = piece.strip().partition("=")
        if not equals and place == 0:
            given |= {"model": name} if name else {}
        elif name not in OPTIONS or not value:
            raise UserError(
                f"{text!r} has the option {piece.strip()!r}{nearest(name, OPTIONS)}; "
                f"there are {', '.join(f'{option}=' for option in OPTIONS)}"
            )
        else:
            given[OPTIONS[name]] = value
    return given


def _complaint(error: Any) -> str:
    where = {field: option for option, field in OPTIONS.items()}.get(str(error["loc"][0]) if error["loc"] else "", "")
    message = where_and_what(error)[1]
    return f"{where}= {message}" if where else message
