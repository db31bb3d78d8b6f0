"""The compiled library: whether it is there, which kernels it has for this processor, and its C interface by ctypes."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, byref, c_char_p, c_float, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from hornbook.errors import UserError, nearest
from hornbook.machine import KERNELS

_INTERFACE = 3  # interface.cpp has the same number


class Shape(Structure):
    """model.h's Shape."""

    _fields_ = (
        *((name, c_int64) for name in ("vocabulary", "layers", "width", "heads", "kv_heads", "head_size")),
        *((name, c_int64) for name in ("mlp_width", "rotary_size", "start_tokens")),
        *((name, c_int32) for name in ("layer_norm", "parallel", "gelu", "tied", "whole_cache")),
        *((name, c_float) for name in ("norm_epsilon", "embedding_scale", "score_scale", "logit_scale")),
        *((name, c_float) for name in ("short_scale", "long_scale")),
    )


class Part(Structure):
    """model.h's Part."""

    _fields_ = (
        ("count", c_int64),
        ("start", c_int64),
        ("ids", c_void_p),
        ("blocks", c_void_p),
        ("extended", c_int32),
        ("wanted", c_int32),
    )


@dataclass(frozen=True)
class Kernels:
    """A set of kernels: its number, its name, and whether this processor has its instructions."""

    number: int
    name: str
    here: bool


@cache
def load() -> ctypes.CDLL | str:
    """The library, or why there is none, in words."""
    folder = Path(__file__).parent
    found = [path for suffix in EXTENSION_SUFFIXES if (path := folder / f"_engine{suffix}").is_file()]
    if not found:
        return "it was not built when Hornbook was installed, for lack of a C++ compiler"
    try:
        library = ctypes.CDLL(str(found[0]))
        if library.hornbook_interface() != _INTERFACE:
            return f"{found[0]} was built from other sources; install Hornbook again"
    except (OSError, AttributeError) as error:
        return f"{found[0]} cannot be loaded: {error}"
    library.hornbook_kernels.restype = c_char_p
    library.hornbook_kernels.argtypes = [c_int32, POINTER(c_int32)]
    library.hornbook_model.restype = c_void_p
    library.hornbook_model.argtypes = [POINTER(Shape), *[c_void_p] * 4, c_int64, c_int32, c_int32]
    library.hornbook_model_free.argtypes = [c_void_p]
    shape = [c_int32, *[c_int64] * 3, c_int32, c_int32]
    library.hornbook_matrix.argtypes = [c_void_p, c_int64, c_int32, *shape, c_void_p, POINTER(c_int64)]
    library.hornbook_matrix.restype = c_void_p
    library.hornbook_sum.argtypes = [POINTER(c_uint64), c_void_p, c_int64]
    library.hornbook_sum.restype = None
    library.hornbook_rows.argtypes = [c_void_p, c_int64, c_int32, c_int64, c_int64, *[c_void_p] * 3]
    library.hornbook_vector.argtypes = [c_void_p, c_int64, c_int32, c_int32, *[c_int64] * 3, c_void_p]
    library.hornbook_vector.restype = None
    library.hornbook_model_free.restype = None
    library.hornbook_read.argtypes = [c_void_p, POINTER(Part), c_int64, c_void_p]
    return library


def absent() -> str | None:
    """Why there is no native engine on this machine; None where there is one."""
    library = load()
    return library if isinstance(library, str) else None


def all_kernels() -> list[Kernels]:
    """Every set of kernels that the library has, the best first."""
    library = load()
    found: list[Kernels] = []
    if isinstance(library, str):
        return found
    here = c_int32()
    while name := library.hornbook_kernels(len(found), byref(here)):
        found.append(Kernels(len(found), name.decode(), bool(here.value)))
    return found


def choose_kernels(name: str | None = None) -> Kernels:
    """The kernels of this name, or that HORNBOOK_KERNELS names, or the best that this processor has.

    Raises UserError for a name that is unknown, or whose instructions the processor lacks.
    """
    name = name or os.environ.get(KERNELS) or None
    usable = [kernels for kernels in all_kernels() if kernels.here]
    if name is None:
        return usable[0]
    names = [kernels.name for kernels in usable]
    if name not in names:
        raise UserError(f"{KERNELS} is {name!r}{nearest(name, names)}; this processor can run {', '.join(names)}")
    return usable[names.index(name)]
