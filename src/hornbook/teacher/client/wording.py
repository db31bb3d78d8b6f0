"""What an endpoint is told in words where the protocol does not say it: the form of an answer, and what was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.teacher.client.messages import Reply, Request, judge

FORM = "Answer with one JSON value and nothing else. It must fit this JSON schema:\n{schema}\nThat is:\n{shape}"
AGAIN = "(Attempt {number}. That answer cannot be used: {fault}.) Answer again, whole, and put this right."
ANOTHER = "(Attempt {number}. An earlier answer could not be used: {fault}.)"
SHOWN = 1_000  # characters of an answer that are shown to whoever gave it


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


def asked_again(request: Request, replies: Sequence[Reply], form: str, *, show: bool) -> list[dict[str, str]]:
    """The messages of a further attempt: with `show` the last answer stands there, and then what is wrong with it.

    `form`: the form of the answer in words. Without `show`, and where there was no answer, only the fault is told.
    """
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    last = replies[-1]
    told = {"number": len(replies) + 1, "fault": judge(last, request).detail or "it did not fit"}
    if show and last.text.strip():
        text = last.text if len(last.text) <= SHOWN else f"{last.text[:SHOWN]}…"
        messages.append({"role": "assistant", "content": text})
        messages.append({"role": "user", "content": "\n\n".join(filter(None, [AGAIN.format(**told), form]))})
        return messages
    messages[-1]["content"] = "\n\n".join(filter(None, [messages[-1]["content"], form, ANOTHER.format(**told)]))
    return messages
