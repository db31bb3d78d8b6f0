"""Blocksparse attention: the published pattern, the rule against brute force, and the fast paths against the rule."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hornbook.model import cpu_attention
from hornbook.model.blocksparse import attend
from hornbook.model.blocksparse import flex as blocksparse_flex
from hornbook.model.blocksparse import tiles as blocksparse_tiles
from hornbook.model.blocksparse.rule import mask, visible_blocks
from hornbook.model.config import BlockSparse, ModelConfig
from hornbook.model.transformer import Transformer

PHI = BlockSparse(block=64, local_blocks=16, stride=8)
patterns = st.builds(
    BlockSparse,
    block=st.sampled_from([1, 2, 3, 7, 16, 64, 150]),
    local_blocks=st.integers(1, 6),
    stride=st.integers(1, 9),
    same_for_heads=st.booleans(),
)


def test_far_blocks_of_phi_3_small() -> None:
    seen = visible_blocks(PHI, 32, 127)
    for head, blocks in enumerate(seen):
        assert blocks[-16:] == list(range(112, 128))
        assert blocks[:-16] == list(range(7 - head % 8, 112, 8))
    assert seen[0][:3] == [7, 15, 23]
    assert seen[1][:3] == [6, 14, 22]
    for block in range(112):
        assert sum(block in blocks for blocks in seen) == 4


def test_toy_pattern() -> None:
    toy = BlockSparse(block=5, local_blocks=2, stride=3)
    assert visible_blocks(toy, 3, 8) == [[2, 5, 7, 8], [1, 4, 7, 8], [0, 3, 6, 7, 8]]


@pytest.mark.parametrize(("tokens", "share"), [(8192, 0.234), (131_072, 0.132)])
def test_share_of_blocks_that_the_last_one_sees(tokens: int, share: float) -> None:
    blocks = tokens // PHI.block
    seen = visible_blocks(PHI, 32, blocks - 1)
    assert sum(len(row) for row in seen) / (32 * blocks) == pytest.approx(share, abs=5e-4)


def test_heads_of_one_pattern_see_what_head_0_sees() -> None:
    same = visible_blocks(PHI.model_copy(update={"same_for_heads": True}), 32, 100)
    assert same == [visible_blocks(PHI, 32, 100)[0]] * 32


@given(patterns, st.integers(1, 12), st.integers(1, 40))
def test_the_mask_against_brute_force(pattern: BlockSparse, heads: int, length: int) -> None:
    positions = torch.arange(length)[None]
    made = mask(positions, positions, heads, pattern)
    assert made.shape == (1, heads, length, length)
    step = max(1, pattern.stride // heads)
    for head in range(heads):
        shift = 0 if pattern.same_for_heads else head * step
        for query in range(length):
            for key in range(length):
                q, k = query // pattern.block, key // pattern.block
                seen = key <= query and (q - k < pattern.local_blocks or (k + shift + 1) % pattern.stride == 0)
                assert bool(made[0, head, query, key]) == seen


def test_only_padding_sees_padding() -> None:
    positions = torch.tensor([[-3, -2, -1, 0, 1, 2]])
    made = mask(positions, positions, 2, BlockSparse(block=1, local_blocks=9, stride=1))
    assert torch.equal(
        made[0, 0, 3:], torch.tensor([[0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]).bool()
    )
    assert made[0, :, :3].any(-1).all()


def tensors(
    heads: int, kv_heads: int, queries: int, keys: int, *, batch: int = 1, size: int = 8, **options: Any
) -> Any:
    generator = torch.Generator().manual_seed(heads * 1000 + keys)
    q = torch.randn(batch, heads, queries, size, generator=generator)
    k, v = torch.randn(2, batch, kv_heads, keys, size, generator=generator)
    return tuple(t.to(**options) for t in (q, k, v))


def dense(q: Tensor, k: Tensor, v: Tensor, pattern: BlockSparse, scale: float, starts: Tensor | None = None) -> Tensor:
    """Attention with the whole mask."""
    positions = torch.arange(k.shape[2])[None] - (0 if starts is None else starts[:, None])
    seen = mask(positions[:, k.shape[2] - q.shape[2] :], positions, q.shape[1], pattern)
    k, v = (t.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for t in (k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)


def real_queries(starts: Tensor, queries: int, keys: int) -> Tensor:
    return (torch.arange(keys - queries, keys) >= starts[:, None])[:, None, :, None]


@settings(max_examples=120)
@given(
    pattern=patterns,
    kv_heads=st.integers(1, 3),
    group=st.sampled_from([1, 2, 4]),
    keys=st.integers(1, 400),
    queries=st.integers(1, 400),
    starts=st.lists(st.integers(0, 399), min_size=1, max_size=3),
)
@example(PHI, 2, 4, 1300, 1300, [0, 70])
@example(BlockSparse(block=2, local_blocks=1, stride=1), 1, 4, 400, 400, [0, 399, 7])
@example(BlockSparse(block=16, local_blocks=2, stride=3), 3, 2, 400, 1, [0, 399, 7])
def test_tiles_equal_the_mask(
    pattern: BlockSparse, kv_heads: int, group: int, keys: int, queries: int, starts: list[int]
) -> None:
    """Whole sequences, chunks on a cache, single tokens; grouped heads; padding; values and gradients."""
    queries, first = min(queries, keys), torch.tensor([min(start, keys - 1) for start in starts])
    inputs = tensors(kv_heads * group, kv_heads, queries, keys, batch=len(starts), dtype=torch.float64)
    upstream = torch.randn(inputs[0].shape, dtype=torch.float64) * real_queries(first, queries, keys)
    results = []
    for way in (lambda q, k, v: attend(q, k, v, settings=pattern, scale=0.3, starts=first), None):
        leaves = [t.clone().requires_grad_() for t in inputs]
        y = way(*leaves) if way else dense(*leaves, pattern, 0.3, first)
        results.append((y * real_queries(first, queries, keys), *torch.autograd.grad((y * upstream).sum(), leaves)))
        assert y.isfinite().all()
    for made, wanted in zip(*results, strict=True):
        torch.testing.assert_close(made, wanted, atol=1e-10, rtol=0)


@settings(max_examples=120)
@given(
    pattern=patterns,
    kv_heads=st.integers(1, 3),
    group=st.sampled_from([1, 2, 4]),
    keys=st.integers(1, 400),
    starts=st.lists(st.integers(0, 399), min_size=1, max_size=3),
)
@example(PHI, 2, 4, 1300, [0, 70])
def test_one_token_equals_the_mask(
    pattern: BlockSparse, kv_heads: int, group: int, keys: int, starts: list[int]
) -> None:
    first = torch.tensor([min(start, keys - 1) for start in starts])
    q, k, v = tensors(kv_heads * group, kv_heads, 1, keys, batch=len(starts), dtype=torch.float64)
    with torch.inference_mode():
        made = attend(q, k, v, settings=pattern, scale=0.3, starts=first)
    torch.testing.assert_close(made, dense(q, k, v, pattern, 0.3, first), atol=1e-10, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_token_of_a_cache_equals_the_last_of_a_prompt(dtype: torch.dtype) -> None:
    pattern = BlockSparse(block=16, local_blocks=3, stride=4)
    q, k, v = tensors(8, 2, 500, 500, size=64, dtype=dtype)
    room = torch.zeros(2, 1, 2, 700, 64, dtype=dtype)
    room[:, :, :, :500] = torch.stack((k, v))
    with torch.no_grad():
        made = attend(q[:, :, -1:], *room[:, :, :, :500], settings=pattern, scale=0.2)
        wanted = attend(q, k, v, settings=pattern, scale=0.2)[:, :, -1:]
    assert made.dtype == dtype
    torch.testing.assert_close(made, wanted, atol=1e-6 if dtype == torch.float32 else 1e-2, rtol=0)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_precision(dtype: torch.dtype, close: float) -> None:
    """Against fp64, with the scores' spread of a trained model; results are of the inputs' dtype."""
    pattern = BlockSparse(block=16, local_blocks=3, stride=4)
    q, k, v = tensors(8, 2, 500, 500, size=64, dtype=dtype)
    wanted = dense(q.double(), k.double(), v.double(), pattern, 0.2)
    leaves = [t.clone().requires_grad_() for t in (q, k, v)]
    made = attend(*leaves, settings=pattern, scale=0.2)
    assert made.dtype == dtype
    torch.testing.assert_close(made.double(), wanted, atol=close, rtol=0)
    exact = [t.double().requires_grad_() for t in (q, k, v)]
    ours = torch.autograd.grad(made.square().sum(), leaves)
    theirs = torch.autograd.grad(dense(*exact, pattern, 0.2).square().sum(), exact)
    for gradient, other in zip(ours, theirs, strict=True):
        assert gradient.dtype == dtype
        assert (gradient.double() - other).norm() < close * other.norm()


def test_a_padded_row_equals_the_row_alone_to_the_last_bit() -> None:
    q, k, v = tensors(4, 2, 90, 90, batch=3)
    starts = torch.tensor([0, 33, 89])
    pattern = BlockSparse(block=8, local_blocks=2, stride=3)
    made = attend(q, k, v, settings=pattern, scale=0.3, starts=starts)
    for row, start in enumerate(starts.tolist()):
        one = slice(row, row + 1)
        alone = attend(q[one, :, start:], k[one, :, start:], v[one, :, start:], settings=pattern, scale=0.3)
        assert torch.equal(made[one, :, start:], alone)


def test_what_padding_holds_does_not_matter() -> None:
    q, k, v = tensors(4, 2, 30, 60, batch=2)
    starts = torch.tensor([40, 5])
    pattern = BlockSparse(block=4, local_blocks=2, stride=2)
    wanted = attend(q, k, v, settings=pattern, scale=0.3, starts=starts)
    for row, start in enumerate(starts.tolist()):
        k[row, :, :start] = v[row, :, :start] = torch.nan
    made = attend(q, k, v, settings=pattern, scale=0.3, starts=starts)
    assert made.isfinite().all()
    assert torch.equal(made, wanted)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_inference_equals_training(mode: Callable[[], Any]) -> None:
    q, k, v = tensors(8, 2, 300, 300)
    pattern = BlockSparse(block=16, local_blocks=3, stride=4)
    wanted = attend(q.requires_grad_(), k, v, settings=pattern, scale=0.3)
    with mode():
        assert torch.equal(attend(q.clone(), k.clone(), v.clone(), settings=pattern, scale=0.3), wanted)


def test_views_of_a_cache_and_of_fused_projections_are_read_where_they_lie() -> None:
    """Slices and transposed views, as the model hands them over."""
    q, k, v = tensors(8, 2, 70, 70, batch=2)
    pattern = BlockSparse(block=8, local_blocks=2, stride=3)
    wanted = attend(q, k, v, settings=pattern, scale=0.3)
    room = torch.zeros(2, 2, 100, 8)
    room[:, :, :70] = k
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (q, v)]
    made = attend(turned[0], room[:, :, :70], turned[1], settings=pattern, scale=0.3)
    torch.testing.assert_close(made, wanted, atol=1e-6, rtol=0)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for made in out if isinstance(out, tuple | list) else (out,):
            if isinstance(made, Tensor):
                self.numel = max(self.numel, made.numel())
        return out


def largest(time: int, keys: int) -> int:
    q, k, v = tensors(4, 1, time, keys, size=4)
    pattern = BlockSparse(block=16, local_blocks=4, stride=8)
    for tensor in (q, k, v):
        tensor.requires_grad_()
    with Largest() as seen:
        attend(q, k, v, settings=pattern, scale=0.5).sum().backward()
    return seen.numel


def test_memory_is_linear_in_the_number_of_tokens() -> None:
    """Forward and backward; the whole mask of one head would have 16.8 million entries."""
    assert largest(4096, 4096) < 4096 * 4096 // 10
    assert largest(4096, 4096) <= 2.2 * largest(2048, 2048)
    assert largest(1, 4096) < 4096 * 8


def test_flex_attention_follows_the_same_rule() -> None:
    """What a GPU runs, here by FlexAttention's plain implementation: padding, a cache, grouped heads."""
    from torch.nn.attention.flex_attention import flex_attention

    for pattern, starts in ((PHI, None), (BlockSparse(block=16, local_blocks=2, stride=3), (0, 37))):
        q, k, v = tensors(8, 2, 200, 300, batch=2, size=16)
        block_mask = blocksparse_flex._block_mask(pattern, 8, 200, 300, starts, "cpu")
        made = flex_attention(q, k, v, block_mask=block_mask, scale=0.25, enable_gqa=True)
        first = torch.zeros(2, dtype=torch.long) if starts is None else torch.tensor(starts)
        torch.testing.assert_close(made, dense(q, k, v, pattern, 0.25, first), atol=1e-5, rtol=0)
    assert not blocksparse_flex.suits(q)


