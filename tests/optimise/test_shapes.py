"""A model at another size: near what was asked for, and valid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.model.config import ModelConfig
from hornbook.optimise.shapes import NEAR, scaled
from hornbook.recipe import load, locate

POCKET = load(locate("pocket")[1]).model


def test_at_its_own_size_it_is_itself() -> None:
    assert scaled(POCKET, POCKET.parameters(), multiple=32) == POCKET
    assert scaled(POCKET, 1_000_000, multiple=32) == POCKET


@given(st.integers(60_000, 20_000_000))
def test_it_is_near_and_keeps_its_proportions(parameters: int) -> None:
    shape = scaled(POCKET, parameters, multiple=32)
    assert 1 / NEAR <= shape.parameters() / parameters <= NEAR
    assert (shape.head_size, shape.vocabulary, shape.context) == (32, 1024, 128)
    assert shape.mlp_width == 3 * shape.width
    assert shape.width % 32 == 0


@pytest.mark.parametrize("name", ["phi-1", "phi-3-mini", "phi-3-small"])
def test_models_of_the_line_shrink(name: str) -> None:
    model = load(locate(name)[1]).model
    shape = scaled(model, model.parameters() // 4, multiple=32)
    assert shape.heads % shape.key_value_heads == 0
    assert shape.parameters() * 4 == pytest.approx(model.parameters(), rel=NEAR - 1)


def test_too_small_for_the_vocabulary() -> None:
    with pytest.raises(
        UserError, match="about 1,000 parameters: with its vocabulary of 1,024 and heads of 32 the nearest has 46,"
    ):
        scaled(POCKET, 1_000, multiple=32)


def test_key_value_heads_divide_heads() -> None:
    model = ModelConfig(vocabulary=300, layers=4, width=192, heads=12, kv_heads=4, mlp_width=384)
    for parameters in (30_000, 100_000, 300_000, 3_000_000):
        shape = scaled(model, parameters)
        assert shape.heads % shape.key_value_heads == 0
