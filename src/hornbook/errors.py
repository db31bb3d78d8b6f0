"""The one exception for mistakes a user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The message is one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and leaves with exit code 2.
    """


class Notice(UserWarning):
    """Something that a user should know although nothing failed. The command line prints it in one line."""


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the known word closest to `word`, or an empty string when none is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
