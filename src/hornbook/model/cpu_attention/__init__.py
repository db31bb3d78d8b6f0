"""Causal attention of whole rows and its gradients on a CPU: a compiled kernel of our own.

PyTorch's makes all scores of packed rows, seen or not, and copies the keys of grouped heads. This one computes 64
queries by 64 keys at a time and leaves out what nobody sees, in packed rows and by phi-3-small's blocksparse pattern.
Where it was not built, PyTorch's is used.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, byref, c_char_p, c_float, c_int32, c_int64, c_void_p
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hornbook.machine import COMPILE, KERNELS
from hornbook.model.config import BlockSparse

TILE = 64  # tokens that are computed together


class _Strided(Structure):
    """attention.h's Strided."""

    _fields_ = (("at", c_void_p), ("batch", c_int64), ("head", c_int64), ("time", c_int64))


class _Rows(Structure):
    """attention.h's Rows."""

    _fields_ = (
        *((name, c_int64) for name in ("batch", "heads", "kv_heads", "time", "size")),
        *(("bfloat", c_int32), ("threads", c_int32), ("scale", c_float)),
        *(("first_batch", c_int64), ("first", c_void_p)),
        *((name, c_int64) for name in ("block", "local_blocks", "stride", "step")),
        *((name, _Strided) for name in ("q", "k", "v", "y")),
        ("log_sum", c_void_p),
        *((name, _Strided) for name in ("dy", "dq", "dk", "dv")),
    )


def _load() -> ctypes.CDLL | None:
    """The kernels; None where they were not built when Hornbook was installed, or from other sources."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).parent / f"_attention{suffix}"
        try:
            library = ctypes.CDLL(str(path))
            if library.hornbook_attention_rows() != ctypes.sizeof(_Rows):
                return None
        except (OSError, AttributeError):
            continue
        library.hornbook_attention_kernels.restype = c_char_p
        for work in (library.hornbook_attention_forward, library.hornbook_attention_backward):
            work.argtypes = [POINTER(_Rows), c_int32]
        return library
    return None


_library = _load()  # at once: compiled code can't look for it
HERE = _library is not None and os.environ.get(COMPILE) != "0"


def kernels(dtype: torch.dtype) -> list[str]:
    """The names of the kernels that this processor can run, the best first; none where none were built."""
    found: list[str] = []
    while _library is not None and (name := _library.hornbook_attention_kernels(len(found), dtype == torch.bfloat16)):
        found.append(name.decode())
    return found


def _chosen(dtype: torch.dtype) -> int:
    """The number of the kernels that HORNBOOK_KERNELS names, where attention has such; otherwise of the best."""
    names, name = kernels(dtype), os.environ.get(KERNELS)
    return names.index(name) if name in names else 0


_numbers = [_chosen(dtype) for dtype in (torch.float32, torch.bfloat16)]


def able(q: Tensor, k: Tensor) -> bool:
    """Whether `attend` can be asked for these: whole rows of floats or bfloat16 on a CPU."""
    return HERE and q.device.type == "cpu" and q.dtype in (torch.float32, torch.bfloat16) and q.shape[2] == k.shape[2]


def suits(q: Tensor, k: Tensor) -> bool:
    """Whether dense attention is better done by `attend`: it can be asked, and gradients are wanted."""
    return q.requires_grad and able(q, k)


def attend(
    q: Tensor, k: Tensor, v: Tensor, first: Tensor | None, scale: float, *, blocksparse: BlockSparse | None = None
) -> Tensor:
    """softmax(scale q k^T) v, where each token sees the keys from its `first` one up to itself.

    q: (batch, heads, time, size); k, v: (batch, kv_heads, time, size), of one dtype; first: (batch or 1, time) of
    int32, none beyond its token; None: from the row's beginning. blocksparse: of those keys only what its pattern
    shows, whose blocks are multiples of `TILE`, counted from the row's beginning. -> the shape and dtype of q. Sums are
    floats; what is multiplied is rounded to bfloat16 where q is and the processor has such products. The number of
    threads changes nothing. Raises MemoryError.
    """
    pattern = []
    if blocksparse:
        assert blocksparse.block % TILE == 0
        pattern = [blocksparse.block, blocksparse.local_blocks, blocksparse.stride, blocksparse.step(q.shape[1])]
    given = (q, k, v, None if first is None else first.contiguous(), scale, pattern)
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))):
        return torch.ops.hornbook.cpu_attention_2(*given)[0]
    return _attended(*given)[0]  # an operator's first call takes seconds, to import what compiles


def _attended(
    q: Tensor, k: Tensor, v: Tensor, first: Tensor | None, scale: float, pattern: list[int]
) -> tuple[Tensor, Tensor]:
    """What `attend` returns, and of each token the logarithm of its softmax's sum, to the base 2."""
    q, k, v = _even(q), _even(k), _even(v)
    y, log_sum = _made(q)
    _run("forward", _rows(q, k, v, first, scale, pattern, y=y, log_sum=log_sum))
    return y, log_sum


