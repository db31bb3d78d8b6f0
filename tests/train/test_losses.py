"""Losses without whole logits equal those with them: values and every gradient, in fp64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.train import losses
from hornbook.train.losses import IGNORE, count_targets, sequence_log_probabilities, token_cross_entropy

SHAPES: dict[str, dict[str, Any]] = {
    "tied": {},
    "with a bias": {"tied_embeddings": False, "lm_head_bias": True},
    "muP": {"logit_scale": 0.125, "embedding_scale": 10.0, "dummy_tokens": (395, 399)},
}


class Wrapped(nn.Module):
    """An output matrix that is no plain one, as an adapter's is."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head, self.gain = head, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.head(x) * self.gain
        return made


def precise(make_model: Callable[..., Any], shape: str) -> Any:
    model = make_model(seed=3, **SHAPES[shape]).double()
    model.compute = torch.float64
    return model


def batch() -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    ids, targets = (torch.randint(0, 390, (4, 24), generator=source) for _ in range(2))
    targets[torch.rand(4, 24, generator=source) < 0.4] = IGNORE
    targets[2] = IGNORE
    return ids, targets, torch.arange(24).div(9, rounding_mode="floor").expand(4, 24)


def loss_and_gradients(model: Any, loss: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    made = loss()
    made.backward()
    return made.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("tokens", [1, 7, 0], ids=["1 at once", "7 at once", "of what is learnt"])
@pytest.mark.parametrize("head", ["plain", "frozen", "wrapped"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_in_chunks(
    shape: str, head: str, tokens: int, make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (ids, targets, documents) = precise(make_model, shape), batch()
    if head == "wrapped":
        model.lm_head = Wrapped(model.lm_head)
    if head == "frozen":
        model.lm_head.requires_grad_(False)
    most = 0

    def watched(x: Tensor, original: Callable[[Tensor], Tensor] = model.finished) -> Tensor:
        nonlocal most
        most = max(most, x.numel())
        return original(x)

    monkeypatch.setattr(model, "finished", watched)

    def loss() -> Tensor:
        return token_cross_entropy(model, ids, targets, count_targets(targets), documents, alone=alone)

    alone = False
    whole, wanted = loss_and_gradients(model, loss)
    assert most == 4 * 24 * 400
    most = 0
    if tokens:
        monkeypatch.setattr(losses, "AT_ONCE", tokens * 400)
    else:
        alone, tokens = True, int(count_targets(targets))
    made, gradients = loss_and_gradients(model, loss)
    assert 0 < most <= tokens * 400
    torch.testing.assert_close(made, whole, rtol=1e-13, atol=0)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("at_once", [5 * 400, losses.AT_ONCE])
def test_log_probabilities_of_what_is_learnt(
    at_once: int, make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (ids, targets, _) = precise(make_model, "tied"), batch()
    weights = torch.tensor([0.3, -1.0, 2.0, 0.7], dtype=torch.float64)

    def of_all() -> Tensor:
        every = nn.functional.log_softmax(model(ids), -1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        return (every.masked_fill(targets == IGNORE, 0).sum(-1) * weights).sum()

    def loss() -> Tensor:
        return (sequence_log_probabilities(model, ids, targets) * weights).sum()

    whole, wanted = loss_and_gradients(model, of_all)
    monkeypatch.setattr(losses, "AT_ONCE", at_once)
    made, gradients = loss_and_gradients(model, loss)
    torch.testing.assert_close(made, whole, rtol=1e-13, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-10, atol=1e-14)
    assert sequence_log_probabilities(model, ids, targets)[2].item() == 0


def test_nothing_learnt_and_nothing_wanted(make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "AT_ONCE", 400)
    model, (ids, targets, _) = precise(make_model, "tied"), batch()
    nothing, gradients = loss_and_gradients(
        model, lambda: token_cross_entropy(model, ids, targets.fill_(IGNORE), torch.tensor(1))
    )
    assert nothing.item() == 0
    assert not any(gradient.any() for gradient in gradients.values())
    with torch.no_grad():
        assert token_cross_entropy(model, ids, ids, count_targets(ids)).item() > 0


def test_bf16_gradients_are_as_close_as_those_of_whole_logits(
    make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, targets, _ = batch()

    def gradient(compute: torch.dtype, at_once: int) -> Tensor:
        monkeypatch.setattr(losses, "AT_ONCE", at_once)
        model = make_model(seed=3, tied_embeddings=False)
        model.compute = compute
        return loss_and_gradients(model, lambda: token_cross_entropy(model, ids, targets, count_targets(targets)))[1][
            "lm_head.weight"
        ]

    exact = gradient(torch.float32, 1 << 25)
    errors = [(gradient(torch.bfloat16, at_once) - exact).norm() for at_once in (1 << 25, 4000)]
    assert errors[1] < 1.1 * errors[0]
    assert errors[0] < 0.02 * exact.norm()
