"""Token healing: a text is gone on with as a document goes on that was never cut there.

Where a text ends, its last token is often not the one that a whole document has there: GPT-2's tokenizers join a
newline with the indentation behind it, cl100k's joins it with the punctuation before it. A model asked to go on from
such an end is asked something that it has never seen. So the last token is taken back, and the first one that the model
writes has to begin with its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.model.tokenizers import Tokenizer


@dataclass(frozen=True)
class Healed:
    """A text to go on from: the ids to read, their text, and the ids that may come first, any where there are none."""

    ids: list[int]
    text: str
    first: Sequence[int]

    def completed(self, tokenizer: Tokenizer, answer: Sequence[int]) -> str:
        """What the model goes on with behind `text`, once it has written the ids `answer`."""
        return tokenizer.decode([*self.ids, *answer])[len(tokenizer.decode(self.ids)) :]


def heal(tokenizer: Tokenizer, text: str) -> Healed:
    """Take back the last token of `text`, unless it is the only one or the ids before it do not begin the text."""
    ids = tokenizer.encode_prompt(text)
    before = tokenizer.decode(ids[:-1])
    if len(ids) > 1 and text.startswith(before):
        return Healed(ids[:-1], before, tokenizer.beginning_with(text[len(before) :]))
    return Healed(ids, text, ())