# The number changes with the operators' arguments: what torch.compile keeps on disk calls them by name.
_forward = torch.library.custom_op("hornbook::cpu_attention_2", _attended, mutates_args=())


@_forward.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, first: Tensor | None, scale: float, pattern: list[int]) -> tuple[Tensor, Tensor]:
    return _made(q)


@torch.library.custom_op("hornbook::cpu_attention_2_backward", mutates_args=())
def _backward(
    dy: Tensor,
    qkv: list[Tensor],
    first: Tensor | None,
    y: Tensor,
    log_sum: Tensor,
    scale: float,
    pattern: list[int],
) -> tuple[Tensor, Tensor, Tensor]:
    dy, q, k, v, y = (_even(x) for x in (dy, *qkv, y))
    dq, dk, dv = _laid(q, q.dtype), _laid(q, torch.float32), _laid(q, torch.float32)
    _run("backward", _rows(q, k, v, first, scale, pattern, y=y, log_sum=log_sum, dy=dy, dq=dq, dk=dk, dv=dv))
    return dq, _added(dk, k), _added(dv, k)


@_backward.register_fake
def _(
    dy: Tensor,
    qkv: list[Tensor],
    first: Tensor | None,
    y: Tensor,
    log_sum: Tensor,
    scale: float,
    pattern: list[int],
) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = qkv
    return _laid(q, q.dtype), _laid(k, k.dtype), _laid(v, v.dtype)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, first, ctx.scale, ctx.pattern = inputs
    ctx.save_for_backward(q, k, v, first, *output)
    ctx.set_materialize_grads(False)


def _gradients(ctx: Any, dy: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
    if dy is None:
        return (None,) * 6
    q, k, v, first, y, log_sum = ctx.saved_tensors
    made = torch.ops.hornbook.cpu_attention_2_backward(dy, [q, k, v], first, y, log_sum, ctx.scale, ctx.pattern)
    return *made, None, None, None


_forward.register_autograd(_gradients, setup_context=_keep)
OPERATOR = torch.ops.hornbook.cpu_attention_2.default  # dear enough for a checkpoint to keep what it makes


def _even(x: Tensor) -> Tensor:
    """x with the numbers of a vector side by side."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _laid(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Room of the shape of x, (batch, heads, time, size), where a token's heads stand side by side, as the maps around
    it have them.
    """
    batch, heads, time, size = x.shape
    return x.new_empty(batch, time, heads, size, dtype=dtype).transpose(1, 2)


def _made(q: Tensor) -> tuple[Tensor, Tensor]:
    return _laid(q, q.dtype), q.new_empty(q.shape[:3], dtype=torch.float32)


def _added(x: Tensor, k: Tensor) -> Tensor:
    """The gradients of a group's query heads, together and in the dtype of k."""
    batch, kv_heads, time, size = k.shape
    groups = x.transpose(1, 2).view(batch, time, kv_heads, -1, size)
    return (groups.sum(3) if groups.shape[3] > 1 else groups[:, :, :, 0]).to(k.dtype).transpose(1, 2)


def _rows(
    q: Tensor, k: Tensor, v: Tensor, first: Tensor | None, scale: float, pattern: list[int], **others: Tensor
) -> _Rows:
    batch, heads, time, size = q.shape
    rows = _Rows(batch, heads, k.shape[1], time, size, q.dtype == torch.bfloat16, torch.get_num_threads(), scale)
    if first is not None:
        rows.first_batch, rows.first = first.stride(0) if first.shape[0] > 1 else 0, first.data_ptr()
    if pattern:
        rows.block, rows.local_blocks, rows.stride, rows.step = pattern
    for name, x in {"q": q, "k": k, "v": v, **others}.items():
        setattr(rows, name, x.data_ptr() if name == "log_sum" else _Strided(x.data_ptr(), *x.stride()[:3]))
    return rows


def _run(work: str, rows: _Rows) -> None:
    if not getattr(_library, f"hornbook_attention_{work}")(byref(rows), _numbers[rows.bfloat]):
        raise MemoryError("there is no memory for attention")
