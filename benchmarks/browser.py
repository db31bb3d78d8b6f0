"""A headless Chromium that is told what to do, over the two pipes of its DevTools protocol: no driver, no package.

with Browser(folder) as browser:
    browser.open("http://localhost:8000/")
    browser.run("document.title")
    browser.picture(Path("page.png"))
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from hornbook.errors import UserError

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The browser of this machine; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser with a profile of its own in `folder`; size is in CSS pixels, each of which is `scale`
    wide in pictures.
    """

    def __init__(
        self, folder: Path, *, size: tuple[int, int] = (1100, 800), scale: float = 2, dark: bool = False
    ) -> None:
        """Raises UserError where there is no browser."""
        program = chromium()
        if program is None:
            raise UserError(f"there is no {' or '.join(NAMES)} on this machine: install one")
        self._session: str | None = None
        told, self._say = os.pipe()
        self._hear, answer = os.pipe()
        words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        words += ["--no-first-run", "--disable-quic", "--disable-sync", "--disable-background-networking"]
        words += ["--hide-scrollbars", "--disable-component-update", f"--user-data-dir={folder}", "about:blank"]

        def pipes() -> None:  # Chromium reads from 3 and writes to 4; neither may be what the other still is
            read, write = os.dup(told), os.dup(answer)
            while min(read, write) < 5:
                read, write = os.dup(read), os.dup(write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(
            words,
            close_fds=False,
            preexec_fn=pipes,  # noqa: PLW1509 (system calls alone, which no thread holds up)
            stdout=nowhere,
            stderr=nowhere,
        )
        os.close(told)
        os.close(answer)
        self._held, self._number = b"", 0
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", {"features": [scheme]})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        with suppress(RuntimeError):  # it may end before it answers
            self._ask("Browser.close", {})
        try:
            self._process.wait(10)  # until then its processes write into the profile
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._say)
        os.close(self._hear)

    def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """One command; what it answers. Raises RuntimeError for an error, and where the browser has gone."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._say, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._held:
                more = os.read(self._hear, 1 << 16)
                if not more:
                    raise RuntimeError("the browser ended")
                self._held += more
            line, _, self._held = self._held.partition(b"\0")
            found = json.loads(line)
            if found.get("id") == self._number:  # all else tells of events
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                answered: dict[str, Any] = found["result"]
                return answered

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page is loaded."""
        self._ask("Page.navigate", {"url": url})
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """What a JavaScript expression comes to, a promise waited for. Raises RuntimeError where it throws."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        found = self._ask("Runtime.evaluate", asked)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']['exception'].get('description', '')}")
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> None:
        """Until an expression is true. Raises TimeoutError."""
        until = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > until:
                raise TimeoutError(f"not after {seconds:g} s: {script}")
            time.sleep(0.05)

    def picture(self, place: Path) -> None:
        """What is seen, as PNG."""
        found = self._ask("Page.captureScreenshot", {"format": "png"})
        place.write_bytes(base64.b64decode(found["data"]))
