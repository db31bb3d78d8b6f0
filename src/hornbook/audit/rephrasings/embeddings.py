"""Vectors by a model behind an endpoint's /v1/embeddings. Each is kept on disk and never paid for twice."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hornbook.audit.rephrasings.candidates import CHARACTERS
from hornbook.errors import UserError
from hornbook.files import digest_value
from hornbook.teacher.client.budget import BudgetError, overdrawn, price
from hornbook.teacher.client.cache import FILE, Cache
from hornbook.teacher.client.messages import Reply, Usage, tokens_of
from hornbook.teacher.client.protocol import BrokenError, BusyError, ExchangeError, UnreachableError, trouble_of
from hornbook.teacher.client.rate_limiter import pause_before
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOGETHER = 64  # texts of one request
AT_ONCE = 4  # requests


class EndpointEmbedder:
    """Asks one endpoint, named by the first of the settings. Use it in a `with` block."""

    def __init__(self, settings: ClientSettings) -> None:
        self.name = settings.model
        self._settings, self._endpoint = settings, settings.endpoints[0]
        self.budget = EmbeddingBudget(settings.budget, self._endpoint.price_in)
        self._lock = threading.Lock()
        self._answered = False
        self._widths: set[int] = set()
        self._cache: Cache | None = None
        self._http: Any = None

    def learn(self, batches: Iterable[Sequence[str]]) -> None:
        """Nothing is learned: the model knows what words mean."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 for the beginning of each text: (texts, width).

        Raises BudgetError where a budget ends and UserError where the endpoint gives no vectors; those that came
        before are kept.
        """
        import numpy as np

        cut = [text[:CHARACTERS] for text in texts]
        known = {text: row for text in dict.fromkeys(cut) if (row := self._kept(text)) is not None}
        missing = [text for text in dict.fromkeys(cut) if text not in known]
        groups = [missing[start : start + TOGETHER] for start in range(0, len(missing), TOGETHER)]
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hornbook-embeddings")
        try:
            for group, rows in zip(groups, pool.map(self._ask, groups), strict=True):
                known |= zip(group, rows, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
        self._widths |= {len(row) for row in known.values()}
        if len(self._widths) > 1:
            raise UserError(
                f"{self._endpoint.base_url} gives vectors of several lengths for {self.name}: "
                f"{', '.join(map(str, sorted(self._widths)))}; name another folder for the cache, or another model"
            )
        made = np.stack([known[text] for text in cut])
        lengths = np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
        return np.asarray(made / lengths, dtype=np.float32)

    def cost(self, texts: Iterable[str]) -> tuple[int, int, float]:
        """How many of the texts the cache does not hold, their tokens (estimated), and the money that takes."""
        seen, tokens = set(), 0
        for text in texts:
            key = self._key(text[:CHARACTERS])
            if key not in seen and self._kept(text[:CHARACTERS]) is None:
                seen.add(key)
                tokens += tokens_of(len(text[:CHARACTERS]))
        return len(seen), tokens, price(Usage(tokens), self._endpoint.price_in, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            self._http.close()
        if self._cache is not None:
            self._cache.close()

    def _key(self, text: str) -> str:
        return digest_value({"embeddings of": self.name, "text": text})

    def _kept(self, text: str) -> NDArray[np.float32] | None:
        """The vector on disk; a cache that is not there is not made."""
        import numpy as np

        if self._cache is None and not (self._settings.cache / FILE).is_file():
            return None
        replies = self._store().get(self._key(text))
        return np.frombuffer(base64.b64decode(replies[0].text), dtype="<f4") if replies else None

    def _store(self) -> Cache:
        with self._lock:
            self._cache = self._cache or Cache(self._settings.cache)
            return self._cache

    def _ask(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """One request, sent again after faults that may pass."""
        estimated = sum(tokens_of(len(text)) for text in texts)
        settings = self._settings
        for tried in range(1, settings.retries + 2):
            self.budget.reserve(estimated)
            try:
                rows, used = self._exchange(texts)
            except (BusyError, BrokenError) as trouble:
                self.budget.settle(estimated, 0)
                if tried > settings.retries:
                    raise UserError(self._complaint(trouble)) from None
                pause = pause_before(tried, settings.backoff, settings.longest_pause, settings.seed, texts[0])
                time.sleep(min(trouble.wait if trouble.wait is not None else pause, settings.patience))
            except ExchangeError as trouble:
                self.budget.settle(estimated, 0)
                raise UserError(self._complaint(trouble)) from None
            else:
                self.budget.settle(estimated, estimated if used is None else used)
                self._keep(texts, rows)
                return rows
        raise AssertionError("the last try returns or raises")

    def _exchange(self, texts: Sequence[str]) -> tuple[list[NDArray[np.float32]], int | None]:
        import httpx

        try:
            response = self._client().post(
                f"{self._endpoint.base_url}/embeddings",
                params={"api-version": self._endpoint.api_version} if self._endpoint.api_version else None,
                json={"model": self._endpoint.model, "input": list(texts)},
            )
        except httpx.ConnectError as error:
            trouble = BrokenError if self._answered else UnreachableError
            raise trouble("unreachable", f"it cannot be reached: {error}") from None
        except httpx.TransportError as error:
            raise BrokenError("cut", str(error) or type(error).__name__) from None
        if response.status_code != 200:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise trouble_of(response.status_code, headers, response.content, self._endpoint, answered=self._answered)
        self._answered = True
        return _read(response.content, len(texts))

    def _client(self) -> Any:
        import httpx

        with self._lock:
            if self._http is None:
                self._http = httpx.Client(
                    headers={"User-Agent": "hornbook"} | self._endpoint.key_header(),
                    timeout=self._settings.timeout,
                    trust_env=not self._endpoint.local,
                )
            return self._http

    def _keep(self, texts: Sequence[str], rows: Sequence[NDArray[np.float32]]) -> None:
        self._store().put(
            [
                (self._key(text), 0, Reply(base64.b64encode(row.tobytes()).decode(), "stop", "", Usage()))
                for text, row in zip(texts, rows, strict=True)
            ]
        )

    def _complaint(self, trouble: ExchangeError) -> str:
        return (
            f"{self._endpoint.base_url}/embeddings gave no vectors: {trouble.detail}; "
            "those that came are kept: the same command goes on from there"
        )


class EmbeddingBudget:
    """Counts requests, tokens and money from several threads. What a request may take is set aside before it goes."""

    def __init__(self, budget: BudgetSettings, price_in: float) -> None:
        """`price_in`: money for a million tokens."""
        self._budget, self._price = budget, price_in
        self._lock = threading.Lock()
        self.requests, self.tokens = 0, 0

    @property
    def money(self) -> float:
        """In the currency of the price."""
        return price(Usage(self.tokens), self._price, 0.0)

    def reserve(self, tokens: int) -> None:
        """Count a request of so many tokens. Raises BudgetError where it would overdraw the budget."""
        with self._lock:
            money = price(Usage(self.tokens + tokens), self._price, 0.0)
            reached = overdrawn(self._budget, self.requests + 1, self.tokens + tokens, money)
            if reached:
                raise BudgetError(
                    f"the budget of {reached} is reached before all vectors are made; every one so far is kept: "
                    "the same command goes on from there with a budget of its own"
                )
            self.requests += 1
            self.tokens += tokens

    def settle(self, tokens: int, used: int) -> None:
        """Of what was set aside so much was used."""
        with self._lock:
            self.tokens += used - tokens

    def left(self) -> BudgetSettings:
        """What whoever asks next may use."""
        budget = self._budget
        return BudgetSettings(
            requests=None if budget.requests is None else max(0, budget.requests - self.requests),
            tokens=None if budget.tokens is None else max(0, budget.tokens - self.tokens),
            money=None if budget.money is None else max(0.0, budget.money - self.money),
        )

    def as_dict(self) -> dict[str, float]:
        """Everything for the figures."""
        return {"requests": self.requests, "tokens": self.tokens, "money": round(self.money, 6)}


def _read(content: bytes, count: int) -> tuple[list[NDArray[np.float32]], int | None]:
    """The vectors of a response, in the texts' order, and the tokens that were counted, None where nobody did.

    Raises BrokenError for anything but `count` vectors.
    """
    import json

    import numpy as np

    try:
        data = json.loads(content)
        by_index = {int(one["index"]): np.array(one["embedding"], dtype="<f4") for one in data["data"]}
        rows = [by_index[place] for place in range(count)]
        usage = data.get("usage") or {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BrokenError("damaged", "the response holds no vectors") from None
    if any(row.ndim != 1 or not len(row) or not np.isfinite(row).all() for row in rows):
        raise BrokenError("damaged", "the response holds vectors that are none")
    tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return rows, tokens if isinstance(tokens, int) and tokens >= 0 else None
