"""What goes into the sandbox (programs and limits) and what comes out of it (outcomes)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

# Whatever imports, opens files, or reaches into the interpreter: dunder names, names by string, frames.
_REACHES_OUT = re.compile(
    r"__|\b(?:import|open|eval|exec|compile|getattr|setattr|delattr|globals|locals|vars|breakpoint|input|help|exit|quit"
    r"|(?:gi|cr|ag)_(?:frame|code|await|yieldfrom|running|suspended)|tb_\w+|f_(?:back|globals|builtins|locals|code|trace))\b"
)

Status = Literal["ok", "error", "timeout", "memory", "output", "died"]


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    `seconds` counts what all calls of a program together compute, so that what else the machine does is no matter;
    by the clock on the wall it lasts `patience` times as long at most (once where a system has no clock of processes).
    `memory_bytes` is address space, the interpreter's own included; `output_bytes` bounds all results of a program
    together, written as literals; `file_bytes` bounds one file and `folder_bytes` the whole temporary folder.
    """

    seconds: float = 3.0
    patience: float = 4.0
    memory_bytes: int = 512 << 20
    output_bytes: int = 64 << 10
    file_bytes: int = 1 << 20
    folder_bytes: int = 16 << 20


@dataclass(frozen=True)
class Program:
    """Source text, the name of a function it defines, and the arguments of each call.

    Arguments are plain literals: None, bool, int, float (no nan), str, and list, tuple, dict and set of such.
    Every call gets arguments of its own, so a function that changes them does not disturb the next call.
    `ours` says that Hornbook composed every character of the source: only such a program may share a process.
    """

    source: str
    function: str
    calls: tuple[tuple[Any, ...], ...]
    ours: bool = False


def may_share(program: Program) -> bool:
    """Whether a program can run in one process with others as if it had one of its own.

    Only what is `ours`: no reading of text keeps a hostile program from its neighbours (a class pattern runs its
    metaclass's methods, `str.format` reads attributes). The text is looked at to keep accidents away, such as an import
    whose module remembers something.
    """
    return program.ours and program.source.isascii() and not _REACHES_OUT.search(program.source)


@dataclass(frozen=True)
class CallResult:
    """What one call came to: `value` where `error` is empty, else `error` as "Name: message".

    A result that is no plain literal is an error too, and so is nan, which no comparison could use.
    """

    value: Any = None
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one program.

    - "ok": every call was made; `results` holds one entry a call, in order.
    - "error": the source does not compile, raised while it was loaded, or does not define the function.
    - "timeout", "memory", "output": a limit was met.
    - "died": the process ended, or stopped making sense, before it had answered.

    `results` is empty unless `status` is "ok"; `message` says more about the other cases.
    """

    status: Status
    results: tuple[CallResult, ...] = ()
    message: str = ""
