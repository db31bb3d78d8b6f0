"""One endpoint over HTTP: its connections, and one exchange with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError, nearest
from hornbook.teacher.client.dialect import Dialect
from hornbook.teacher.client.messages import DamagedError, ForeignError, Reply, Request, read_reply
from hornbook.teacher.client.protocol import (
    BrokenError,
    DeclinedError,
    UnreachableError,
    UnsupportedError,
    trouble_of,
)
from hornbook.teacher.client.settings import ClientSettings, Endpoint

if TYPE_CHECKING:
    import httpx

LARGEST = 16 * 2**20  # bytes of a response; an endpoint that never stops is cut off
CONNECT = 10.0  # seconds to find somebody at an address
DECLINES = 20  # in a row, with no answer in between, before the run ends: then it is not the requests' fault
NO_POST = (405, 501)  # how web servers say that there is nothing here to be asked
NO_ENTRY = (401, 402, 403)  # these are about keys and credit, whatever they say


class ConnectionPool:
    """As many connections to one endpoint as are in use at once, one client each; the one used last is used first.

    httpx's own pool looks at every connection whenever a request begins or ends, a third of the time with thirty of
    them; here a free one is taken off a stack. They share one TLS context, which takes long to make.
    """

    def __init__(self, headers: dict[str, str], connect: float, *, secure: bool, proxies: bool) -> None:
        """`connect`: seconds to find somebody. `proxies`: whether the environment's proxies are used."""
        import httpx

        self._headers = headers
        self._timeout = httpx.Timeout(None, connect=connect)
        self._verify = httpx.create_ssl_context(trust_env=proxies) if secure else False
        self._proxies = proxies
        self._free: list[httpx.AsyncClient] = []
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[httpx.AsyncClient]:
        """A connection for one exchange; where that breaks off the connection is not used again."""
        client = self._free.pop() if self._free else self._make()
        try:
            yield client
        except BaseException:
            closing = asyncio.get_running_loop().create_task(client.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            raise
        self._free.append(client)

    async def close(self) -> None:
        """Drop the connections that are free."""
        free, self._free = self._free, []
        await asyncio.gather(*(client.aclose() for client in free), return_exceptions=True)

    def _make(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(
            headers=self._headers,
            timeout=self._timeout,
            verify=self._verify,
            trust_env=self._proxies,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        )


class Transport:
    """One endpoint. `send` makes one exchange; when and how often is decided elsewhere."""

    def __init__(self, endpoint: Endpoint, settings: ClientSettings, say: Callable[[str], None]) -> None:
        """Raises UserError where a key is missing. `say` hears in words what the endpoint was found not to know."""
        self.endpoint = endpoint
        self.answered = False
        self._declined = 0  # requests turned down since the last answer
        self.unreachable = ""  # why nobody was reached the last time
        self._dialect = Dialect(endpoint.model)
        self._timeout = settings.timeout
        self._say = say
        self._said: set[str] = set()
        self._url, headers = _address(endpoint)
        self._connections = ConnectionPool(
            headers,
            min(CONNECT, settings.timeout),
            secure=self._url.startswith("https:"),
            proxies=not endpoint.local,  # nothing belongs between us and this machine's own server
        )

    async def send(self, request: Request, replies: Sequence[Reply]) -> Reply:
        """One exchange; `replies` came before and did not fit.

        Raises an `ExchangeError`, or UserError for what would be the same with every request.
        """
        body = self._dialect.build(request, replies)
        status, headers, content = await self._post(body)
        if 200 <= status < 300:
            status = _status_within(content)
        if status == 200:
            return self._read(content, request, body, first=not replies)
        if status >= 400 and status not in NO_ENTRY:
            learnt = self._dialect.refused(status, content, body, request)
            if learnt:
                self._say_once(learnt)
                raise UnsupportedError("unsupported", learnt)
        trouble = trouble_of(status, headers, content, self.endpoint, answered=self.answered)
        if isinstance(trouble, BrokenError | DeclinedError) and self._dialect.failed(body, request):
            raise UnsupportedError("unsupported", trouble.detail)
        if not self.answered and isinstance(trouble, DeclinedError):
            if status == 404:
                raise UserError(await self._diagnosis(trouble.detail))
            if status in NO_POST:
                raise UserError(f"{self._url} takes no requests: {trouble.detail}. {self._advice()}")
        if isinstance(trouble, DeclinedError) and trouble.reason != "refused":
            self._declined += 1
            if self._declined >= DECLINES:
                raise UserError(f"the last {DECLINES} requests were turned down: {trouble.detail}")
        raise trouble

    async def close(self) -> None:
        """Drop all connections."""
        await self._connections.close()

    async def _post(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """Send and receive, whole, within the time allowed: however slowly it drips."""
        import httpx

        try:
            async with asyncio.timeout(self._timeout), self._connections.connection() as http:
                async with http.stream("POST", self._url, content=json.dumps(body).encode()) as response:
                    content = await _whole(response)
                return response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            self.unreachable = f"{self.endpoint.base_url} cannot be reached: {_words(error)}"
            raise UnreachableError("unreachable", self.unreachable) from None
        except TimeoutError:
            raise BrokenError("timeout", f"no whole answer within {self._timeout:g} s") from None
        except httpx.DecodingError as error:
            raise BrokenError("damaged", _words(error)) from None
        except httpx.TransportError as error:
            raise BrokenError("cut", _words(error)) from None

    def _read(self, content: bytes, request: Request, body: dict[str, Any], *, first: bool) -> Reply:
        try:
            reply = read_reply(content, request)
        except DamagedError as error:
            if isinstance(error, ForeignError) and not self.answered:
                raise UserError(f"{self._url}: {error}. {self._advice()}") from None
            raise BrokenError("damaged", str(error)) from None
        self.answered, self._declined = True, 0
        found = self._dialect.answered(body, reply, request, first=first)
        if found:
            self._say_once(found)
        return reply

    def _advice(self) -> str:
        """What to look at when somebody answers who is no teacher."""
        if self.endpoint.azure or self.endpoint.base_url.endswith("/v1"):
            return "Check the host and the port, and whether a login page or a proxy stands before the teacher"
        return "Check the address: most teachers' ends in /v1, and the host and the port must be theirs"

    async def _diagnosis(self, detail: str) -> str:
        """Why there is nothing at the address: the model, or the path. The endpoint's own list of models tells."""
        import httpx

        base, model = self.endpoint.base_url, self.endpoint.model
        wrong_path = f"{self._url} does not exist (HTTP 404)"
        if not base.endswith("/v1") and not self.endpoint.azure:
            wrong_path += "; many servers answer under /v1"
        try:
            async with asyncio.timeout(min(CONNECT, self._timeout)), self._connections.connection() as http:
                response = await http.get(f"{base}/models")
            known = [str(entry["id"]) for entry in response.json()["data"]] if response.status_code == 200 else []
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError):
            known = []
        if known:
            return f"{base} has no model {model!r}{nearest(model, known)}; it has {', '.join(known[:8])}"
        return f"{base}: {detail}" if "model" in detail.lower() or self.endpoint.azure else wrong_path

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(f"{self.endpoint.base_url}: {text}")


def _address(endpoint: Endpoint) -> tuple[str, dict[str, str]]:
    """Where to post, and the headers that go with it. Raises UserError where the key is missing."""
    import httpx

    url = f"{endpoint.base_url}/chat/completions"
    if endpoint.api_version:
        url += f"?api-version={endpoint.api_version}"
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UserError(f"{endpoint.base_url!r} is not a URL: {error}") from None
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "hornbook"}
    return url, headers | endpoint.key_header()


async def _whole(response: httpx.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > LARGEST:
            raise BrokenError("damaged", f"a response of more than {LARGEST >> 20} MiB")
    return bytes(content)


def _status_within(content: bytes) -> int:
    """200, or the status that some gateways put into the body of an error that they send as a success."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return 200
    if not isinstance(data, dict) or "choices" in data or not isinstance(data.get("error"), dict):
        return 200
    code = data["error"].get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def _words(error: Exception) -> str:
    if type(error).__name__ == "ConnectTimeout":
        return f"no connection within {CONNECT:g} s"
    return " ".join(str(error).split()) or type(error).__name__