def test_flex_attention_skips_blocks_that_nobody_sees() -> None:
    block_mask = blocksparse_flex._block_mask(
        BlockSparse(block=128, local_blocks=2, stride=8), 4, 4096, 4096, None, "cpu"
    )
    assert block_mask.sparsity() > 75


def test_a_model_of_sparse_layers_learns_compiled_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler leaves the tiles' loop alone instead of unrolling it."""
    config = ModelConfig(
        vocabulary=32,
        layers=1,
        width=16,
        heads=4,
        kv_heads=2,
        mlp_width=16,
        context=64,
        attention=("sparse",),
        blocksparse=BlockSparse(block=4, local_blocks=2, stride=3),
    )
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    ids = torch.arange(40)[None] % 32

    def gradient() -> Tensor:
        model.zero_grad()
        model(ids).logsumexp(-1).sum().backward()
        found = model.blocks[0].attention.qkv.weight.grad
        assert found is not None
        return found.clone()

    wanted = gradient()
    traced: list[bool] = []
    forward = blocksparse_tiles._forward
    monkeypatch.setattr(
        blocksparse_tiles, "_forward", lambda *a: (traced.append(torch.compiler.is_compiling()), forward(*a))[1]
    )
    model.blocks[0].compile(backend="eager")
    torch.testing.assert_close(gradient(), wanted)
    assert traced == [False]


