"""What a server is told: where it listens, who may ask, and how much of everything."""

from __future__ import annotations

import ipaddress
import re

from pydantic import Field

from hornbook.errors import UserError
from hornbook.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s*]+", re.IGNORECASE)


def origin_of(site: str) -> str:
    """A web site as browsers name it in `Origin`. Raises UserError for what is none."""
    bare = site.strip().rstrip("/").lower()
    if not _ORIGIN.fullmatch(bare):
        raise UserError(f"--origin {site!r} is no site such as https://example.org, which browsers tell of a page")
    return bare


class ServeSettings(Settings):
    """Where a server listens and what it refuses; a request beyond a limit is answered with the right status."""

    host: str = Field("127.0.0.1", description="the address it listens on; another than loopback needs an API key")
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free one")
    api_key: str = Field("", repr=False, description="what clients must send; nothing: anybody on this machine may ask")
    origins: tuple[str, ...] = Field((), description="web pages elsewhere that may ask, such as https://example.org")
    body: int = Field(1_000_000, ge=1, description="bytes of a request at most (413)")
    queue: int = Field(64, ge=0, description="requests that wait for a place at most (429)")
    seconds: float = Field(600.0, gt=0, description="an answer's time, waiting included (504)")
    sending: float = Field(10.0, gt=0, description="seconds until a request's body must have arrived (408)")
    closing: float = Field(10.0, ge=0, description="seconds that answers under way get when the server is told to end")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Raises UserError where anybody on the network could ask."""
        if not self.local and not self.api_key:
            raise UserError(
                f"{self.host} can be reached from other machines, so an API key is needed: put one into a variable and "
                "name it, `--api-key-env MY_KEY`"
            )
