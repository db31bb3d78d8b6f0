"""From a model's folder to a scheduler that answers: which executor, in which precision, with how much cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from hornbook import machine
from hornbook.errors import UserError
from hornbook.inference.scheduler import MOST, Scheduler

if TYPE_CHECKING:
    from hornbook.model.transformer import Transformer

CACHE = 2.0  # GB of keys and values, unless told otherwise


def open_scheduler(
    folder: Path,
    *,
    dtype: str | None = None,
    threads: int | None = None,
    cache: float = CACHE,
    context: int | None = None,
    most: int = MOST,
) -> Scheduler:
    """A scheduler over the model of a folder. Raises UserError with one line.

    dtype: fp32 or bf16 for weights and activations; those of the stored weights unless given. threads: how many
    compute, PyTorch's own choice unless given. cache: GB that keys and values may take. context: the longest sequence,
    the model's own unless given. most: sequences at a time.
    """
    import torch

    from hornbook.model.formats import checkpoint

    known = get_args(machine.Precision)
    if dtype is not None and dtype not in known:
        raise UserError(f"there is no dtype {dtype}; take {' or '.join(known)}")
    if threads is not None:
        torch.set_num_threads(threads)
    precision = None if dtype is None else machine.dtype(cast(machine.Precision, dtype))
    model = checkpoint.load(folder, device=machine.choose().device, dtype=precision, compute=precision)
    return scheduler_of(model, cache=cache, context=context, most=most)


def scheduler_of(
    model: Transformer, *, cache: float = CACHE, context: int | None = None, most: int = MOST
) -> Scheduler:
    """A scheduler over a loaded model: see `open_scheduler`."""
    from hornbook.inference.torch_executor import TorchExecutor

    each = TorchExecutor.bytes_per_token(model)
    longest = min(context or model.config.context, model.config.context)
    tokens = min(int(cache * 1e9) // each, most * longest)
    least = min(longest, 256)
    if tokens < least:
        raise UserError(
            f"a cache of {cache:g} GB holds {tokens} tokens of {each:,} bytes each; give it {least * each / 1e9:.2g} GB"
        )
    return Scheduler(TorchExecutor(model, tokens=tokens, context=longest), most=most)
