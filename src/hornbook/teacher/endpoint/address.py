"""What a user writes after `--teacher`: a URL with the model and a few options behind a #."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from pydantic import ValidationError

from hornbook.errors import UserError, nearest
from hornbook.settings import where_and_what
from hornbook.teacher.endpoint.settings import ClientSettings, Endpoint

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
