"""A served model as a candidate: any server with OpenAI's /completions that tells the probabilities of a prompt.

What it is asked is the text that a model of ours would get; ids are the server's own. `hornbook serve`, vLLM and
llama.cpp's server tell probabilities with `echo` and `logprobs`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import exp
from typing import Any, TypeVar

import httpx

from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.evaluate.exam.candidate import ONE_TOKEN, Answered, Conversation, pairs
from hornbook.evaluate.exam.rules import Question
from hornbook.evaluate.exam.writing import cut
from hornbook.files import digest_value
from hornbook.inference.likelihood import Likelihood
from hornbook.teacher.client.settings import KEY_VARIABLE

_REQUESTS = 8  # under way at once
_TRIES = 4
_STOPS = 4  # that the interface takes
_FIRST = "nothing stands before the answer, and the server tells no probability of a text's first token"
_SILENT = (
    "the server tells no probabilities of a prompt (`echo` with `logprobs`); only answers that are written can be "
    "asked of it"
)


Asked = TypeVar("Asked")


class Endpoint:
    """The model `model` behind an address that ends in /v1, or URL#MODEL; the first that it offers unless told."""

    def __init__(self, url: str, model: str | None = None, *, client: httpx.Client | None = None) -> None:
        """Raises UserError where nobody answers there."""
        key = os.environ.get(KEY_VARIABLE)
        self._client = client or httpx.Client(timeout=600, headers={"Authorization": f"Bearer {key}"} if key else {})
        address, _, named = url.partition("#")
        self._url = address.rstrip("/")
        self._model = model or named or self._first()
        self.identity = digest_value([self._url, self._model])

    chats = True  # as far as anybody can tell before asking

    def about(self) -> dict[str, Any]:
        """See `Candidate.about`."""
        told = {"model": self._model, "endpoint": self._url, "identity": self.identity}
        return told | {"precision": "the server's own", "chat": False}

    def likelihoods(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """See `Candidate.likelihoods`."""
        return _at_once(self._likely, questions)

    def perplexities(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """See `Candidate.perplexities`; the tokens are those of the server."""
        return _at_once(self._perplexity, questions)

    def texts(self, questions: Sequence[Question], until: Sequence[str], new_tokens: int) -> Iterator[Answered]:
        """See `Candidate.texts`."""
        return _at_once(lambda question: self._written(question, until, new_tokens), questions)

    def replies(self, conversations: Sequence[Conversation], new_tokens: int) -> Iterator[Answered]:
        """See `Candidate.replies`."""
        return _at_once(lambda turns: self._said(turns, new_tokens), conversations)

    def _likely(self, question: Question) -> Answered:
        found, tokens, unknown = [], 0, ""
        for dropped in range(len(question.shots) + 1):
            asked = list(pairs(question, question.shared(dropped)))
            body = {
                "prompt": [context + answer for context, answer in asked],
                "max_tokens": 0,
                "echo": True,
                "logprobs": 1,
            }
            choices, unknown = self._post(body)
            if not unknown:
                for (_, answer), choice in zip(asked, choices, strict=True):
                    likelihood, tokens = _scored(choice.get("logprobs"), len(answer))
                    if not tokens:
                        return Answered(None, dropped, 0, _FIRST)
                    found.append(likelihood)
                return Answered(found, dropped, tokens)
        return Answered(None, len(question.shots), 0, unknown)

    def _perplexity(self, question: Question) -> Answered:
        text = question.prompts[0]
        body = {"prompt": text, "max_tokens": 0, "echo": True, "logprobs": 1, "add_special_tokens": False}
        if not text:
            return Answered(None, unknown=ONE_TOKEN)
        choices, unknown = self._post(body)
        if unknown:
            return Answered(None, unknown=unknown)
        told = choices[0].get("logprobs") or {}
        likelihood, _ = _scored(told, None)
        tokens, first = len(told["tokens"]), str(told["tokens"][0]).lstrip()
        if tokens < 2:
            return Answered(None, tokens=tokens, unknown=ONE_TOKEN)
        if "\ufffd" not in first and not text.lstrip().startswith(first):
            return Answered(None, tokens=tokens, unknown=f"the server reads {first!r} before a text")
        return Answered(exp(-likelihood.logprob / (tokens - 1)), tokens=tokens)

    def _written(self, question: Question, until: Sequence[str], new_tokens: int) -> Answered:
        unknown = ""
        for dropped in range(len(question.shots) + 1):
            prompt = question.shared(dropped) + question.prompts[0]
            body = {"prompt": prompt, "max_tokens": new_tokens, "stop": list(until[:_STOPS]) or None}
            choices, unknown = self._post(body)
            if not unknown:
                return Answered(cut(str(choices[0]["text"]), until), dropped)
        return Answered(None, len(question.shots), 0, unknown)

    def _said(self, turns: Conversation, new_tokens: int) -> Answered:
        choices, unknown = self._post({"messages": list(turns), "max_tokens": new_tokens}, "/chat/completions")
        if unknown:
            return Answered(None, unknown=unknown)
        message = choices[0]["message"] or {}
        return Answered(str(message.get("content") or message.get("refusal") or ""))

    def _post(self, body: Mapping[str, Any], path: str = "/completions") -> tuple[list[dict[str, Any]], str]:
        """Choices in order, or why the server refuses what it is asked."""
        answer = self._send("POST", path, {"model": self._model, "temperature": 0, **body})
        if answer.status_code in (400, 413, 422):
            return [], f"refused by the server: {_told(answer)}"
        choices = self._json(answer).get("choices")
        wanted = len(body["prompt"]) if isinstance(body.get("prompt"), list) else 1
        key = "message" if "messages" in body else "text"
        if (
            not isinstance(choices, list)
            or len(choices) != wanted
            or not all(isinstance(one, dict) and key in one and isinstance(one.get("index", 0), int) for one in choices)
        ):
            raise UserError(f"{answer.url} answers without the {plural(wanted, 'choice')} that it was asked for")
        return sorted(choices, key=lambda choice: choice.get("index", 0)), ""

    def _first(self) -> str:
        found = self._json(self._send("GET", "/models")).get("data")
        if not isinstance(found, list) or not found or not isinstance(found[0], dict) or "id" not in found[0]:
            raise UserError(f"{self._url} offers no model")
        return str(found[0]["id"])

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """An answer; a server that is busy or gone for a moment is asked again."""
        for left in range(_TRIES - 1, -1, -1):
            try:
                answer = self._client.request(method, self._url + path, json=body)
            except httpx.HTTPError as error:
                if not left:
                    raise UserError(f"{self._url} does not answer: {error}") from None
            else:
                if not left or (answer.status_code != 429 and answer.status_code < 500):
                    return answer
            time.sleep(2 ** (_TRIES - left) / 8)
        raise AssertionError("the last try returns or raises")

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            raise UserError(f"{answer.url} says {answer.status_code}: {_told(answer)}")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UserError(f"{answer.url} answers with something else than JSON; is it OpenAI's interface, with /v1?")
        return found


def _at_once(ask: Callable[[Asked], Answered], asked: Sequence[Asked]) -> Iterator[Answered]:
    """What each request brings, in order, several of them under way."""
    with ThreadPoolExecutor(_REQUESTS) as pool:
        yield from pool.map(ask, asked)


def _scored(told: Mapping[str, Any] | None, length: int | None) -> tuple[Likelihood, int]:
    """The likelihood of the tokens that the last `length` characters are of, and how many tokens stand before them;
    without a length that of all tokens, of which the first has none.

    Characters count from the end: servers differ in what stands in front, and in how long they call half a character.
    """
    names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    lists: list[list[Any]] = [found for name in names if isinstance(found := (told or {}).get(name), list) and found]
    if len(lists) < len(names) or len({len(one) for one in lists}) > 1:
        raise UserError(_SILENT)
    tokens, own, top, offsets = lists
    try:
        begin = 0 if length is None else offsets[-1] + len(tokens[-1]) - length
        first = next((at for at, offset in enumerate(offsets) if offset >= begin), len(offsets) - 1)
        scored = range(max(first, 1), len(tokens))
        logprobs = [float(own[at]) for at in scored]
        greedy = all(max(top[at].values()) <= own[at] for at in scored)
    except (AttributeError, IndexError, TypeError, ValueError):  # a probability that is null, or no likeliest token
        raise UserError(_SILENT) from None
    return Likelihood(sum(logprobs), greedy), first


def _told(answer: httpx.Response) -> str:
    """What a server says of an error, in a line."""
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = answer.text
    return (message.strip().splitlines() or ["nothing"])[0][:200]
