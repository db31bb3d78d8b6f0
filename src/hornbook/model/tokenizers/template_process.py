"""The far side of `rendering`: chat templates in a process of their own, which may die of them.

Templates find here what transformers gives them: an immutable sandbox, `trim_blocks` and `lstrip_blocks`, loop
controls, `{% generation %}`, `raise_exception`, `strftime_now`, `tojson` without HTML escapes, a `dict` and a
`namespace` that reach nothing else. What transformers does not have is a limit: Jinja's sandbox bounds `range`, but not
a `range` inside another, nor `'a' * 5_000_000_000`. A limit on the process holds whatever a template thinks of.

Started by path: it may import the standard library and Jinja, and nothing of hornbook.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

# The variable that holds what stands around the body of a {% generation %} block.
_MARKS = "_marks_of_generation"


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}` around what the assistant says: renders its body."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own declaration)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body", [nodes.ContextReference()]), [], [], body).set_lineno(line)

    def _body(self, context: Context, caller: Callable[[], str]) -> str:
        begins, ends = context.get(_MARKS)
        return f"{begins}{caller()}{ends}"


class _Dict:
    def __call__(self, *given: Any, **named: Any) -> dict[Any, Any]:
        return dict(*given, **named)

    def fromkeys(self, *given: Any) -> dict[Any, Any]:
        return dict.fromkeys(*given)


class _Namespace(Namespace):
    """Jinja's, without names that begin with an underscore."""

    def __init__(*args: Any, **named: Any) -> None:  # as Jinja's: a template may say namespace(self=...)
        values = dict(*args[1:], **named)
        for name in values:
            _named(name)
        Namespace.__init__(args[0], values)

    def __setitem__(self, name: str, value: Any) -> None:
        _named(name)
        super().__setitem__(name, value)


def _named(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace cannot hold {name!r}")


def _refuse(reason: object) -> None:
    raise TemplateError(str(reason))


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment.from_string(template)


def _answer(request: dict[str, Any], memory: int, characters: int) -> dict[str, str]:
    """`text`, or why there is none: the template `refused`, it `failed`, or it met a `limit`."""
    pieces: list[str] = []
    length = 0
    try:
        template = _compiled(request["template"])
        for piece in template.generate({**request["variables"], _MARKS: request["marks"]}):
            length += len(piece)
            if length > characters:
                return {"limit": f"more than {characters:,} characters"}
            pieces.append(piece)
        return {"text": "".join(pieces)}
    except TemplateError as error:
        return {"refused": str(error)[:1000]}
    except MemoryError:
        return {"limit": f"more than {memory >> 20} MiB of memory"}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:1000]}


def main() -> None:
    """One request a line on standard input, one answer a line on standard output, until there are no more.

    Arguments: for one rendering, processor time in seconds, memory in bytes, and the most characters of its text.
    """
    seconds, memory, characters = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the near side's
    with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # ends the process, also inside a single long operation
        answer = json.dumps(_answer(json.loads(line), memory, characters))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
