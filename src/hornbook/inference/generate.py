"""Generating: one prompt as a stream, by the scheduler; or many prompts of unequal lengths as a batch of rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.inference.sampling import Sampling, choose, seen_in
from hornbook.inference.scheduler import Request, Scheduler
from hornbook.model.tokenizers import Tokenizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hornbook.model.transformer import Transformer

# Prompts are read this many tokens at a time: memory grows with the part, not with the square of a long prompt.
PREFILL = 512


def complete(
    model: Transformer | Scheduler,
    tokenizer: Tokenizer,
    text: str,
    *,
    limit: int = 256,
    sampling: Sampling | None = None,
) -> Iterator[str]:
    """Yield what the model goes on with after `text`, in pieces as they are made: at most `limit` tokens.

    Raises UserError where the text leaves no room in the model's context.
    """
    ids = tokenizer.encode_prompt(text)
    if not isinstance(model, Scheduler) and len(ids) >= model.config.context:
        context = model.config.context
        raise UserError(f"the prompt is {len(ids)} tokens long, the model's context is {context}; shorten it")
    yield from tokenizer.stream(stream(model, ids, limit=limit, stops=tokenizer.stops, sampling=sampling))


def stream(
    model: Transformer | Scheduler,
    prompt: Sequence[int],
    *,
    limit: int,
    stops: Collection[int],
    sampling: Sampling | None = None,
) -> Iterator[int]:
    """Yield ids one by one until a stop (which is not yielded), `limit` ids, or the end of the model's context.

    A scheduler keeps what it has read: a prompt that begins as an earlier one does is read from where they differ.
    """
    if not isinstance(model, Scheduler):
        from hornbook.inference.torch_executor import TorchExecutor

        room = min(model.config.context, len(prompt) + limit)
        model = Scheduler(TorchExecutor(model, tokens=room))
    for token in model.run(Request(prompt, limit, stops, sampling or Sampling())):
        yield token.id


def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    limit: int,
    stops: Collection[int],
    sampling: Sampling | None = None,
    batch: int = 64,
    first: Sequence[Collection[int]] | None = None,
    advance: Callable[[int], None] = lambda prompts: None,
) -> list[list[int]]:
    """Complete every prompt in padded rows: for measuring, where all prompts are there and throughput counts.

    While sampling is greedy, the batch size changes no more than rounding does; what depends on no other row to the
    last bit is the scheduler's. Presence and frequency penalties are the scheduler's, too.
    Prompts are taken longest first, so that rows of a batch have similar lengths. first: of each prompt
    the ids that may come first, any where there are none. `advance` hears of finished prompts.
    """
    if sampling is not None and (sampling.presence_penalty or sampling.frequency_penalty):
        raise ValueError("presence and frequency penalties are not for batches")
    import torch

    sampling = sampling or Sampling()
    generator = torch.Generator(_device(model)).manual_seed(sampling.seed)
    order = sorted(range(len(prompts)), key=lambda index: (-len(prompts[index]), index))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        allowed = [first[row] for row in rows] if first is not None else ()
        with torch.inference_mode():
            for ids in _steps(model, [prompts[row] for row in rows], limit, stops, sampling, generator, allowed):
                for position, token in ids.items():
                    if token not in stops:
                        answers[rows[position]].append(token)
        advance(len(rows))
    return answers


def _device(model: Transformer) -> torch.device:
    where: torch.device = (model.embed.weight if hasattr(model.embed, "weight") else model.norm.weight).device
    return where


def _steps(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    limit: int,
    stops: Collection[int],
    sampling: Sampling,
    generator: torch.Generator,
    first: Sequence[Collection[int]] = (),
) -> Iterator[dict[int, int]]:
    """Each step's ids by row; a row drops out of the batch after a stop, or when its own context is full."""
    import torch

    from hornbook.model.cache import KVCache

    if any(not prompt for prompt in prompts):
        raise ValueError("a prompt needs at least one token")
    device = _device(model)
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long, device=device)
    attention_mask = torch.zeros(len(prompts), longest, dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt, device=device)
        attention_mask[row, longest - len(prompt) :] = True
    steps = min(limit, max(1, model.config.context - min(map(len, prompts))))
    kv_cache = KVCache(model.config, len(prompts), longest + steps, device, model.compute)
    seen = seen_in(ids, attention_mask, model.config.vocabulary) if sampling.repetition_penalty != 1 else None
    alive = list(range(len(prompts)))
    unread: Tensor | None = attention_mask
    for count in range(1, steps + 1):
        for start in range(0, ids.shape[1], PREFILL):
            part = slice(start, start + PREFILL)
            last = model.hidden(ids[:, part], kv_cache, None if unread is None else unread[:, part])[:, -1]
        logits = model.logits(last)
        if count == 1 and any(first):
            logits = _only(logits, first)
        chosen = choose(logits, sampling, generator, seen)
        if seen is not None:
            seen.scatter_(1, chosen[:, None], True)
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
            seen = None if seen is None else seen[rows]
        ids, unread = chosen[:, None], None


def _only(logits: Tensor, allowed: Sequence[Collection[int]]) -> Tensor:
    """logits (batch, vocabulary) with minus infinity for all but the ids that a row is allowed, where it has such."""
    import torch

    logits = logits.clone()
    for row, ids in enumerate(allowed):
        if ids:
            kept = torch.tensor(sorted(ids), device=logits.device)
            logits[row] = torch.full_like(logits[row], -torch.inf).index_copy(0, kept, logits[row, kept])
    return logits
