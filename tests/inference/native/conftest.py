"""The library, or a skip that says why there is none."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_int64, c_void_p

import pytest

from hornbook.inference.native import library as libraries


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """The compiled library, with what only tests call."""
    found = libraries.load()
    if isinstance(found, str):
        pytest.skip(f"no native engine: {found}")
    found.hornbook_product.argtypes = [c_void_p, c_int64, c_int32, c_int64, c_void_p, c_void_p]
    found.hornbook_product.restype = None
    found.hornbook_vectors.argtypes = [c_int32, c_int32, *[c_void_p] * 3, c_float, c_int64, c_void_p]
    found.hornbook_vectors.restype = None
    return found


@pytest.fixture(params=[kernels.name for kernels in libraries.all_kernels()] or ["none"])
def kernels(request: pytest.FixtureRequest, library: ctypes.CDLL) -> libraries.Kernels:
    """Every set of kernels that this processor can run."""
    found = next(one for one in libraries.all_kernels() if one.name == request.param)
    if not found.here:
        pytest.skip(f"this processor lacks the instructions of {found.name}")
    return found
