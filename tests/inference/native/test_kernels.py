"""Every kernel equals NumPy's emulation of its arithmetic, to the last bit, for any shape."""

from __future__ import annotations

import ctypes
import runpy
from ctypes import byref, c_int64
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.special
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hornbook.inference.native import library as libraries

emulation = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("emulation.py"))))
F32, F16, BF16, Q4, Q8 = range(5)
SEVERAL = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
SHAPES = {
    "rows": st.integers(1, 50),
    "groups": st.integers(1, 4),
    "blocks": st.sampled_from([1, 2, 4]),
    "tokens": st.integers(1, 27),
    "seed": st.integers(0, 2**32 - 1),
}


def product(
    library: ctypes.CDLL,
    kernels: libraries.Kernels,
    kind: tuple[int, int, int, bool],
    stored: tuple[NDArray[np.generic] | None, ...],
    shape: tuple[int, int],
    x: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What the library multiplies: kind is type, group, type of scales, zero points; stored values, scales, zeros."""
    empty = np.zeros(1, np.float32)
    of_model = libraries.Shape(vocabulary=1, layers=1, width=32, heads=1, kv_heads=1, head_size=2, mlp_width=32)
    windows = np.zeros(1, np.int64)
    pointer = empty.ctypes.data
    model = library.hornbook_model(
        byref(of_model), windows.ctypes.data, pointer, pointer, pointer, 1, kernels.number, 2
    )
    try:
        type_, group, scales, zeros = kind
        assert library.hornbook_matrix(model, 0, 4, type_, *shape, group, scales, zeros, None, byref(c_int64()))
        held = [None if one is None else np.ascontiguousarray(one) for one in stored]
        assert library.hornbook_rows(model, 0, 4, 0, shape[0], *(None if h is None else h.ctypes.data for h in held))
        y = np.full((len(x), shape[0]), np.nan, np.float32)
        library.hornbook_product(model, 0, 4, len(x), np.ascontiguousarray(x).ctypes.data, y.ctypes.data)
        return y
    finally:
        library.hornbook_model_free(model)


def bf16(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """fp32 whose last 16 bits are dropped."""
    return (x.view(np.uint32) >> 16).astype(np.uint16)


def wide(x: NDArray[np.uint16]) -> NDArray[np.float32]:
    """bf16 as fp32."""
    return (x.astype(np.uint32) << 16).view(np.float32)


@SEVERAL
@given(bits=st.sampled_from([4, 8]), brain=st.booleans(), zeros=st.booleans(), **SHAPES)
@example(bits=8, brain=False, zeros=False, rows=17, groups=2, blocks=4, tokens=13, seed=1)
@example(bits=4, brain=True, zeros=True, rows=33, groups=3, blocks=1, tokens=1, seed=2)
def test_quantized_products(
    *,
    bits: int,
    brain: bool,
    zeros: bool,
    rows: int,
    groups: int,
    blocks: int,
    tokens: int,
    seed: int,
    library: ctypes.CDLL,
    kernels: libraries.Kernels,
) -> None:
    chance = np.random.default_rng(seed)
    zeros = zeros and bits == 4
    columns = groups * blocks * 32
    most = (1 << bits) - 1
    shifted = chance.integers(0, most + 1, (rows, columns), dtype=np.uint8)
    shifted[chance.random(rows) < 0.2] = most  # and the largest sums that there are
    shifted[chance.random(rows) < 0.1] = 0
    scales = (chance.random((rows, groups), np.float32) * 0.1).astype(np.float32)
    stored_scales = bf16(scales) if brain else scales.astype(np.float16).view(np.uint16)
    exact = wide(stored_scales) if brain else stored_scales.view(np.float16).astype(np.float32)
    points = chance.integers(0, 16, (rows, groups), dtype=np.uint8) if zeros else None
    x = chance.standard_normal((tokens, columns), np.float32) * np.float32(chance.choice([1e-3, 1.0, 300.0]))
    x[chance.random(tokens) < 0.2] = x.max()
    x[chance.random(tokens) < 0.1] = 0
    values = shifted[:, 0::2] | shifted[:, 1::2] << 4 if bits == 4 else shifted
    kind = (Q4 if bits == 4 else Q8, blocks * 32, BF16 if brain else F16, zeros)
    made = product(library, kernels, kind, (values, stored_scales, points), (rows, columns), x)
    middle = np.full((rows, groups), 1 << (bits - 1), np.int32) if points is None else points.astype(np.int32)
    levels = shifted.astype(np.int32) - np.repeat(middle, blocks * 32, axis=1)
    np.testing.assert_array_equal(made, emulation.quantized_product(levels, exact, x))


@SEVERAL
@given(
    kind=st.sampled_from([F32, F16, BF16]),
    rows=st.integers(1, 90),
    columns=st.integers(1, 70),
    tokens=st.integers(1, 27),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_of_floats(
    kind: int, rows: int, columns: int, tokens: int, seed: int, library: ctypes.CDLL, kernels: libraries.Kernels
) -> None:
    chance = np.random.default_rng(seed)
    weights = chance.standard_normal((rows, columns), np.float32) * np.float32(10.0 ** chance.integers(-6, 3))
    x = chance.standard_normal((tokens, columns), np.float32)
    stored: NDArray[np.generic] = weights
    if kind == F16:  # subnormal ones among them
        stored = weights.astype(np.float16)
        weights = stored.astype(np.float32)
    elif kind == BF16:
        stored = bf16(weights)
        weights = wide(stored)
    made = product(library, kernels, (kind, 32, F16, False), (stored, None, None), (rows, columns), x)
    np.testing.assert_array_equal(made, emulation.float_product(weights, x))


@SEVERAL
@given(n=st.integers(1, 200), size=st.sampled_from([1e-4, 1.0, 90.0]), seed=st.integers(0, 2**32 - 1))
def test_vectors(n: int, size: float, seed: int, library: ctypes.CDLL, kernels: libraries.Kernels) -> None:
    chance = np.random.default_rng(seed)
    a, b, c = (chance.standard_normal(n, np.float32) * np.float32(size) for _ in range(3))
    wanted = {
        0: emulation.rms_norm(a, b, 1e-5),
        1: emulation.layer_norm(a, b, c, 1e-5),
        2: emulation.swiglu(a, b),
        3: emulation.gelu(a),
    }
    for which, expected in wanted.items():
        y = np.empty(n, np.float32)
        library.hornbook_vectors(
            kernels.number, which, a.ctypes.data, b.ctypes.data, c.ctypes.data, 1e-5, n, y.ctypes.data
        )
        np.testing.assert_array_equal(y, expected, err_msg=str(which))


@SEVERAL
@given(n=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
def test_to_16_bits(n: int, seed: int, library: ctypes.CDLL, kernels: libraries.Kernels) -> None:
    """Of all sizes: numbers that become subnormal, nothing or infinite, and those that lie halfway among them."""
    chance = np.random.default_rng(seed)
    halves = chance.integers(0, 2**16, n, dtype=np.uint16).view(np.float16)
    halves[~np.isfinite(halves)] = 65_504
    exact = halves.astype(np.float64)
    last_bit = 2.0 ** np.maximum(np.frexp(exact)[1] - 11, -24)
    a = (exact + chance.choice([0, 0.49, 0.5, 0.51], n) * last_bit).astype(np.float32)
    y, none = np.zeros(n, np.float32), np.zeros(1, np.float32).ctypes.data
    library.hornbook_vectors(kernels.number, 4, a.ctypes.data, none, none, 0.0, n, y.ctypes.data)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y.view(np.uint16)[:n], a.astype(np.float16).view(np.uint16))


def test_the_emulation_is_what_it_says() -> None:
    chance = np.random.default_rng(3)
    a, b, c = (chance.standard_normal(20_000).astype(np.float32) for _ in range(3))
    exact = a.astype(np.longdouble) * b.astype(np.longdouble) + c.astype(np.longdouble)
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than double here")
    np.testing.assert_array_equal(emulation.fused(a, b, c), exact.astype(np.float32))
    x = np.linspace(-30, 30, 4001, dtype=np.float32)
    np.testing.assert_allclose(emulation.exponential(x), np.exp(x.astype(np.float64)), rtol=3e-7)
    np.testing.assert_allclose(
        emulation.gelu(x),
        x * scipy.special.expit(1.5957691216 * (x + 0.044715 * x.astype(float) ** 3)),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(emulation.swiglu(x, x), x.astype(float) ** 2 / (1 + np.exp(-x.astype(float))), rtol=1e-6)
