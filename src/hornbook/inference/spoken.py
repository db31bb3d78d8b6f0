"""An answer's text as its tokens arrive: whole characters, and nothing of a stop string, wherever token borders lie."""

from __future__ import annotations

from collections.abc import Sequence

from hornbook.model.tokenizers import Tokenizer


class Spoken:
    """Tell it tokens, `take` what may be said. `hear` is what a `Request` wants for `ended`.

    Text that could be the beginning of a stop string is held back until it is known not to be one.
    """

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()) -> None:
        self._stream = tokenizer.streamed()
        self._stops = [stop for stop in stops if stop]
        self._held = self._ready = ""
        self.stopped = False

    def hear(self, token: int) -> bool:
        """Take in a token; True where a stop string is complete."""
        self._add(self._stream.tell(token))
        return self.stopped

    def end(self) -> None:
        """No more tokens come: what was held back is text."""
        if not self.stopped:
            self._add(self._stream.end())
            self._ready, self._held = self._ready + self._held, ""

    def take(self) -> str:
        """The text that has become certain since it was taken last."""
        ready, self._ready = self._ready, ""
        return ready

    def _add(self, text: str) -> None:
        if self.stopped or not text:
            return
        self._held += text
        found = min((at for stop in self._stops if (at := self._held.find(stop)) >= 0), default=-1)
        if found >= 0:
            self._ready, self._held, self.stopped = self._ready + self._held[:found], "", True
            return
        kept = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        certain = len(self._held) - kept
        self._ready, self._held = self._ready + self._held[:certain], self._held[certain:]


def _overlap(text: str, stop: str) -> int:
    """How many of the last characters of `text` could be the first ones of `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
