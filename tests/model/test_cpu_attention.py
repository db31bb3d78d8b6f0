"""Attention's own kernels against float64: every kind of processor's that this one can run."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.model import cpu_attention
from hornbook.model.blocksparse import rule
from hornbook.model.config import BlockSparse, ModelConfig
from hornbook.model.masks import first_seen, tokens_seen
from hornbook.model.transformer import Transformer

pytestmark = pytest.mark.skipif(not cpu_attention.HERE, reason="the kernels were not built")

FLOATS, BFLOATS = (cpu_attention.kernels(dtype) for dtype in (torch.float32, torch.bfloat16))
EACH = pytest.mark.parametrize("kernels", range(len(FLOATS)), ids=FLOATS)
# Gradients are small differences of large sums: of products of floats, or with what is between rounded to bfloat16.
PRECISIONS = [
    *(pytest.param(number, torch.float32, 1e-5, id=f"fp32-{name}") for number, name in enumerate(FLOATS)),
    *(pytest.param(number, torch.bfloat16, 4e-2, id=f"bf16-{name}") for number, name in enumerate(BFLOATS)),
]


def drawn(batch: int, heads: int, kv_heads: int, time: int, size: int, seed: int = 0) -> list[Tensor]:
    """q, k, v as a fused map gives them, and the gradient of what is made of them."""
    generator = torch.Generator().manual_seed(seed)
    fused = torch.randn(batch, time, heads + 2 * kv_heads, size, generator=generator, dtype=torch.float64)
    q, k, v = fused.transpose(1, 2).split([heads, kv_heads, kv_heads], dim=1)
    return [q, k, v, torch.randn(batch, heads, time, size, generator=generator, dtype=torch.float64)]


def packed(batch: int, time: int, longest: int, seed: int) -> Tensor:
    """Documents of 1 to `longest` tokens side by side: their numbers (batch, time)."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (batch, time), generator=generator)
    return torch.stack([torch.arange(time).repeat_interleave(row)[:time] for row in lengths])


def positions_in(documents: Tensor) -> Tensor:
    return (documents[:, :, None] == documents[:, None]).tril().sum(-1) - 1


