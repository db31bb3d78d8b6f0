"""From a model's folder to a scheduler that answers: which executor, in which precision, with how much cache."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from hornbook import machine
from hornbook.errors import Notice, UserError
from hornbook.inference.native.executor import CacheDtype, NativeExecutor, bytes_per_token
from hornbook.inference.native.weights import NotNative, look
from hornbook.inference.scheduler import MOST, Scheduler

if TYPE_CHECKING:
    from hornbook.model.transformer import Transformer

CACHE = 2.0  # GB of keys and values, unless told otherwise
SHARE = 0.25  # of the machine's memory, that a cache for one sequence of the whole context may take instead


def open_scheduler(
    folder: Path,
    *,
    dtype: str | None = None,
    threads: int | None = None,
    cache: float | None = None,
    context: int | None = None,
    most: int = MOST,
    prompt_lookup: bool | None = None,
) -> Scheduler:
    """A scheduler over the model of a folder. Raises UserError with one line.

    On a machine without a GPU the native engine computes, unless a `dtype` is asked for. Where it cannot, PyTorch does,
    and a Notice says why.

    dtype: fp32 or bf16 for weights and activations, by PyTorch; those of the stored weights unless given. threads: how
    many compute, the executor's own choice unless given. cache: GB that keys and values may take; unless
    given CACHE, or what one sequence of the whole context takes, up to SHARE of the memory. context: the longest
    sequence, the model's own unless given. most, prompt_lookup: see `Scheduler`.
    """
    known = get_args(machine.Precision)
    if dtype is not None and dtype not in known:
        raise UserError(f"there is no dtype {dtype}; take {' or '.join(known)}")
    if dtype is None and not machine.has_gpu():
        try:
            return native_scheduler(folder, threads, cache, context, most, prompt_lookup)
        except NotNative as reason:
            warnings.warn(f"PyTorch computes, not the faster native engine: {reason}", Notice, stacklevel=2)

    import torch

    from hornbook.model.formats import checkpoint

    if threads is not None:
        torch.set_num_threads(threads)
    precision = None if dtype is None else machine.dtype(cast(machine.Precision, dtype))
    model = checkpoint.load(folder, device=machine.choose().device, dtype=precision, compute=precision)
    return scheduler_of(model, cache=cache, context=context, most=most, prompt_lookup=prompt_lookup)


def native_scheduler(
    folder: Path,
    threads: int | None = None,
    cache: float | None = None,
    context: int | None = None,
    most: int = MOST,
    prompt_lookup: bool | None = None,
    cache_dtype: CacheDtype = "fp16",
) -> Scheduler:
    """A scheduler over the native engine. Raises NotNative where it cannot compute the model."""
    found = look(folder)
    longest = min(context or found.config.context, found.config.context)
    tokens = _room(bytes_per_token(found.config, cache_dtype), cache, longest, most)
    executor = NativeExecutor(found, tokens=tokens, context=longest, threads=threads, cache_dtype=cache_dtype)
    return Scheduler(executor, most=most, prompt_lookup=prompt_lookup)


def scheduler_of(
    model: Transformer,
    *,
    cache: float | None = None,
    context: int | None = None,
    most: int = MOST,
    prompt_lookup: bool | None = None,
) -> Scheduler:
    """A scheduler over a loaded model, which PyTorch computes: see `open_scheduler`."""
    from hornbook.inference.torch_executor import TorchExecutor

    longest = min(context or model.config.context, model.config.context)
    tokens = _room(TorchExecutor.bytes_per_token(model), cache, longest, most)
    executor = TorchExecutor(model, tokens=tokens, context=longest)
    return Scheduler(executor, most=most, prompt_lookup=prompt_lookup)


def _room(each: int, cache: float | None, longest: int, most: int) -> int:
    """Tokens of `each` bytes that a cache of so many GB has room for, and that there may be at a time."""
    if cache is None:
        one = min(longest * each, SHARE * (machine.memory() or 0))
        cache = max(CACHE, one / 1e9)
    tokens = min(int(cache * 1e9) // each, most * longest)
    least = min(longest, 256)
    if tokens < least:
        raise UserError(
            f"a cache of {cache:g} GB holds {tokens} tokens of {each:,} bytes each; give it {least * each / 1e9:.2g} GB"
        )
    return tokens
