"""The kernels for Arm, cross-compiled and run under qemu, by the tests that all kernels stand.

On an Arm processor those tests take these kernels by themselves, and this file is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.inference.native import test_executor, test_kernels, test_logits
from tests.inference.native.elsewhere import Elsewhere, absent, build

from hornbook.inference.native import library as libraries
from hornbook.inference.native.executor import CacheDtype, NativeExecutor

pytestmark = [pytest.mark.slow, pytest.mark.skipif(absent() is not None, reason=f"no emulation of Arm: {absent()}")]

KERNELS = ("neon-dotprod", "neon", "portable")  # the best first
HERE = libraries.load

test_quantized_products = test_kernels.test_quantized_products
test_products_of_floats = test_kernels.test_products_of_floats
test_vectors = test_kernels.test_vectors
test_logits_are_the_emulations = test_logits.test_logits_are_the_emulations
test_bits_do_not_depend_on_the_step = test_executor.test_bits_do_not_depend_on_the_step
folder = test_executor.folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine, compiled for Arm."""
    return build(tmp_path_factory.mktemp("arm"))


@pytest.fixture(scope="module")
def library(program: Path) -> Iterator[Elsewhere]:
    """The engine, running on a processor that has all instructions."""
    engine = Elsewhere(program)
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def _there(library: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executors open their models there."""
    monkeypatch.setattr(libraries, "load", lambda: library)


@pytest.fixture(params=KERNELS)
def kernels(request: pytest.FixtureRequest, _there: None) -> libraries.Kernels:
    """Every set of kernels for Arm."""
    return libraries.choose_kernels(request.param)


@pytest.mark.parametrize(("processor", "dot_products"), [("cortex-a72", False), ("max", True)])
def test_kernels_are_chosen_by_the_processor(
    processor: str, dot_products: bool, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Elsewhere(program, processor)
    monkeypatch.setattr(libraries, "load", lambda: engine)
    assert [(one.name, one.here) for one in libraries.all_kernels()] == list(
        zip(KERNELS, (dot_products, True, True), strict=True)
    )
    engine.close()


@pytest.mark.parametrize("cache_dtype", ["fp16", "fp32"])
def test_logits_are_those_of_this_processor(
    folder: tuple[Any, Path], kernels: libraries.Kernels, monkeypatch: pytest.MonkeyPatch, cache_dtype: CacheDtype
) -> None:
    ids = test_executor.some_ids(45)
    made = test_executor.alone(NativeExecutor(folder[1], kernels=kernels.name, cache_dtype=cache_dtype), ids)
    monkeypatch.setattr(libraries, "load", HERE)
    if libraries.absent():
        pytest.skip(f"no native engine here: {libraries.absent()}")
    np.testing.assert_array_equal(made, test_executor.alone(NativeExecutor(folder[1], cache_dtype=cache_dtype), ids))
