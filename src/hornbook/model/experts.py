"""An MLP of several experts: phi-3.5-moe's, routed by SparseMixer (arXiv:2310.00811, arXiv:2409.12136)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.model.config import ModelConfig
from hornbook.model.paged import padded

# What the released model multiplies by where Heun's third-order method asks for one third, and how often it does so.
_HEUN_SHARE = 0.3333
_HEUN_EVERY = 0.75


class Draw(NamedTuple):
    """The chance in one choice of experts while training."""

    exponential: Tensor
    """(tokens, experts), exponentially distributed: minus its logarithm is the Gumbel noise that samples an expert."""
    uniform: Tensor
    """(tokens, 1) in [0, 1): decides where the estimator looks at the midpoint."""


def draw(scores: Tensor) -> Draw:
    """Fresh chance for one choice of `scores` (tokens, experts), from torch's own generator, as dropout takes it."""
    return Draw(torch.empty_like(scores).exponential_(), torch.rand_like(scores[:, :1]))


def route(scores: Tensor, jitter: float, draws: tuple[Draw, Draw] | None = None) -> tuple[Tensor, Tensor]:
    """Two different experts for each token, and the weight of each.

    scores: (tokens, experts). Without `draws` the two best are taken; with them (training) each is sampled.
    Returns weights and indices of experts, both (tokens, 2). The weights need not add up to one: each is its expert's
    share among the candidates of its own choice.
    """
    everyone = torch.ones_like(scores, dtype=torch.bool)
    first, weight_of_first = _choose(scores, everyone, jitter, draws[0] if draws else None)
    others = everyone.scatter(-1, first, value=False)
    second, weight_of_second = _choose(scores, others, jitter, draws[1] if draws else None)
    return torch.cat((weight_of_first, weight_of_second), -1), torch.cat((first, second), -1)


def _choose(scores: Tensor, allowed: Tensor, jitter: float, chance: Draw | None) -> tuple[Tensor, Tensor]:
    """One expert for each token out of the allowed ones: index and weight, both (tokens, 1)."""
    with torch.no_grad():
        best, chosen = scores.masked_fill(~allowed, -torch.inf).max(-1, keepdim=True)
        behind = (best - scores) / scores.abs().clamp(min=best)
        # Written with `not >`: where all scores are zero `behind` is not a number, and everyone stays a candidate.
        candidates = allowed & ~(behind > 2 * jitter)
    logits = scores.masked_fill(~candidates, -torch.inf)
    shares = logits.softmax(-1)
    if chance is None:
        return chosen, shares.gather(-1, chosen)
    chosen = (logits - chance.exponential.log()).argmax(-1, keepdim=True)
    weight = shares.gather(-1, chosen)
    whole = (chosen == shares.argmax(-1, keepdim=True)) | (chance.uniform > _HEUN_EVERY)
    factor = torch.where(whole, 1.0, _HEUN_SHARE).to(weight.dtype)
    # SparseMixer's estimator: the value is scaled, the gradient is the one of the unscaled weight.
    return chosen, weight + (weight * (factor - 1)).detach()


class MixtureOfExperts(nn.Module):
    """SwiGLU experts, of which two work on each token.

    The experts' matrices lie stacked: `gate_up` (experts, 2 * inner, width) with the gate's rows first, `down`
    (experts, width, inner). Like every matrix of the model they are cast to the dtype of what they multiply.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.experts is None:
            raise ValueError("the configuration has no experts")
        count, width, inner = config.experts.count, config.width, config.mlp_width
        self.jitter = config.experts.jitter
        self.router = nn.Parameter(torch.empty(count, width))
        self.gate_up = nn.Parameter(torch.empty(count, 2 * inner, width))
        self.down = nn.Parameter(torch.empty(count, width, inner))
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.0, config.initial_std)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, width) -> the same shape. In training mode experts are sampled, otherwise the best work."""
        tokens = x.reshape(-1, x.shape[-1])
        scores = F.linear(tokens, self.router.to(x.dtype))
        draws = (draw(scores), draw(scores)) if self.training else None
        weights, experts = route(scores, self.jitter, draws)
        made = self._work(tokens, experts)
        return (made * weights[..., None]).sum(1).view_as(x)

    @torch.no_grad()
    def seen(self, tokens: Tensor, expert: int, stack: str) -> Tensor:
        """What an expert's matrix in the stack `gate_up` or `down` multiplies, of tokens (tokens, width) that come in:
        (its tokens, columns).
        """
        _, experts = route(F.linear(tokens, self.router.to(tokens.dtype)), self.jitter)
        mine = tokens[(experts == expert).any(-1)]
        if stack == "gate_up":
            return mine
        gate, up = F.linear(mine, self.gate_up.unbind()[expert].to(mine.dtype)).chunk(2, dim=-1)
        return F.silu(gate) * up

    def _work(self, tokens: Tensor, experts: Tensor) -> Tensor:
        """What the chosen experts make of each token: (tokens, width), (tokens, 2) -> (tokens, 2, width)."""
        flat = experts.flatten()
        order = flat.argsort(stable=True)  # each expert's tokens side by side
        shares = flat.bincount(minlength=len(self.router)).tolist()
        pieces = []
        for rows, gate_up, down in zip(
            torch.split(order, shares), self.gate_up.unbind(), self.down.unbind(), strict=True
        ):
            if len(rows):
                mine = tokens[rows // 2]
                if not torch.is_grad_enabled():  # what an expert makes of a token depends on no other token
                    mine = F.pad(mine, (0, 0, 0, padded(len(rows)) - len(rows)))
                gate, up = F.linear(mine, gate_up.to(tokens.dtype)).chunk(2, dim=-1)
                pieces.append(F.linear(F.silu(gate) * up, down.to(tokens.dtype))[: len(rows)])
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return torch.cat(pieces)[back].view(*experts.shape, -1)
