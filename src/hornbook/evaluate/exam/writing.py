"""Answers that a model writes, many at a time, until each has written what ends it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.inference.scheduler import Scheduler
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

_CACHE = 1 << 30  # bytes of the cache that answers share
MOST = 64  # answers that are written side by side


class _Until:
    """Watches one answer for the first of some texts."""

    def __init__(self, tokenizer: Tokenizer, until: Sequence[str]) -> None:
        self._stream, self._until = tokenizer.streamed(), until
        self._longest = max(map(len, until), default=0)
        self._tail = ""

    def ended(self, token: int) -> bool:
        """Whether the answer holds one of the texts with this token."""
        self._tail += self._stream.tell(token)
        found = any(text in self._tail for text in self._until)
        self._tail = self._tail[-self._longest :] if self._longest else ""
        return found


def written(
    scheduler: Scheduler,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    until: Sequence[str],
    new_tokens: int,
) -> Iterator[str]:
    """What a model goes on with behind each prompt, greedily, until it has written one of some texts.

    Prompts that begin alike are read once as far as they do, and an answer that ends makes room for the next.
    """
    from hornbook.inference.scheduler import Request

    answers = [
        scheduler.submit(Request(ids, new_tokens, tokenizer.stops, ended=_Until(tokenizer, until).ended))
        for ids in prompts
    ]
    for answer in answers:
        while answer.finish is None:
            scheduler.step()
        if answer.error is not None:
            raise answer.error
        yield tokenizer.decode([token.id for token in answer.tokens])


def by_pytorch(model: Transformer) -> Scheduler:
    """A scheduler that has PyTorch write many answers of a model side by side."""
    from hornbook.inference.scheduler import Scheduler
    from hornbook.inference.torch_executor import TorchExecutor

    context = model.config.context
    tokens = max(context, min(_CACHE // TorchExecutor.bytes_per_token(model), MOST * context))
    return Scheduler(TorchExecutor(model, tokens=tokens), most=MOST)


def cut(text: str, until: Sequence[str]) -> str:
    """A text up to the first of some others."""
    return text[: min((text.index(one) for one in until if one in text), default=len(text))]
