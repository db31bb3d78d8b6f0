"""The chat page: one file, with nothing in it that is loaded from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# What the page may do: its own script and style, requests to this server, nothing else. Were there ever a way to bring
# markup in, it could still load and run nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@cache
def page() -> str:
    """The page's text."""
    return files("hornbook.serve").joinpath("page.html").read_text(encoding="utf-8")
