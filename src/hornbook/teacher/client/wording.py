"""What an endpoint is told in words where the protocol does not say it: the form of an answer, and what was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.teacher.client.messages import Reply, Request, judge
from hornbook.teacher.client.reader import is_json
from hornbook.teacher.client.schema import sample

FORM = "Answer with one JSON value and nothing else. It must fit this JSON schema:\n{schema}\nThat is:\n{shape}"
SHORT = "Answer with one JSON value and nothing else, in this form:\n{shape}"
EXAMPLE = "Show me the form of an answer, with anything in it."
AGAIN = "That answer, number {number}, cannot be used: {fault}. Answer again, whole, and put this right."
ANOTHER = "An earlier answer, number {number}, could not be used: {fault}."
SHOWN = 1_000  # characters of an answer that are shown to whoever gave it

Sent = dict[str, str]  # a message as it is sent: role and content


def form_of(schema: Mapping[str, Any]) -> str:
    """What an answer must look like."""
    return FORM.format(schema=json.dumps(schema, ensure_ascii=False), shape=shape(schema))


def shape(schema: Mapping[str, Any]) -> str:
    """A value that fits, with what goes there in place of each part: itself no JSON, so that no copy of it passes."""
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return f"<one of {', '.join(json.dumps(one, ensure_ascii=False) for one in schema['enum'])}>"
    if "anyOf" in schema:
        return " or ".join(shape(inner) for inner in schema["anyOf"])
    kind = schema.get("type", "value")
    if kind == "object":
        parts = [f"{json.dumps(name)}: {shape(inner)}" for name, inner in schema.get("properties", {}).items()]
        return "{" + ", ".join(parts) + "}"
    if kind == "array":
        return f"[{shape(schema.get('items', {}))}, ...]"
    words = (
        {"string": "text", "integer": "whole number"}.get(kind, kind) if isinstance(kind, str) else " or ".join(kind)
    )
    if "minimum" in schema and "maximum" in schema:
        words += f" from {schema['minimum']} to {schema['maximum']}"
    about = schema.get("description")
    return f"<{words}: {about}>" if about else f"<{words}>"


def plainly(request: Request, words: str) -> list[Sent]:
    """The messages of a request, with words after the last one."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    messages[-1]["content"] = "\n\n".join(filter(None, [messages[-1]["content"], words]))
    return messages


def with_example(request: Request, schema: Mapping[str, Any], words: str) -> list[Sent]:
    """The same after a turn in which the form was shown by an example: a weak model sooner repeats than obeys."""
    form = SHORT.format(shape=shape(schema))
    *before, last = plainly(request, "\n\n".join(filter(None, [words, form])))
    example = json.dumps(sample(schema), ensure_ascii=False)
    turn = [{"role": "user", "content": f"{EXAMPLE}\n\n{form}"}, {"role": "assistant", "content": example}]
    return [*before, *turn, last]


def asked_again(request: Request, replies: Sequence[Reply], *, show: bool) -> list[Sent]:
    """The messages of a further attempt, which differ from those before.

    The first time, with `show`, what looks like a whole try at the form stands there, and then what is wrong with it.
    What is nothing of the kind would only be said again: then, and later, the form is shown by an example, and the
    fault is told if the form was not it.
    """
    last, schema = replies[-1], request.schema
    told = {"number": len(replies), "fault": judge(last, request).detail or "it did not fit"}
    if schema is None:
        return plainly(request, ANOTHER.format(**told))
    if show and len(replies) == 1 and last.finish != "length" and any(bracket in last.text for bracket in "{["):
        text = last.text if len(last.text) <= SHOWN else f"{last.text[:SHOWN]}…"
        fault = f"{AGAIN.format(**told)}\n\n{form_of(schema)}"
        return [*plainly(request, ""), {"role": "assistant", "content": text}, {"role": "user", "content": fault}]
    return with_example(request, schema, ANOTHER.format(**told) if is_json(last.text) else "")
