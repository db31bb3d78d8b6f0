"""Steps over blocks: equal to reading everything at once, and to the last bit whoever else is in the step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.inference.steps import random_steps

from hornbook.inference.executor import Part
from hornbook.inference.torch_executor import BLOCK, TorchExecutor
from hornbook.model.config import BlockSparse, Experts, LongRope
from hornbook.model.paged import padded

SHAPES: dict[str, dict[str, Any]] = {
    "full": {},
    "groups": {"heads": 8, "kv_heads": 2, "mlp_width": 150},
    "window": {"sliding_window": 30},
    "learned": {"positions": "learned", "activation": "gelu", "norm": "layer", "block": "parallel", "qkv_bias": True},
    "sparse": {"attention": ("sparse", "full"), "blocksparse": BlockSparse(block=8, local_blocks=2, stride=3)},
    "experts": {"experts": Experts(count=4)},
}
CONTEXT = 700


def alone(executor: TorchExecutor, ids: list[int], long: bool = False) -> np.ndarray:
    """Logits after every token, read in one step into the first blocks."""
    blocks = range(-(-len(ids) // BLOCK))
    return executor.step([Part(ids, 0, blocks, long, "every")])[0]


@pytest.mark.numerics
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_equals_reading_at_once(shape: dict[str, Any], make_model: Callable[..., Any]) -> None:
    model = make_model(seed=4, context=CONTEXT, **shape)
    ids = torch.randint(400, (1, 650), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = model(ids)[0].numpy()
    made = alone(TorchExecutor(model, tokens=CONTEXT), ids[0].tolist())
    np.testing.assert_allclose(made, wanted, atol=1e-4)


@pytest.mark.numerics
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_bits_do_not_depend_on_the_step(shape: dict[str, Any], make_model: Callable[..., Any], threads: int) -> None:
    model = make_model(seed=5, context=CONTEXT, **shape)
    chance = random.Random(6)
    texts = [[chance.randrange(400) for _ in range(length)] for length in (600, 37, 513, 3)]
    wanted = [alone(TorchExecutor(model, tokens=CONTEXT), ids) for ids in texts]
    executor = TorchExecutor(model, tokens=2000)
    for index, part, logits in random_steps(executor, texts, [False] * len(texts), chance):
        expected = wanted[index][part.start : part.start + len(part.ids)]
        assert np.array_equal(logits, expected), (index, part.start, len(part.ids), np.abs(logits - expected).max())


@pytest.mark.numerics
@pytest.mark.parametrize(("inputs", "outputs"), [(96, 64), (576, 960), (1536, 576)])
def test_a_rows_product_does_not_depend_on_the_rows_beside_it(inputs: int, outputs: int, threads: int) -> None:
    """In shapes of real models, where libraries share the work otherwise than in small ones."""
    generator = torch.Generator().manual_seed(1)
    weight, x = (torch.randn(size, inputs, generator=generator) for size in (outputs, 512))
    whole = torch.nn.functional.linear(x, weight)
    for rows in {padded(count) for count in (1, 9, 13, 50, 64, 100, 200, 300, 500)}:
        assert torch.equal(torch.nn.functional.linear(x[:rows], weight), whole[:rows]), rows


def test_each_sequence_has_its_own_regime(make_model: Callable[..., Any]) -> None:
    longrope = LongRope(original=40, short=(1.0,) * 8, long=(1.5, 2, 2, 3, 4, 5, 6, 8))
    model = make_model(seed=7, context=100, longrope=longrope)
    executor = TorchExecutor(model, tokens=400)
    assert executor.switch == 40
    ids = torch.randint(400, (1, 60), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        beyond, within = model(ids)[0].numpy(), model(ids[:, :40])[0].numpy()
    one, other = ids[0].tolist(), ids[0, :40].tolist()
    first = executor.step(
        [Part(one[:30], 0, [5, 1, 7, 2], True, "every"), Part(other[:35], 0, [0, 3, 4], False, "none")]
    )
    second = executor.step([Part(one[30:], 30, [5, 1, 7, 2], True, "every"), Part(other[35:], 35, [0, 3, 4])])
    np.testing.assert_allclose(np.concatenate([first[0], second[0]]), beyond, atol=1e-4)
    np.testing.assert_allclose(second[1], within[-1:], atol=1e-4)
    assert first[1].shape == (0, 400)
