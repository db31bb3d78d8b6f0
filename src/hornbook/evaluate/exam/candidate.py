"""Who is asked: a model of ours, its tokenizer and how questions are put to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any, Protocol

from hornbook.errors import UserError
from hornbook.evaluate.exam.rules import Question
from hornbook.evaluate.exam.writing import MOST, by_pytorch, cut, written
from hornbook.files import digest_value

if TYPE_CHECKING:
    from pathlib import Path

    from hornbook.inference.likelihood import Scored, Together
    from hornbook.inference.scheduler import Scheduler
    from hornbook.machine import Precision
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

TOKENS = 1024  # read at once
ONE_TOKEN = "a single token, which has no perplexity"
TOO_LONG = "the question is longer than the model's context"


@dataclass(frozen=True)
class Answered:
    """What became of a question: `found` the likelihoods or the text; None with `unknown`, the reason.

    dropped: examples that were left out so that the rest fits into the context. tokens: of the prompt.
    """

    found: Any
    dropped: int = 0
    tokens: int = 0
    unknown: str = ""


Conversation = Sequence[dict[str, str]]  # turns of `role` and `content`, the last one the user's


class Candidate(Protocol):
    """Anything that can be examined. identity: a digest of all that its answers depend on."""

    identity: str

    @property
    def chats(self) -> bool:
        """Whether it can be asked in a conversation."""
        ...

    def about(self) -> dict[str, Any]:
        """What a result says of it."""
        ...

    def likelihoods(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """How likely each answer of each question is, in order."""
        ...

    def perplexities(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """The perplexity of each prompt by itself, over its tokens from the second on, in order."""
        ...

    def texts(self, questions: Sequence[Question], until: Sequence[str], new_tokens: int) -> Iterator[Answered]:
        """What it writes behind each prompt, greedily, up to the first of `until`, in order."""
        ...

    def replies(self, conversations: Sequence[Conversation], new_tokens: int) -> Iterator[Answered]:
        """What it says next in each conversation, greedily, in order; asked only of one that `chats`."""
        ...


class LocalModel:
    """A model of ours, computed here."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        name: str,
        identity: str,
        *,
        chat: bool = False,
        tokens: int = TOKENS,
        engine: Scheduler | None = None,
    ) -> None:
        """name: what results call it. identity: a digest of the model's files. chat: ask in the chat template.
        tokens: how many are read at once; changes no score. engine: who writes the same model's answers in its place.

        Raises UserError for a model without a chat template that is asked in chat.
        """
        from hornbook.inference.likelihood import Reader

        if chat and tokenizer.template is None:
            raise UserError(f"{tokenizer.folder} has no chat template; ask it without --chat")
        self.model, self.tokenizer, self._chat = model, tokenizer, chat
        self._reader = Reader(model, tokens=tokens)
        self._name, self._context = name, model.config.context
        self._engine = engine
        written_by = [] if engine is None else ["native, keys and values in fp32"]
        self.identity = digest_value([identity, str(model.compute), chat, *written_by])

    @property
    def chats(self) -> bool:
        """See `Candidate.chats`."""
        return self.tokenizer.template is not None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        precision: Precision = "fp32",
        chat: bool = False,
        tokens: int = TOKENS,
        fast: bool = False,
    ) -> LocalModel:
        """A model folder, on the GPU where there is one.

        fast: the native engine writes answers in fp32 if it can; not those of quantized models, whose activations it
        rounds.
        """
        from hornbook import machine
        from hornbook.evaluate.long.suite import identity
        from hornbook.model.formats import checkpoint
        from hornbook.model.formats.quantized import dequantize, is_quantized
        from hornbook.model.tokenizers import Tokenizer

        dtype = machine.dtype(precision)
        model = checkpoint.load(folder, device=machine.choose().device, dtype=dtype, compute=dtype)
        native = fast and precision == "fp32" and not machine.has_gpu() and not is_quantized(model)
        model, engine = dequantize(model), _native(folder) if native else None
        return cls(model, Tokenizer(folder), str(folder), identity(folder), chat=chat, tokens=tokens, engine=engine)

    def about(self) -> dict[str, Any]:
        """See `Candidate.about`."""
        return {
            "model": self._name,
            "identity": self.identity,
            "context": self._context,
            "precision": str(self.model.compute).removeprefix("torch."),
            "device": self.model.norm.weight.device.type,
            "chat": self._chat,
            **({"answers": "native"} if self._engine is not None else {}),
        }

    def likelihoods(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """See `Candidate.likelihoods`."""
        texts = self._encoded({text for question in questions for text in self._texts(question)})
        plans = [self._together(question, texts) for question in questions]
        found = self._reader.score([plan for plan, _ in plans if plan is not None])
        for plan, answered in plans:
            yield answered if plan is None else Answered(next(found), answered.dropped, answered.tokens)

    def perplexities(self, questions: Sequence[Question]) -> Iterator[Answered]:
        """See `Candidate.perplexities`. What a tokenizer begins texts with stands before none of them."""
        from hornbook.inference.likelihood import Scored, Together

        encoded = self.tokenizer.encode_many([question.prompts[0] for question in questions])
        fit = [ids for ids in encoded if 1 < len(ids) <= self._context + 1]
        found = self._reader.score([Together([Scored(ids, 1)]) for ids in fit])
        for ids in encoded:
            if len(ids) < 2:
                yield Answered(None, tokens=len(ids), unknown=ONE_TOKEN)
            elif len(ids) > self._context + 1:
                yield Answered(None, unknown=TOO_LONG)
            else:
                (one,) = next(found)
                yield Answered(exp(-one.logprob / (len(ids) - 1)), tokens=len(ids))

    def texts(self, questions: Sequence[Question], until: Sequence[str], new_tokens: int) -> Iterator[Answered]:
        """See `Candidate.texts`."""
        room = self._room(new_tokens)
        return self._written([self._fitting(question, room) for question in questions], until, new_tokens)

    def replies(self, conversations: Sequence[Conversation], new_tokens: int) -> Iterator[Answered]:
        """See `Candidate.replies`."""
        room = self._room(new_tokens)
        every = [self.tokenizer.chat(list(turns)) for turns in conversations]
        prompts = [(ids, 0, "") if len(ids) <= room else (None, 0, TOO_LONG) for ids in every]
        return self._written(prompts, (), new_tokens)

    def _room(self, new_tokens: int) -> int:
        """The longest prompt that leaves room for an answer."""
        return max(self._context - new_tokens, self._context * 3 // 4)

    def _written(
        self, prompts: Sequence[tuple[list[int] | None, int, str]], until: Sequence[str], new_tokens: int
    ) -> Iterator[Answered]:
        """What is written behind prompts, of which each comes as `_fitting` returns it."""
        writer = self._engine or by_pytorch(self.model)
        told = written(writer, self.tokenizer, [ids for ids, _, _ in prompts if ids], until, new_tokens)
        for ids, dropped, unknown in prompts:
            if ids is None:
                yield Answered(None, dropped, 0, unknown)
            else:
                yield Answered(cut(next(told), until), dropped, len(ids))

    def _fitting(self, question: Question, room: int) -> tuple[list[int] | None, int, str]:
        """A prompt's ids, without as many examples as it takes to fit, and how many these are."""
        for dropped in range(len(question.shots) + 1):
            ids = self._prompt(question.shared(dropped) + question.prompts[0])
            if len(ids) <= room:
                return ids, dropped, ""
        return None, len(question.shots), TOO_LONG

    def _prompt(self, text: str) -> list[int]:
        if self._chat:
            return self.tokenizer.chat([{"role": "user", "content": text}])
        return self.tokenizer.encode_prompt(text)

    def _texts(self, question: Question) -> Iterator[str]:
        """All that is to be encoded for a question: contexts, and contexts with what follows; see `pairs`."""
        shared = question.shared()
        yield shared
        for context, answer in pairs(question, shared):
            yield context
            yield context + answer

    def _encoded(self, texts: set[str]) -> dict[str, list[int]]:
        ordered = sorted(texts)
        return dict(zip(ordered, self.tokenizer.encode_many(ordered), strict=True))

    def _together(self, question: Question, texts: Mapping[str, list[int]]) -> tuple[Together | None, Answered]:
        """A question for the reader, with as many examples as fit."""
        from hornbook.inference.likelihood import Together, common

        for dropped in range(len(question.shots) + 1):
            shared = question.shared(dropped)
            if dropped:
                kept = Question(question.id, question.prompts, shared, (), question.answers)
                texts = self._encoded(set(self._texts(kept)))
            sequences = [self._scored(context, answer, texts) for context, answer in pairs(question, shared)]
            if max(len(one.ids) for one in sequences) <= self._context + 1:
                trunk = [] if self._chat else [*self.tokenizer.begins, *texts[shared]]
                length = min(common(trunk, one.ids) for one in sequences)
                return Together(sequences, length), Answered(None, dropped, max(one.begin for one in sequences))
        return None, Answered(None, len(question.shots), 0, TOO_LONG)

    def _scored(self, context: str, answer: str, texts: Mapping[str, list[int]]) -> Scored:
        """A context and what follows it, as ids: encoded at once, cut where the context by itself ends."""
        from hornbook.inference.likelihood import Scored

        if self._chat:
            asked = self._prompt(context)
            said = self.tokenizer.encode(answer.lstrip()) or [self.tokenizer.end_of_turn]  # nothing: it ends at once
            return Scored([*asked, *said], len(asked))
        begins = list(self.tokenizer.begins)
        before = [*begins, *texts[context]]
        whole = [*begins, *texts[context + answer]]
        if not before or len(whole) == 1:  # all of it is one token: what is scored needs one before it
            before, whole = [self.tokenizer.end_of_text], [self.tokenizer.end_of_text, *whole]
        return Scored(whole, min(len(before), len(whole) - 1))


def _native(folder: Path) -> Scheduler | None:
    """The native engine over a model folder; None where it cannot compute that."""
    from hornbook.inference.native.weights import NotNative
    from hornbook.inference.opening import native_scheduler

    try:
        return native_scheduler(folder, most=MOST, cache_dtype="fp32")
    except NotNative:
        return None


def pairs(question: Question, shared: str) -> Iterator[tuple[str, str]]:
    """Each context with what is scored behind it; white space at a context's end belongs to what follows."""
    prompts = question.prompts * (len(question.answers) if len(question.prompts) == 1 else 1)
    for prompt, answer in zip(prompts, question.answers, strict=True):
        context = shared + prompt
        bare = context.rstrip()
        yield (bare, context[len(bare) :] + answer) if bare else (context, answer)
