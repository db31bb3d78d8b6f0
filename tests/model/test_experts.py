"""phi-3.5-moe's experts: routing, outputs and gradients equal to transformers', in both modes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hornbook.model import experts
from hornbook.model.config import Experts, ModelConfig
from hornbook.model.experts import Draw, MixtureOfExperts

WIDTH, INNER = 24, 20


def pair(count: int = 6, jitter: float = 0.01, seed: int = 0) -> tuple[MixtureOfExperts, Any]:
    """Our module and transformers' with the same random weights."""
    from transformers import PhimoeConfig
    from transformers.models.phimoe.modeling_phimoe import PhimoeSparseMoeBlock

    config = PhimoeConfig(
        hidden_size=WIDTH, intermediate_size=INNER, num_local_experts=count, router_jitter_noise=jitter
    )
    config._experts_implementation = "eager"
    theirs = PhimoeSparseMoeBlock(config)
    ours = MixtureOfExperts(
        ModelConfig(width=WIDTH, mlp_width=INNER, experts=Experts(count=count, jitter=jitter), norm="layer")
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_(0.0, 0.4, generator=generator)
        theirs.router.weight.copy_(ours.router)
        theirs.experts.gate_up_proj.copy_(ours.gate_up)
        theirs.experts.down_proj.copy_(ours.down)
    return ours.eval(), theirs.eval()


def some_scores(count: int, seed: int) -> torch.Tensor:
    """Scores close enough that several experts are candidates, of either sign, zeros and ties among them."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(400, count, generator=generator)
    scores[100:200] = 5 + 0.05 * scores[100:200]
    scores[200:300] = -5 + 0.05 * scores[200:300]
    scores[300:320] = 0
    scores[320:340] = scores[320:340].round()
    return scores


def chance(scores: torch.Tensor, seed: int) -> tuple[Draw, Draw]:
    """The numbers that transformers draws after `torch.manual_seed(seed)`, in its order."""
    torch.manual_seed(seed)
    first = experts.draw(scores)
    exponential = torch.empty_like(scores).exponential_()
    torch.rand_like(scores[:, :1])  # drawn and thrown away there
    return first, Draw(exponential, torch.rand_like(scores[:, :1]))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("jitter", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("count", [2, 5, 16])
def test_routing_equals_transformers(count: int, jitter: float, training: bool) -> None:
    from transformers.models.phimoe.modeling_phimoe import sparsemixer

    ours = some_scores(count, seed=count).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    weights, chosen = experts.route(ours, jitter, chance(ours.detach(), seed=7) if training else None)
    torch.manual_seed(7)
    their_weights, their_chosen = sparsemixer(theirs, jitter, training)
    assert torch.equal(chosen, their_chosen)
    torch.testing.assert_close(weights, their_weights, atol=1e-6, rtol=0)
    assert (chosen[:, 0] != chosen[:, 1]).all()
    pull = torch.randn(weights.shape, generator=torch.Generator().manual_seed(1))
    (weights * pull).sum().backward()
    (their_weights * pull).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=0)


def test_chance_spreads_the_choice_and_scales_the_weight() -> None:
    scores = torch.tensor([[5.0, 4.98, 4.97, 1.0]]).repeat(4000, 1)
    calm = experts.route(scores, 0.01)
    assert (calm[1] == torch.tensor([0, 1])).all()
    weights, chosen = experts.route(scores, 0.01, chance(scores, seed=3))
    shares = chosen[:, 0].bincount(minlength=4) / len(scores)
    torch.testing.assert_close(shares, torch.tensor([5.0, 4.98, 4.97, -torch.inf]).softmax(0), atol=0.03, rtol=0)
    unlikely = weights[chosen[:, 0] == 1, 0]
    assert unlikely.unique().numel() == 2
    assert unlikely.min() == pytest.approx(0.3333 * unlikely.max().item(), abs=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (2, 64)])
def test_outputs_and_gradients_equal_transformers(
    shape: tuple[int, int], training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pair(jitter=0.2)
    ours.train(training)
    theirs.train(training)
    x = torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(2))
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    if training:
        rows = torch.nn.functional.linear(x.view(-1, WIDTH), ours.router.detach())
        numbers = iter(chance(rows, seed=5))
        monkeypatch.setattr(experts, "draw", lambda scores: next(numbers))
    made = ours(one)
    torch.manual_seed(5)
    wanted = theirs(other)
    assert wanted.std() > 0.1
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)
    pull = torch.randn(made.shape, generator=torch.Generator().manual_seed(3))
    (made * pull).sum().backward()
    (wanted * pull).sum().backward()
    pairs = [
        (one, other),
        (ours.router, theirs.router.weight),
        (ours.gate_up, theirs.experts.gate_up_proj),
        (ours.down, theirs.experts.down_proj),
    ]
    for mine, their in pairs:
        assert (mine.grad - their.grad).norm() <= 1e-4 * their.grad.norm() + 1e-7


def test_only_the_chosen_experts_work() -> None:
    ours, _ = pair(count=5)
    x = torch.randn(1, 1, WIDTH, generator=torch.Generator().manual_seed(4))
    _, chosen = experts.route(torch.nn.functional.linear(x[0], ours.router), ours.jitter)
    before = ours(x)
    idle = sorted(set(range(5)) - set(chosen[0].tolist()))
    with torch.no_grad():
        ours.gate_up[idle] = torch.nan
        ours.down[idle] = torch.nan
    assert torch.equal(ours(x), before)


def test_activations_decide_the_precision() -> None:
    ours, _ = pair()
    x = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(6))
    rounded = ours(x.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded[0].float(), ours(x.bfloat16().float())[0], atol=0.5, rtol=0.1)
    assert ours.gate_up.dtype == torch.float32


def test_a_configuration_without_experts_is_refused() -> None:
    with pytest.raises(ValueError, match="experts"):
        MixtureOfExperts(ModelConfig())
