"""The one exception for mistakes a user can mend, and words for what the system refuses."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The message is one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and leaves with exit code 2.
    """


class UnfinishedError(UserError):
    """One that ends work of which something good is there, which the message names: it stays."""


class Notice(UserWarning):
    """Something that a user should know although nothing failed. The command line prints it in one line."""


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the known word closest to `word`, or an empty string when none is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def of_system(error: OSError) -> str:
    """What the system refused, in one line: which file, why, and what to do where that is known."""
    told = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    place = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in told:
        return f"{place}the disk is full; make room, and the same command goes on from here"
    if error.errno == errno.EROFS:
        return f"{place}the disk can only be read; name another folder with --into"
    return f"{place}{told}"


def is_lack_of_memory(error: Exception) -> bool:
    """Whether an exception says that there was no memory, in the words of Python or of PyTorch."""
    told = str(error)
    return isinstance(error, MemoryError) or "out of memory" in told or "can't allocate memory" in told
