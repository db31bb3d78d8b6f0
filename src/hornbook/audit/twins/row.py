"""What all makers of twins have in common."""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]


class UntwinnableError(Exception):
    """Why a row has no twin, to be read behind the row's name."""
