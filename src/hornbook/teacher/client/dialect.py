"""The part of the protocol that one endpoint takes, learned from what it says to requests, and the bodies made so.

An answer's form is asked for in the first of four ways that the endpoint takes: see `Form`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from hornbook.files import digest_value
from hornbook.seeds import derive
from hornbook.teacher.client.messages import Reply, Request, judge
from hornbook.teacher.client.protocol import error_of
from hornbook.teacher.client.reader import is_json
from hornbook.teacher.client.wording import asked_again, form_of, plainly, with_example

SEEDS = 2**31  # servers keep a seed in 32 bits, some with a sign
RESTLESS = 0.3  # temperature at least with the third attempt, and more with each: the same would bring the same
IGNORED = 3  # answers in a row that are no JSON, or do not fit, before response_format counts as ignored
LONGEST = 4_000  # characters of an error that are looked at
OPENINGS = ("{", "[", "```", "<think>")  # how what may become JSON begins
SILENT = 4  # errors in a row that say nothing of use before response_format is suspected
REFUSED = (400, 415, 422, 501)  # how servers say that they do not know a field; others must say it in so many words
_OF_FORM = re.compile(r"response_format|json.?schema|json.?object|structured|guided|grammar")
_OF_SEED = re.compile(r"\bseed\b")
_OF_TYPE = re.compile(r"json.?schema|json.?object|schema|\btype\b")
_OF_ROOM = re.compile(r"context (window|length|size)|too (long|many tokens)|maximum.{0,40}tokens")
_NO = re.compile(
    r"support|unknown|unrecogni|unexpected|invalid|should be|must be|extra inputs|literal_error|compile|parse|convert"
    r"|not (allowed|permitted|implemented|available|valid)"
)


class Form(IntEnum):
    """How an answer's form is asked for; each is taken by more servers than the one before it."""

    SCHEMA = 0  # response_format json_schema
    BESIDE = 1  # response_format json_object with the schema beside it, as llama.cpp takes it, and in words
    OBJECT = 2  # response_format json_object, the schema in words
    WORDS = 3  # words alone


TOLD = {
    Form.BESIDE: "it takes no response_format json_schema; json_object goes out, the schema beside it and in words",
    Form.OBJECT: "it takes no schema beside response_format json_object: the schema is put into words",
    Form.WORDS: "it takes no response_format: the schema is put into words alone",
}


