"""From logits to the next id."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from hornbook.settings import Settings


class Sampling(Settings):
    """How the next token is chosen. Temperature 0 is greedy: the most likely token, always."""

    temperature: float = Field(0.0, ge=0)
    top_k: int = Field(0, ge=0, description="keep only the k most likely tokens; 0 keeps all")
    top_p: float = Field(1.0, gt=0, le=1, description="keep the smallest set of tokens with this much probability")
    seed: int = 0


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """logits: (batch, vocabulary) -> ids (batch,).

    Top-k first, then top-p on what is left (Holtzman et al. 2019, arXiv:1904.09751), as in transformers.
    """
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
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
