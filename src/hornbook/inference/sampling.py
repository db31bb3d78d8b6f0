"""How the next token is chosen, and what a model's own files say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model.formats.adapter_config import model_files
from hornbook.settings import Settings, where_and_what

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FILE = "generation_config.json"
# What transformers takes for top_k where a file says to sample and does not say among how many.
_TOP_K = 50
# What a file says beside how to choose a token.
_ELSE = {"bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "transformers_version", "max_length"}
_NOTHING: tuple[Any, ...] = (None, False, True, 0, 1, "", [], {})


class Sampling(Settings):
    """How the next token is chosen. Temperature 0 is greedy: the most likely token, always."""

    temperature: float = Field(0.0, ge=0)
    top_k: int = Field(0, ge=0, description="keep only the k most likely tokens; 0 keeps all")
    top_p: float = Field(1.0, gt=0, le=1, description="keep the smallest set of tokens with this much probability")
    min_p: float = Field(0.0, ge=0, le=1, description="drop tokens less likely than this share of the likeliest one")
    repetition_penalty: float = Field(
        1.0, gt=0, description="above 1, tokens that were there before become less likely"
    )
    presence_penalty: float = Field(0.0, ge=-2, le=2, description="taken from tokens that were generated before")
    frequency_penalty: float = Field(0.0, ge=-2, le=2, description="the same, for each time")
    seed: int = 0

    def __str__(self) -> str:
        words = [f"temperature {self.temperature:g}"] if self.temperature else ["the most likely token"]
        if self.temperature and self.top_k:
            words.append(f"top-k {self.top_k}")
        if self.temperature and self.top_p < 1:
            words.append(f"top-p {self.top_p:g}")
        if self.temperature and self.min_p:
            words.append(f"min-p {self.min_p:g}")
        if self.repetition_penalty != 1:
            words.append(f"repetition penalty {self.repetition_penalty:g}")
        if self.presence_penalty:
            words.append(f"presence penalty {self.presence_penalty:g}")
        if self.frequency_penalty:
            words.append(f"frequency penalty {self.frequency_penalty:g}")
        return ", ".join(words)


@dataclass(frozen=True)
class Published:
    """What a model's generation_config.json asks for.

    limit: tokens of an answer, None where it does not say. ignored: keys that have a value that changes what is
    generated, and that are not supported.
    """

    sampling: Sampling
    limit: int | None
    ignored: tuple[str, ...]

    @property
    def says(self) -> bool:
        """Whether it asks for anything but the most likely token."""
        return self != Published(Sampling(), None, ())


def published(folder: Path) -> Published:
    """What the generation_config.json of a model's folder asks for, as transformers reads it.

    Without `do_sample` the most likely token is taken, whatever else is there. Raises UserError for values that make
    no sense.
    """
    path = model_files(folder) / FILE
    value = read_json(path) if path.is_file() else {}
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object")
    given: Mapping[str, Any] = {key: one for key, one in value.items() if one is not None}
    keys = ["repetition_penalty"]
    asked: dict[str, Any] = {}
    if given.get("do_sample"):
        asked = {"temperature": 1.0, "top_k": _TOP_K}
        keys += ["temperature", "top_k", "top_p", "min_p"]
    known = {"do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens", *_ELSE}
    limit = given.get("max_new_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise UserError(f"{path}: max_new_tokens is {limit!r:.60}; a whole number from 1 on is needed")
    try:
        sampling = Sampling(**{**asked, **{key: given[key] for key in keys if key in given}})
    except ValidationError as error:
        where, what = where_and_what(error.errors()[0])
        raise UserError(f"{path}: {where}: {what}") from None
    ignored = sorted(
        key for key, one in given.items() if key not in known and not key.startswith("_") and one not in _NOTHING
    )
    return Published(sampling, limit, tuple(ignored))


def seen_in(ids: Tensor, attention_mask: Tensor, vocabulary: int) -> Tensor:
    """Which tokens are in each row: ids and attention_mask (batch, time) -> (batch, vocabulary), True where there."""
    import torch

    seen = torch.zeros(len(ids), vocabulary, dtype=torch.bool, device=ids.device)
    for row, mask in enumerate(attention_mask):
        seen[row, ids[row, mask]] = True
    return seen


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator, seen: Tensor | None = None) -> Tensor:
    """logits: (batch, vocabulary) -> ids (batch,). seen: (batch, vocabulary), True for tokens that were there before.

    Top-k first, then top-p on what is left (Holtzman et al. 2019, arXiv:1904.09751), as in transformers;
    before both, the penalty divides positive logits and multiplies others (Keskar et al. 2019, arXiv:1909.05858).
    """
    import torch

    if seen is not None:
        penalised = torch.where(logits > 0, logits / sampling.repetition_penalty, logits * sampling.repetition_penalty)
        logits = torch.where(seen, penalised, logits)
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        ordered = ordered.masked_fill(before >= sampling.top_p, -torch.inf)
        logits = torch.full_like(logits, -torch.inf).scatter(-1, order, ordered)
    if sampling.min_p > 0:
        shares = logits.softmax(-1)
        logits = logits.masked_fill(shares < sampling.min_p * shares.amax(-1, keepdim=True), -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
