"""An adapter for EleutherAI's lm-evaluation-harness: any of its tasks, asked of our models.

from lm_eval import simple_evaluate
from hornbook.evaluate.lm_eval import harness_model

simple_evaluate(harness_model("runs/pocket"), tasks=["arc_easy"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluate.exam.writing import by_pytorch, cut, written
from hornbook.inference.likelihood import Reader, Scored, Together, common
from hornbook.machine import Precision, choose, dtype
from hornbook.model import model_folder
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer

_SHARED = 64  # what neighbours begin with alike is kept in steps of so many tokens


def harness_model(model: str | Path, *, precision: Precision = "fp32") -> Any:
    """A model folder, a run, or a name of `hornbook model list` as lm-eval's `LM`, for its `simple_evaluate`.

    Raises UserError where lm-eval is not installed.
    """
    try:
        from lm_eval.api.model import TemplateLM
    except ImportError:
        raise UserError("lm-evaluation-harness is not installed; pip install 'hornbook[eval]'") from None
    return type("HornbookLM", (_Answers, TemplateLM), {})(model_folder(model), precision)


class _Answers:
    """What lm-eval's `TemplateLM` asks of a model; it makes ids of texts and begins with an end of text by itself."""

    prefix_token_id: int

    def __init__(self, folder: Path, precision: Precision) -> None:
        super().__init__()
        computed = dtype(precision)
        self._model = checkpoint.load(folder, device=choose().device, dtype=computed, compute=computed)
        self._tokens = Tokenizer(folder)
        self._reader = Reader(self._model)
        self.max_length = self._model.config.context
        self.max_gen_toks = 256

    @property
    def eot_token_id(self) -> int:
        """What ends a document."""
        return self._tokens.end_of_text

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Ids of a text, behind those that the model expects in front of every text unless told otherwise."""
        begins = [] if add_special_tokens is False else list(self._tokens.begins)
        return [*begins, *self._tokens.encode(string)]

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """For (texts, context, continuation) the logarithm of its probability, and whether it is the likeliest."""
        together = [list(some) for _, some in groupby(requests, key=lambda one: one[1])]
        contexts = [some[0][1] for some in together]
        shared = [common(one, other) // _SHARED * _SHARED for one, other in pairwise(contexts)]
        lengths = [max(pair) for pair in zip([0, *shared], [*shared, 0], strict=True)]
        questions = (
            Together([self._scored(context, answer) for _, context, answer in some], length)
            for some, length in zip(together, lengths, strict=True)
        )
        return [(one.logprob, one.greedy) for found in self._reader.score(questions) for one in found]

    def _scored(self, context: Sequence[int], answer: Sequence[int]) -> Scored:
        """What is too long loses its beginning, as the harness has it."""
        ids = [*context, *answer][-(self.max_length + 1) :]
        return Scored(ids, len(ids) - len(answer))

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """The logarithm of the probability of whole texts, in windows of the model's context."""
        return [sum(self._windows(self.tok_encode(*request.args))) for request in requests]

    def _windows(self, ids: list[int]) -> Iterator[float]:
        for start in range(0, len(ids), self.max_length):
            part = [ids[start - 1] if start else self.prefix_token_id, *ids[start : start + self.max_length]]
            yield next(self._reader.score([Together([Scored(part, 1)])]))[0].logprob

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """What the model writes, greedily, up to the first of the texts that end it."""
        found = []
        for (until, limit), some in groupby(requests, key=lambda one: _wanted(one.args[1], self.max_gen_toks)):
            prompts = [self.tok_encode(one.args[0])[-(self.max_length - limit) :] for one in some]
            texts = written(by_pytorch(self._model), self._tokens, prompts, until, limit)
            found += [cut(text, until) for text in texts]
        return found


def _wanted(settings: dict[str, Any], limit: int) -> tuple[tuple[str, ...], int]:
    """Which texts end an answer, and its longest. Raises ValueError for answers that are drawn."""
    if settings.get("do_sample") or settings.get("temperature", 0.0):
        raise ValueError("answers are greedy; this task draws them (do_sample, temperature)")
    until = settings.get("until") or []
    return tuple([until] if isinstance(until, str) else until), int(settings.get("max_gen_toks", limit))
