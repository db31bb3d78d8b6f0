"""Which programs may share a process with others: those that, by their text alone, can leave nothing behind in it."""

from __future__ import annotations

import re

# Whatever imports, opens files, or reaches into the interpreter: dunder names, names by string, frames.
_REACHES_OUT = re.compile(
    r"__|\b(?:import|open|eval|exec|compile|getattr|setattr|delattr|globals|locals|vars|breakpoint|input|help|exit|quit"
    r"|(?:gi|cr|ag)_(?:frame|code|await|yieldfrom|running|suspended)|tb_\w+|f_(?:back|globals|builtins|locals|code|trace))\b"
)


def may_share(source: str) -> bool:
    """Whether programs like this one can run after each other in one process as if each had one of its own.

    Text alone decides, before anything runs. It errs on the side of no: an import is enough, and so is a character
    outside ASCII, since Python reads some of those as ASCII in names.
    """
    return source.isascii() and not _REACHES_OUT.search(source)
