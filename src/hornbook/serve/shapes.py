"""Answers as OpenAI's interface has them: choices, chunks of streams, probabilities, usage."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from hornbook.inference.scheduler import Answer, Token
from hornbook.model.tokenizers import Tokenizer
from hornbook.serve.model import Under
from hornbook.serve.worker import Piece


class _Shape:
    """What both kinds of answers have: an id that begins with PREFIX, time, model. CHUNK: what a stream's parts are."""

    PREFIX: ClassVar[str]
    CHUNK: ClassVar[str]

    def __init__(self, model: str, tokenizer: Tokenizer) -> None:
        self._model, self._tokenizer = model, tokenizer
        self.id, self._created = f"{self.PREFIX}-{uuid.uuid4().hex}", int(time.time())

    def tail(self, begun: Sequence[Under]) -> dict[str, Any]:
        """What a stream ends with where usage is asked for."""
        return self._named(self.CHUNK, []) | {"usage": usage(begun)}

    def _named(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        named = {"id": self.id, "object": kind, "created": self._created, "model": self._model}
        return named | {"choices": choices}


class ChatShape(_Shape):
    """Answers of `/v1/chat/completions`."""

    PREFIX, CHUNK = "chatcmpl", "chat.completion.chunk"

    def head(self, under: Under) -> dict[str, Any]:
        """A stream's first chunk of a choice."""
        return self._named(self.CHUNK, [self._part(under, {"role": "assistant", "content": ""}, None)])

    def chunk(self, under: Under, piece: Piece) -> dict[str, Any]:
        """A piece in a stream."""
        part = self._part(under, {"content": piece.text} if piece.text else {}, piece.finish)
        if under.job.request.logprobs is not None:
            part["logprobs"] = {"content": self._probabilities(piece.tokens)}
        return self._named(self.CHUNK, [part])

    def whole(self, begun: Sequence[Under], texts: Sequence[str]) -> dict[str, Any]:
        """All choices at once."""
        choices = []
        for under, text in zip(begun, texts, strict=True):
            answer = _answer(under)
            message = {"role": "assistant", "content": text, "refusal": None}
            told = None if answer.request.logprobs is None else {"content": self._probabilities(answer.tokens)}
            choices.append({"index": under.index, "message": message, "logprobs": told, "finish_reason": answer.finish})
        return self._named("chat.completion", choices) | {"usage": usage(begun)}

    def _part(self, under: Under, delta: dict[str, str], finish: str | None) -> dict[str, Any]:
        return {"index": under.index, "delta": delta, "logprobs": None, "finish_reason": finish}

    def _probabilities(self, tokens: Sequence[Token]) -> list[dict[str, Any]]:
        return [
            self._spelled(token.id, token.logprob) | {"top_logprobs": [self._spelled(*one) for one in token.top]}
            for token in tokens
        ]

    def _spelled(self, token: int, logprob: float | None) -> dict[str, Any]:
        spelled = self._tokenizer.spelling(token)
        return {"token": spelled.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(spelled)}


class CompletionShape(_Shape):
    """Answers of `/v1/completions`, whole or in parts of one name."""

    PREFIX, CHUNK = "cmpl", "text_completion"

    def __init__(self, model: str, tokenizer: Tokenizer, echo: bool) -> None:
        """echo: the text of each choice's prompt comes first."""
        super().__init__(model, tokenizer)
        self._echo = echo
        self._places: dict[int, _Places] = {}  # of streamed choices

    def head(self, under: Under) -> dict[str, Any] | None:
        """A stream's first chunk of a choice: the prompt, if it is echoed."""
        if not self._echo:
            return None
        return self._named(self.CHUNK, [self._choice(under, self._prompt(under), None, None)])

    def chunk(self, under: Under, piece: Piece) -> dict[str, Any]:
        """A piece in a stream."""
        told = None
        if under.job.request.logprobs is not None:
            tokens = list(piece.tokens)
            if under.index not in self._places:  # the first piece brings what is known of the prompt
                self._places[under.index] = _Places(self._tokenizer)
                tokens = [*_answer(under).echoed, *tokens]
            told = self._probabilities(tokens, self._places[under.index])
        return self._named(self.CHUNK, [self._choice(under, piece.text, told, piece.finish)])

    def whole(self, begun: Sequence[Under], texts: Sequence[str]) -> dict[str, Any]:
        """All choices at once."""
        choices = []
        for under, text in zip(begun, texts, strict=True):
            answer = _answer(under)
            told = None
            if answer.request.logprobs is not None:
                # What ended the answer is told too: who scores a prompt asks for one token more and drops it.
                ending = [answer.ending] if answer.ending is not None else []
                told = self._probabilities([*answer.echoed, *answer.tokens, *ending], _Places(self._tokenizer))
            before = self._prompt(under) if self._echo else ""
            choices.append(self._choice(under, before + text, told, answer.finish))
        return self._named(self.CHUNK, choices) | {"usage": usage(begun)}

    def _prompt(self, under: Under) -> str:
        return self._tokenizer.decode(list(under.job.request.prompt))

    def _choice(self, under: Under, text: str, told: dict[str, Any] | None, finish: str | None) -> dict[str, Any]:
        return {"index": under.index, "text": text, "logprobs": told, "finish_reason": finish}

    def _probabilities(self, tokens: Sequence[Token], places: _Places) -> dict[str, Any]:
        spelled = [self._spelled(token.id) for token in tokens]
        offsets = [places.of(token.id) for token in tokens]
        top: list[dict[str, float] | None] = []
        for token, own in zip(tokens, spelled, strict=True):
            if token.logprob is None:
                top.append(None)
                continue
            # Two ids of one spelling would be one key: the likelier one stays.
            likeliest = {self._spelled(one): value for one, value in reversed(token.top)}
            top.append(likeliest or {own: token.logprob})
        return {
            "tokens": spelled,
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": top,
            "text_offset": offsets,
        }

    def _spelled(self, token: int) -> str:
        return self._tokenizer.spelling(token).decode("utf-8", "replace")


class _Places:
    """Where each token of a text begins as it is sent: one that goes on with a character is where that character is."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._stream, self._at = tokenizer.streamed(), 0

    def of(self, token: int) -> int:
        at = self._at
        self._at += len(self._stream.tell(token))
        return at


def usage(begun: Sequence[Under]) -> dict[str, Any]:
    """Tokens of the prompts, each counted once, and of all answers."""
    prompts = {id(under.job.request.prompt): _answer(under) for under in reversed(begun)}.values()
    read = sum(len(answer.request.prompt) for answer in prompts)
    made = sum(len(_answer(under).tokens) for under in begun)
    cached = sum(answer.cached for answer in prompts)
    return {
        "prompt_tokens": read,
        "completion_tokens": made,
        "total_tokens": read + made,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _answer(under: Under) -> Answer:
    answer = under.job.answer
    assert answer is not None, "an answer that has ended was begun"
    return answer
