from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from hornbook.model.formats.four_bit import GROUP, FourBitEmbedding, FourBitLinear, dense, pack, unpack
from hornbook.model.formats.quantization import FOUR_BIT
from hornbook.model.formats.quantized import empty


@given(
    arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 40).map(lambda n: 2 * n)), elements=st.integers(-8, 7))
)
def test_unpack_undoes_pack(levels: np.ndarray) -> None:
    packed = pack(torch.from_numpy(levels))
    assert packed.dtype == torch.uint8
    assert packed.shape == (levels.shape[0], levels.shape[1] // 2)
    assert np.array_equal(unpack(packed).numpy(), levels)


@given(arrays(np.uint8, (3, 16)))
def test_pack_undoes_unpack(packed: np.ndarray) -> None:
    assert np.array_equal(pack(unpack(torch.from_numpy(packed))).numpy(), packed)


def test_every_byte_and_its_order() -> None:
    """The even column lies in the low nibble, both shifted by 8: 0x80 is -8, then 0."""
    assert unpack(torch.tensor([[0x80, 0xF0]], dtype=torch.uint8)).tolist() == [[-8, 0, -8, 7]]


def literal(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """What the documentation says, one weight at a time."""
    rows, columns = packed.shape[0], packed.shape[1] * 2
    weights = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            byte = int(packed[row, column // 2])
            nibble = byte % 16 if column % 2 == 0 else byte // 16
            weights[row, column] = (nibble - 8) * float(scales[row, column // GROUP])
    return weights


@pytest.fixture
def stored() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    packed = torch.randint(0, 256, (6, 48), dtype=torch.uint8, generator=generator)
    return packed, torch.randn(6, 3, generator=generator).half()


def test_dense_equals_a_literal_loop(stored: tuple[torch.Tensor, torch.Tensor]) -> None:
    packed, scales = stored
    np.testing.assert_allclose(dense(packed, scales, torch.float32), literal(packed.numpy(), scales.numpy()), rtol=1e-6)


def test_linear_and_embedding_use_these_weights(stored: tuple[torch.Tensor, torch.Tensor]) -> None:
    packed, scales = stored
    weights = literal(packed.numpy(), scales.numpy())
    linear, table = empty(nn.Linear(96, 6, bias=False), FOUR_BIT), empty(nn.Embedding(6, 96), FOUR_BIT)
    assert isinstance(linear, FourBitLinear)
    assert isinstance(table, FourBitEmbedding)
    for module in (linear, table):
        module.packed.copy_(packed)
        module.scales.copy_(scales)
    x = torch.randn(2, 5, 96, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(linear(x), x.numpy() @ weights.T, atol=1e-4)
    ids = torch.tensor([[0, 5], [3, 3]])
    np.testing.assert_allclose(table(ids), weights[ids.numpy()], rtol=1e-6)
    assert linear(x.bfloat16()).dtype == torch.bfloat16


def test_columns_that_no_group_divides() -> None:
    with pytest.raises(ValueError, match="48 columns"):
        FourBitLinear(4, 48)