def reference(q: Tensor, k: Tensor, v: Tensor, dy: Tensor, seen: Tensor, scale: float) -> list[Tensor]:
    q, k, v = (x.detach().double().requires_grad_() for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    scores = scale * q @ k.repeat_interleave(group, 1).mT
    y = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v.repeat_interleave(group, 1)
    y.backward(dy.double())
    return [y.detach(), *(x.grad for x in (q, k, v))]


def ours(
    q: Tensor, k: Tensor, v: Tensor, dy: Tensor, first: Tensor | None, scale: float, pattern: BlockSparse | None = None
) -> list[Tensor]:
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    y = cpu_attention.attend(q, k, v, first, scale, blocksparse=pattern)
    y.backward(dy)
    return [y.detach(), *(x.grad for x in (q, k, v))]


def furthest(found: list[Tensor], wanted: list[Tensor]) -> float:
    return max(
        float((a.double() - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize(("kernels", "dtype", "bound"), PRECISIONS)
@settings(max_examples=40, deadline=None)
@given(
    time=st.integers(1, 200),
    head=st.tuples(st.sampled_from([1, 8, 20, 64, 80, 96]), st.integers(1, 3)),
    longest=st.integers(1, 200),
    window=st.none() | st.integers(1, 100),
    seed=st.integers(0, 1000),
)
def test_is_that_of_float64(kernels, dtype, bound, time, head, longest, window, seed):
    size, group = head
    q, k, v, dy = (x.to(dtype) for x in drawn(2, 2 * group, 2, time, size, seed))
    documents = packed(2, time, longest, seed)
    seen = tokens_seen(torch.ones(2, time, dtype=torch.bool), documents, window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_attention, "_numbers", [kernels, kernels])
        found = ours(q, k, v, dy, first_seen(positions_in(documents), window), size**-0.5)
    assert all(x.dtype == dtype for x in found)
    assert furthest(found, reference(q, k, v, dy, seen, size**-0.5)) < bound


@pytest.mark.parametrize(("kernels", "dtype", "bound"), PRECISIONS)
@settings(max_examples=20, deadline=None)
@given(
    time=st.integers(1, 700),
    group=st.integers(1, 3),
    pattern=st.builds(
        BlockSparse,
        block=st.sampled_from([64, 128, 192]),
        local_blocks=st.integers(1, 5),
        stride=st.integers(1, 9),
        same_for_heads=st.booleans(),
    ),
    seed=st.integers(0, 1000),
)
def test_blocksparse_is_that_of_float64_under_the_rule(kernels, dtype, bound, time, group, pattern, seed):
    q, k, v, dy = (x.to(dtype) for x in drawn(2, 2 * group, 2, time, 16, seed))
    at = torch.arange(time)[None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_attention, "_numbers", [kernels, kernels])
        found = ours(q, k, v, dy, None, 0.25, pattern)
    wanted = reference(q, k, v, dy, rule.mask(at, at, 2 * group, pattern), 0.25)
    assert furthest(found, wanted) < bound


@EACH
def test_rows_are_causal_where_nothing_else_is_said(kernels, monkeypatch):
    monkeypatch.setattr(cpu_attention, "_numbers", [kernels, kernels])
    given = drawn(3, 4, 2, 130, 32)
    seen = torch.ones(130, 130, dtype=torch.bool).tril()
    assert furthest(ours(*(x.float() for x in given), None, 0.3), reference(*given, seen, 0.3)) < 2e-6


@EACH
def test_large_scores_stay_numbers(kernels, monkeypatch):
    monkeypatch.setattr(cpu_attention, "_numbers", [kernels, kernels])
    q, k, v, dy = drawn(1, 2, 2, 100, 16)
    given = [q * 100, k * 100, v, dy]
    seen = torch.ones(100, 100, dtype=torch.bool).tril()
    found, wanted = ours(*(x.float() for x in given), None, 1.0), reference(*given, seen, 1.0)
    assert all(bool(x.isfinite().all()) for x in found)
    assert furthest(found[:1], wanted[:1]) < 1e-2  # scores of thousands have few digits behind the point


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_a_number_is_told(dtype):
    for which in range(3):
        given = [x.to(dtype).clone() for x in drawn(1, 1, 1, 40, 16)]
        given[which][0, 0, 3, 5] = torch.nan
        y = ours(*given, None, 1.0)[0][0, 0]
        assert bool((y[3] if which == 0 else y[3:, 5]).isnan().all())


def test_any_number_of_threads_gives_the_same_bits():
    given = [x.bfloat16() for x in drawn(2, 6, 2, 100, 32)]
    before = torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            made.append(ours(*given, None, 0.2))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for others in made[1:] for a, b in zip(made[0], others, strict=True))


def test_tensors_lie_in_memory_as_they_like():
    q, k, v, dy = (x.float() for x in drawn(2, 4, 2, 70, 16))
    turned = [x.mT.contiguous().mT for x in (q, k, v, dy)]
    for a, b in zip(ours(q, k, v, dy, None, 0.25), ours(*turned, None, 0.25), strict=True):
        assert torch.equal(a, b)


def test_compiled_it_is_the_same():
    q, k, v, dy = (x.float() for x in drawn(2, 4, 2, 70, 16))

    def whole(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return cpu_attention.attend(q * 2, k, v, None, 0.25).transpose(1, 2).reshape(2, 70, 64) * 3

    made = []
    for function in (whole, torch.compile(whole, fullgraph=True)):
        given = [x.detach().requires_grad_() for x in (q, k, v)]
        function(*given).backward(dy.transpose(1, 2).reshape(2, 70, 64))
        made.append([x.grad for x in given])
    assert furthest(made[1], [x.double() for x in made[0]]) < 1e-6


def test_who_asks_for_no_gradient_is_sent_to_pytorch():
    q, k, _, _ = (x.float() for x in drawn(1, 2, 2, 10, 8))
    assert not cpu_attention.suits(q, k)
    q.requires_grad_()
    assert cpu_attention.suits(q, k)
    assert not cpu_attention.suits(q.double(), k.double())  # it would lose digits
    assert not cpu_attention.suits(q[:, :, 5:], k)  # a cache has more keys


@settings(max_examples=60, deadline=None)
@given(
    time=st.integers(1, 40), longest=st.integers(1, 40), window=st.none() | st.integers(1, 12), seed=st.integers(0, 99)
)
def test_first_seen_is_what_the_mask_says(time, longest, window, seed):
    documents = packed(3, time, longest, seed)
    seen = tokens_seen(torch.ones(3, time, dtype=torch.bool), documents, window)[:, 0]
    assert torch.equal(first_seen(positions_in(documents), window).long(), seen.int().argmax(-1))
    first = first_seen(positions_in(documents), window)[:, :, None]
    at = torch.arange(time)
    assert torch.equal((at >= first) & (at <= at[:, None]), seen)


def test_pytorch_agrees():
    q, k, v, dy = (x.float() for x in drawn(1, 3, 3, 90, 64))
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert furthest(ours(q, k, v, dy, None, 64**-0.5)[:1], [theirs.double()]) < 2e-6


@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize("packing", [False, True])
def test_a_model_has_the_same_gradients_as_with_pytorchs(window, packing, monkeypatch):
    config = ModelConfig(
        vocabulary=50, layers=2, width=32, heads=4, kv_heads=2, mlp_width=48, context=128, sliding_window=window
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(1))
    ids = torch.randint(50, (3, 100), generator=torch.Generator().manual_seed(2))
    documents = packed(3, 100, 40, seed=3) if packing else None
    made, asked = [], []
    monkeypatch.setattr(
        cpu_attention, "attend", lambda *given, attend=cpu_attention.attend: asked.append(1) or attend(*given)
    )
    for here in (True, False):
        monkeypatch.setattr(cpu_attention, "HERE", here)
        model.zero_grad()
        model(ids, document_ids=documents).logsumexp(-1).sum().backward()
        made.append([parameter.grad.clone() for parameter in model.parameters()])
    assert len(asked) == config.layers
    assert furthest(made[0], [x.double() for x in made[1]]) < 1e-5
