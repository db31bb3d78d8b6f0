"""Attention against its formula in float64, in what it is computed with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hornbook.model import cpu_attention
from hornbook.model.config import ModelConfig
from hornbook.model.masks import AttentionMask
from hornbook.model.transformer import Attention


def formula(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, scale: float) -> Tensor:
    """softmax(q k^T scale) v over what is seen (Vaswani et al. 2017), each key/value head for a group of queries."""
    k, v = (one.repeat_interleave(q.shape[1] // one.shape[1], dim=1) for one in (k, v))
    return torch.softmax((q @ k.transpose(-1, -2) * scale).masked_fill(~seen, -torch.inf), -1) @ v


@pytest.mark.numerics
@pytest.mark.parametrize("time", [2, 100, 256, 257])
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("own", [False, True])
def test_outputs_and_gradients_are_those_of_the_formula(
    own: bool, dtype: torch.dtype, documents: bool, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_attention, "HERE", own and cpu_attention.HERE)
    config = ModelConfig(vocabulary=8, layers=1, width=64, heads=4, kv_heads=2, mlp_width=8, context=300)
    layer = Attention(config, 0)
    chance = torch.Generator().manual_seed(time)
    given = [torch.randn(3, heads, time, 16, generator=chance).to(dtype).requires_grad_() for heads in (4, 2, 2)]
    back = torch.randn(3, 4, time, 16, generator=chance).to(dtype)
    at = torch.arange(time)
    seen = (at[:, None] >= at).expand(3, 1, time, time)
    if documents:
        seen = seen & (at[:, None] // 7 == at // 7)
    mask = AttentionMask(seen, first=(at // 7 * 7).int()[None]) if documents else AttentionMask()
    found = layer._attend(*given, mask)
    found.backward(back)

    exact = [one.detach().double().requires_grad_() for one in given]
    wanted = formula(*exact, seen, layer.scale)
    wanted.backward(back.double())
    # Rounded to bf16 once, or wherever a kernel for bf16 does: our own, or PyTorch's where there are many keys.
    once = time <= 256 and not cpu_attention.HERE
    share, least = (2e-6, 1e-6) if dtype == torch.float32 else (2**-8, 1e-3) if once else (2**-6, 1e-2)
    torch.testing.assert_close(found.double(), wanted, rtol=share, atol=least)
    for one, other in zip(given, exact, strict=True):
        assert one.grad is not None and other.grad is not None
        assert (one.grad.double() - other.grad).abs().max() <= 2 * share * other.grad.abs().max()
