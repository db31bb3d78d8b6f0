"""Likelihoods of targets, which the objectives' losses are made of."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from hornbook.model.transformer import Linear, Transformer

IGNORE = -100  # a target that no loss counts

AT_ONCE = 1 << 24  # logits that are in memory at once, 64 MB of fp32; fewer of them are made whole
_ROWS = 4096  # of an output matrix whose gradients are made at once on a CPU: they stay in its cache
MOST = 0.75  # share of the targets that are learnt, from which on `alone` is no gain


def cross_entropy(logits: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """Negative log-likelihood in nats of the targets that are not IGNORE, over `count`; 0 where all are.

    logits: (batch, time, vocabulary); targets: (batch, time). For a mean, `count` is `count_targets(targets)`, of the
    whole batch where these are a part of it.
    """
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum")
    return total / count


def token_cross_entropy(
    model: Transformer,
    ids: Tensor,
    targets: Tensor,
    count: Tensor,
    document_ids: Tensor | None = None,
    *,
    alone: bool = False,
) -> Tensor:
    """`cross_entropy` of what `model` says of ids, (batch, time), without whole logits where those are many.

    More than AT_ONCE logits are made and turned into gradients in chunks of tokens, and for targets that are not IGNORE
    alone. That takes the same products as whole logits do and a fraction of their memory: it pays with the
    vocabularies of published models (8 rows of 512 tokens and 49,152 ids have 201M logits, 805 MB in fp32, three times
    over). alone: few logits are made so as well, which pays where less than MOST is learnt; every part of a step, on
    every rank, says the same. Gradients of the output matrix add up in fp32.
    """
    if not alone and targets.numel() * model.config.vocabulary <= AT_ONCE:
        return cross_entropy(model(ids, document_ids=document_ids), targets, count)
    hidden = model.hidden(ids, document_ids=document_ids)
    learnt = targets != IGNORE
    x, wanted = hidden[learnt], targets[learnt]
    head = model.lm_head
    if type(head) is Linear:
        return _LinearCrossEntropy.apply(model, x, wanted, head.weight, head.bias) / count  # type: ignore[no-untyped-call]
    return torch.stack([likelihoods.sum() for likelihoods in _in_chunks(model, x, wanted)]).sum() / count


def count_targets(targets: Tensor) -> Tensor:
    """How many targets are not IGNORE, 1 at least: a number without dimensions."""
    return (targets != IGNORE).sum().clamp(min=1)


def sequence_log_probabilities(model: Transformer, ids: Tensor, targets: Tensor) -> Tensor:
    """Summed log-probability (batch,) of each row's targets that are not IGNORE; ids, targets: (batch, time).

    Logits are made of these alone, more than AT_ONCE in chunks of tokens, and once more where gradients are wanted.
    """
    hidden = model.hidden(ids)
    learnt = targets != IGNORE
    likelihood = -torch.cat(_in_chunks(model, hidden[learnt], targets[learnt]))
    return likelihood.new_zeros(len(targets)).index_add(0, learnt.nonzero()[:, 0], likelihood)


def _chunks(tokens: int, vocabulary: int) -> list[slice]:
    """Tokens in pieces of at most AT_ONCE logits; one empty piece of no tokens."""
    size = max(1, AT_ONCE // vocabulary)
    return [slice(start, start + size) for start in range(0, max(1, tokens), size)]


def _in_chunks(model: Transformer, x: Tensor, targets: Tensor) -> list[Tensor]:
    """Negative log-likelihoods of targets (tokens,), none of which is IGNORE, in pieces; x: (tokens, width).

    A backward pass makes the logits once more where there are several pieces.
    """

    def likelihoods(part: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(model.logits(part), wanted, reduction="none")

    pieces = _chunks(len(x), model.config.vocabulary)
    if len(pieces) == 1:
        return [likelihoods(x, targets)]
    return [checkpoint(likelihoods, x[piece], targets[piece], use_reentrant=False) for piece in pieces]


def _add_products(total: Tensor, a: Tensor, b: Tensor) -> None:
    """total += a @ b, which may be of another dtype: (rows, columns) of (rows, n) and (n, columns)."""
    size = len(total) if total.is_cuda else _ROWS
    for rows, sums in zip(torch.split(a, size), torch.split(total, size), strict=True):
        if sums.dtype == rows.dtype:
            sums.addmm_(rows, b)
        else:
            sums.add_(rows @ b)


class _LinearCrossEntropy(torch.autograd.Function):
    """Summed negative log-likelihood of targets under an output matrix; gradients are made with the logits.

    The gradient of a sum is known when its terms are: each piece's logits are in memory once, and never made again.
    """

    @staticmethod
    def forward(
        ctx: Any, model: Transformer, x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        """x: (tokens, width), targets: (tokens,), weight: (vocabulary, width) -> a number in fp32, or in x's fp64."""
        of_x, _, of_weight, of_bias = ctx.needs_input_grad[1:]
        cast, cast_bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
        total: Tensor | None = None
        grad_x = torch.empty_like(x) if of_x else None
        grad_weight = torch.zeros_like(weight) if of_weight else None
        grad_bias = torch.zeros_like(bias) if of_bias and bias is not None else None
        pieces = _chunks(len(x), len(weight))
        # Room for the largest piece, once: large blocks are cleared by the system each time that they are asked for.
        most = len(x[pieces[0]])
        wide = torch.promote_types(x.dtype, torch.float32)
        rooms = [x.new_empty(most, len(weight), dtype=dtype) for dtype in (x.dtype, wide)]
        for piece in pieces:
            part, wanted = x[piece], targets[piece, None]
            products, room = (one[: len(part)] for one in rooms)
            if cast_bias is None:
                torch.mm(part, cast.mT, out=products)
            else:
                torch.addmm(cast_bias, part, cast.mT, out=products)
            logits = model.finished(room.copy_(products))
            largest, right = logits.amax(-1), logits.gather(1, wanted)[:, 0]
            shares = torch.softmax(logits, -1, out=logits)
            # The largest share is exp(largest logit - log of the sum of all): what is left to know of the sum. An
            # exponential of the shares' logarithms, in place, is slower than all of this (torch 2.13, on a processor).
            nats = (largest - shares.amax(-1).log() - right).sum()
            total = nats if total is None else total + nats
            if not (of_x or of_weight or of_bias):
                continue
            slope = shares.scatter_add_(1, wanted, shares.new_full((1, 1), -1.0).expand_as(wanted))
            slope = products.copy_(slope.mul_(model.config.logit_scale))
            if grad_x is not None:
                torch.mm(slope, cast, out=grad_x[piece])
            if grad_weight is not None:
                _add_products(grad_weight, slope.mT, part)
            if grad_bias is not None:
                grad_bias += slope.sum(0)
        assert total is not None
        ctx.save_for_backward(*(one for one in (grad_x, grad_weight, grad_bias) if one is not None))
        ctx.wanted = (of_x, of_weight, of_bias and bias is not None)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients that were made, times that of the sum."""
        made = iter(ctx.saved_tensors)
        x, weight, bias = (next(made).mul_(slope) if wanted else None for wanted in ctx.wanted)
        return None, x, None, weight, bias