class Dialect:
    """Makes the bodies for one endpoint, and learns which parts of the protocol it does not take."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._length = "max_tokens"
        self._seed = True
        self._shows = True  # whether a further attempt has the earlier answer in it
        self._example = False  # whether the form is shown by an example from the first attempt on
        self._spelled = False  # whether a schema stands in words beside response_format
        self._form = Form.SCHEMA
        self._refused: dict[str, Form] = {}  # single schemas, by digest, of an endpoint that takes others
        self._works = False  # whether an answer has fitted that was asked for with response_format
        self._unfit = self._not_json = 0  # first answers in a row
        self._errors, self._failed = 0, list[Request]()  # errors in a row that say nothing of use, and their requests
        self._suspected = False  # whether response_format may be why they failed
        self._cleared = False  # whether it was found not to be

    def build(self, request: Request, replies: Sequence[Reply]) -> dict[str, Any]:
        """The JSON to send. After `replies` it is another one, so that no cache repeats the last answer."""
        attempt, words = len(replies), ""
        heat = max(request.temperature, RESTLESS * (attempt - 1)) if attempt > 1 else request.temperature
        body: dict[str, Any] = {"model": self._model, "messages": [], "temperature": heat}
        body[self._length] = request.max_tokens
        if self._seed:
            body["seed"] = (derive(request.seed, "attempt", attempt) if attempt else request.seed) % SEEDS
        if request.top_p != 1:
            body["top_p"] = request.top_p
        if request.stop:
            body["stop"] = list(request.stop)
        if request.schema is not None:
            form = self._form_for(request)
            if form == Form.SCHEMA:
                asked = {"name": "answer", "strict": True, "schema": request.schema}
                body["response_format"] = {"type": "json_schema", "json_schema": asked}
            elif form != Form.WORDS:
                beside = {"schema": request.schema} if form == Form.BESIDE else {}
                body["response_format"] = {"type": "json_object", **beside}
            words = form_of(request.schema) if form != Form.SCHEMA or self._spelled else ""
        if attempt:
            body["messages"] = asked_again(request, replies, show=self._shows)
        elif words and self._example and request.schema is not None:
            body["messages"] = with_example(request, request.schema, "")
        else:
            body["messages"] = plainly(request, words)
        return body

    def refused(self, status: int, content: bytes, body: dict[str, Any], request: Request) -> str:
        """From what an endpoint says to a request: what to leave out from here on, in words; empty when it is silent.

        Requests that were sent before the first such answer say the same again.
        """
        words = error_of(content, LONGEST)[1].lower()
        plain = status in REFUSED or bool(_NO.search(words))
        if "max_tokens" in body and "max_completion_tokens" in words:
            self._length = "max_completion_tokens"
            return "it wants max_completion_tokens"
        if plain and "response_format" in body and _OF_FORM.search(words):
            return self._step(Form(_form_of(body) + 1) if _OF_TYPE.search(words) else Form.WORDS, request)
        if plain and "seed" in body and _OF_SEED.search(words):
            self._seed = False
            return "it takes no seed"
        if len(body["messages"]) > len(request.messages) and _OF_ROOM.search(words):
            self._shows = False
            return "it has no room to be shown its own answers"
        return ""

    def failed(self, body: dict[str, Any], request: Request) -> bool:
        """Count an error that says nothing of the kind. Returns whether to send the request again in another form.

        What fails again and again and never yet worked may fail because of response_format. Whether it does is seen
        by the same request without it; if that fails too, response_format is put back and not suspected again.
        """
        known = any(one is request for one in self._failed)
        if "response_format" not in body:
            if self._suspected and known:
                self._form, self._suspected, self._cleared = Form.SCHEMA, False, True
            return False
        if self._works or self._cleared:
            return False
        if not known:
            self._failed.append(request)
        self._errors += 1
        if self._errors >= SILENT:
            self._form, self._suspected = Form.WORDS, True
        return self._suspected

    def answered(self, body: dict[str, Any], reply: Reply, request: Request, *, first: bool) -> str:
        """Look at an answer. Returns what was found out by it, in words.

        Some servers read over response_format without a word, and some keep to a part of it; only a `first` answer
        tells, for further ones were asked for in words as well.
        """
        if "response_format" not in body and self._suspected and any(one is request for one in self._failed):
            self._suspected, self._failed = False, []
            return "it answers errors to response_format: the schema is put into words alone"
        if "response_format" in body and not self._suspected:
            self._errors, self._failed = 0, []
        if self._works or not first or reply.refusal or request.schema is None:
            return ""
        fits = judge(reply, request).failure is None
        self._unfit = 0 if fits else self._unfit + 1
        return self._of_form(reply, fits=fits) if "response_format" in body else self._of_words()

    def _of_form(self, reply: Reply, *, fits: bool) -> str:
        """What an answer tells that was asked for with response_format."""
        json = reply.text.lstrip().startswith(OPENINGS) if reply.finish != "stop" else is_json(reply.text)
        self._works = fits and json
        self._not_json = 0 if json else self._not_json + 1
        if self._not_json >= IGNORED and self._form != Form.WORDS:
            self._form, self._unfit = Form.WORDS, 0
            return "it reads over response_format: the schema is put into words alone"
        if self._unfit >= IGNORED and self._form == Form.SCHEMA and not self._spelled:
            self._spelled = True
            return "it does not keep to the schema, which is put into words as well"
        return ""

    def _of_words(self) -> str:
        """What an answer tells that was asked for in words alone."""
        if self._unfit < IGNORED or self._example:
            return ""
        self._example = True
        return "its answers do not have the form that it is told, which is shown by an example"

    def _form_for(self, request: Request) -> Form:
        if not self._refused:
            return self._form
        return max(self._form, self._refused.get(digest_value(request.schema), Form.SCHEMA))

    def _step(self, form: Form, request: Request) -> str:
        """Ask in another form from here on: where another schema has worked, for this one alone."""
        if self._works:
            key = digest_value(request.schema)
            self._refused[key] = max(form, self._refused.get(key, Form.SCHEMA))
            return f"it does not take every JSON schema; for one of them {TOLD[form].removeprefix('it ')}"
        self._form = max(form, self._form)
        return TOLD[form]


def _form_of(body: dict[str, Any]) -> Form:
    """In which form a body asks."""
    asked = body["response_format"]
    if asked["type"] == "json_schema":
        return Form.SCHEMA
    return Form.BESIDE if "schema" in asked else Form.OBJECT
