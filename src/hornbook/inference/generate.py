"""Generation with a key/value cache: one prompt as a stream, or many prompts of unequal lengths as a batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from hornbook.errors import UserError
from hornbook.model.cache import KVCache
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.settings import Settings

# Prompts are read this many tokens at a time: memory grows with the part, not with the square of a long prompt.
PREFILL = 512


class Sampling(Settings):
    """How the next token is chosen. Temperature 0 is greedy: the most likely token, always."""

    temperature: float = Field(0.0, ge=0)
    top_k: int = Field(0, ge=0, description="keep only the k most likely tokens; 0 keeps all")
    top_p: float = Field(1.0, gt=0, le=1, description="keep the smallest set of tokens with this much probability")
    seed: int = 0


def complete(
    model: Transformer, tokenizer: Tokenizer, text: str, *, limit: int = 256, sampling: Sampling | None = None
) -> Iterator[str]:
    """Yield what the model goes on with after `text`, in pieces as they are made: at most `limit` tokens.

    Raises UserError where the text leaves no room in the model's context.
    """
    ids = tokenizer.encode(text) or [tokenizer.end_of_text]
    if len(ids) >= model.config.context:
        raise UserError(
            f"the prompt is {len(ids)} tokens long, the model's context is {model.config.context}; shorten it"
        )
    yield from tokenizer.stream(stream(model, ids, limit=limit, stops=tokenizer.stops, sampling=sampling))


@torch.inference_mode()
def stream(
    model: Transformer, prompt: Sequence[int], *, limit: int, stops: Collection[int], sampling: Sampling | None = None
) -> Iterator[int]:
    """Yield ids one by one until a stop (which is not yielded), `limit` ids, or the end of the model's context."""
    yield from (row[0] for row in _steps(model, [prompt], limit, stops, sampling or Sampling()) if row[0] not in stops)


@torch.inference_mode()
def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    stops: Collection[int],
    sampling: Sampling | None = None,
    batch: int = 64,
    advance: Callable[[int], None] = lambda prompts: None,
) -> list[list[int]]:
    """Complete every prompt; the result is the same, whatever the batch size, while sampling is greedy.

    Prompts are taken longest first, so that rows of a batch have similar lengths. `advance` hears of finished prompts.
    """
    order = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index]), index))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        for ids in _steps(model, [prompts[row] for row in rows], limit, stops, sampling or Sampling()):
            for position, token in ids.items():
                if token not in stops:
                    answers[rows[position]].append(token)
        advance(len(rows))
    return answers


def _steps(
    model: Transformer, prompts: Sequence[Sequence[int]], limit: int, stops: Collection[int], sampling: Sampling
) -> Iterator[dict[int, int]]:
    """Each step's ids by row; a row drops out of the batch after a stop, or when its own context is full."""
    if any(not prompt for prompt in prompts):
        raise ValueError("a prompt needs at least one token")
    device = model.embed.weight.device if hasattr(model.embed, "weight") else model.norm.weight.device
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
    attention_mask = torch.zeros(len(prompts), longest, dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt, device=device)
        attention_mask[row, longest - len(prompt) :] = True
    steps = min(limit, max(1, model.config.context - min(map(len, prompts))))
    kv_cache = KVCache(model.config, len(prompts), longest + steps, device, model.compute)
    generator = torch.Generator(device).manual_seed(sampling.seed)
    alive = list(range(len(prompts)))
    unread: Tensor | None = attention_mask
    for count in range(1, steps + 1):
        for start in range(0, ids.shape[1], PREFILL):
            part = slice(start, start + PREFILL)
            last = model.hidden(ids[:, part], kv_cache, None if unread is None else unread[:, part])[:, -1]
        chosen = choose(model.logits(last), sampling, generator)
        tokens = chosen.tolist()
        yield dict(zip(alive, tokens, strict=True))
        kept = [
            index
            for index, (row, token) in enumerate(zip(alive, tokens, strict=True))
            if token not in stops and len(prompts[row]) + count < model.config.context
        ]
        if not kept:
            return
        if len(kept) < len(alive):
            alive = [alive[index] for index in kept]
            rows = torch.tensor(kept, device=device)
            kv_cache.keep(rows)
            chosen = chosen[rows]
        ids, unread = chosen[:, None], None


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