class Products(TorchDispatchMode):
    """Counts the multiplications of matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in ("aten::bmm", "aten::baddbmm_"):
            first, second = args[-2:]
            self.count += first.numel() * second.shape[-1]
        return func(*args, **(kwargs or {}))


def test_at_8192_tokens_it_multiplies_a_third_of_what_dense_attention_does() -> None:
    """Two products, with what a causal mask leaves to dense attention; a decoded token meets the seen keys alone.

    In fp64, which PyTorch's own products compute: a compiled kernel's cannot be counted.
    """
    q, k, v = tensors(8, 2, 8192, 8192, size=2, dtype=torch.float64)
    with Products() as made, torch.no_grad():
        attend(q, k, v, settings=PHI, scale=1.0)
    dense_products = 2 * 8 * 2 * (8192 * 8193 // 2)
    assert 0.3 * dense_products < made.count < 0.345 * dense_products
    with Products() as made, torch.no_grad():
        attend(q[:, :, -1:], k, v, settings=PHI, scale=1.0)
    seen = sum(len(blocks) for blocks in visible_blocks(PHI, 8, 127)) * 64
    assert made.count <= 2 * 2 * (seen + 8 * 64)


@pytest.mark.slow
@pytest.mark.skipif(not cpu_attention.HERE, reason="the kernels were not built")
def test_at_8192_tokens_it_takes_at_most_half_the_time_of_dense_attention() -> None:
    """On one thread, in processor time, the best of several turns: other work on the machine slows some of them."""
    q, k, v = tensors(4, 1, 8192, 8192, size=128)
    whole_k, whole_v = (t.repeat_interleave(4, dim=1) for t in (k, v))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ways = {
        "dense": lambda: F.scaled_dot_product_attention(q, whole_k, whole_v, is_causal=True, scale=1 / 128),
        "sparse": lambda: attend(q, k, v, settings=PHI, scale=1 / 128),
    }
    ratios = []
    try:
        with torch.inference_mode():
            for _ in range(12):
                seconds = {}
                for name, way in ways.items():
                    began = time.process_time()
                    way()
                    seconds[name] = time.process_time() - began
                ratios.append(seconds["sparse"] / seconds["dense"])
                if ratios[-1] <= 0.5:
                    break
    finally:
        torch.set_num_threads(threads)
    assert min(ratios) <= 0.5, ratios
