"""The executor that computes in C++: int8 activations where weights are quantized, fp32 where they are not."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hornbook.errors import UserError
from hornbook.inference.executor import Logits, Part
from hornbook.inference.native import library as libraries
from hornbook.inference.native import packed
from hornbook.inference.native.weights import Folder, NotNative, fill, look
from hornbook.machine import cores
from hornbook.model.config import ModelConfig

BLOCK = 32  # kernels.h's kPage
CacheDtype = Literal["fp16", "fp32"]


def bytes_per_token(c: ModelConfig, cache_dtype: CacheDtype = "fp16") -> int:
    """What a token takes in the cache."""
    each = {"fp16": 2, "fp32": 4}[cache_dtype]
    return each * c.layers * c.key_value_heads * (c.head_size + -(-c.head_size // 16) * 16)


class NativeExecutor:
    """A model folder over a paged cache: see `executor.Executor`.

    Logits are the same to the last bit whatever else is in the step, however a prompt is cut, wherever its blocks lie,
    for any number of threads, and with any kernels.
    """

    exact = True

    def __init__(
        self,
        folder: Path | Folder,
        *,
        tokens: int | None = None,
        context: int | None = None,
        threads: int | None = None,
        kernels: str | None = None,
        cache_dtype: CacheDtype = "fp16",
    ) -> None:
        """tokens: how many the cache has room for, unless given one longest sequence; memory is taken as it fills.

        context: the longest sequence, the model's own at most. threads: OMP_NUM_THREADS or one for each core unless
        given. kernels: a name of `library.all_kernels`, the best ones unless given. cache_dtype: what keys and values
        are rounded to. Raises NotNative with the reason where there is no library or the model is not one for it,
        UserError where the folder is damaged.
        """
        library = libraries.load()
        if isinstance(library, str):
            raise NotNative(library)
        found = folder if isinstance(folder, Folder) else look(folder)
        c = self.config = found.config
        self.vocabulary, self.block = c.vocabulary, BLOCK
        self.context = min(c.context, context or c.context)
        self.switch = c.switch
        self.blocks = -(-(tokens or self.context) // BLOCK)
        chosen = libraries.choose_kernels(kernels)
        self.kernels, self.threads = chosen.name, threads or _threads()
        self._library, self._model = library, _create(library, c, self.blocks, chosen.number, self.threads, cache_dtype)
        self._free = weakref.finalize(self, library.hornbook_model_free, self._model)
        kept = packed.place(library, found)
        self._packed = kept.read(library) if kept is not None else None  # mapped as long as the model is there
        regions = fill(library, self._model, found, self._packed)
        if kept is not None and self._packed is None:
            kept.write(library, regions)

    def step(self, parts: Sequence[Part]) -> list[Logits]:
        """See `Executor.step`."""
        given = (libraries.Part * len(parts))()
        kept: list[NDArray[np.int32]] = []  # as long as the library reads them
        counts = []
        for into, part in zip(given, parts, strict=True):
            ids, blocks = np.asarray(part.ids, np.int32), np.asarray(part.blocks, np.int32)
            self._check(part, ids, blocks)
            kept += [ids, blocks]
            into.count, into.start, into.ids, into.blocks = len(ids), part.start, ids.ctypes.data, blocks.ctypes.data
            into.extended, into.wanted = part.long, ("none", "last", "every").index(part.wanted)
            counts.append((0, 1, len(ids))[into.wanted])
        logits = np.empty((sum(counts), self.vocabulary), np.float32)
        if not self._library.hornbook_read(self._model, given, len(parts), logits.ctypes.data):
            raise UserError("there is no memory for more keys and values; ask for shorter texts, or fewer at once")
        return np.split(logits, np.cumsum(counts)[:-1]) if len(parts) > 1 else [logits]

    def cost(self, tokens: int) -> float:
        """See `Executor.cost`: few tokens wait for the memory, more for the products; as measured in docs/engine.md."""
        return max(1 + 0.15 * (tokens - 1), 0.4 + 0.25 * tokens)

    def _check(self, part: Part, ids: NDArray[np.int32], blocks: NDArray[np.int32]) -> None:
        """What the library takes on trust."""
        if not len(ids) or part.start < 0 or len(blocks) * BLOCK < part.start + len(ids):
            raise ValueError("a part needs a token, and blocks with room for it and all before it")
        if ids.min() < 0 or ids.max() >= self.vocabulary or blocks.min() < 0 or blocks.max() >= self.blocks:
            raise ValueError(f"ids lie in 0..{self.vocabulary - 1}, blocks in 0..{self.blocks - 1}")


def _threads() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(told), cores()) if told.isdigit() and int(told) else cores()


def _create(
    library: ctypes.CDLL, c: ModelConfig, blocks: int, kernels: int, threads: int, cache_dtype: CacheDtype
) -> int:
    """A model of the library, without weights."""
    scales = c.longrope.scales(c.context) if c.longrope is not None else (1.0, 1.0)
    shape = libraries.Shape(
        vocabulary=c.vocabulary,
        layers=c.layers,
        width=c.width,
        heads=c.heads,
        kv_heads=c.key_value_heads,
        head_size=c.head_size,
        mlp_width=c.mlp_width,
        rotary_size=c.rotary_size,
        start_tokens=c.longrope.start_tokens if c.longrope is not None else 0,
        layer_norm=c.norm == "layer",
        parallel=c.block == "parallel",
        gelu=c.activation == "gelu",
        tied=c.tied_embeddings,
        whole_cache=cache_dtype == "fp32",
        norm_epsilon=c.norm_epsilon,
        embedding_scale=c.embedding_scale,
        score_scale=c.score_scale,
        logit_scale=c.logit_scale,
        short_scale=scales[0],
        long_scale=scales[1],
    )
    windows = np.array([c.sliding_window or 0 if c.kind(i) == "window" else 0 for i in range(c.layers)], np.int64)
    angles = [np.ascontiguousarray(one) for one in turns(c)]
    return int(
        library.hornbook_model(
            ctypes.byref(shape), windows.ctypes.data, *(one.ctypes.data for one in angles), blocks, kernels, threads
        )
    )


def turns(c: ModelConfig) -> tuple[NDArray[np.float32], ...]:
    """Radians by which each pair turns from one position to the next: under short factors, under long ones, plain.

    (rotary_size / 2,) each. The formulas are those of `model.rope`, which are PyTorch's.
    """
    exponents = np.arange(0, c.rotary_size, 2, dtype=np.float32) / np.float32(c.rotary_size)
    powers: NDArray[np.float32] = np.power(np.float32(c.rope_theta), exponents, dtype=np.float32)
    plain: NDArray[np.float32] = np.float32(1) / powers
    if c.longrope is not None:
        factors = (np.array(one, np.float32) for one in (c.longrope.short, c.longrope.long))
        short, long = (np.float32(1) / (one * powers) for one in factors)
        return short, long, plain
    scaled, s = plain, c.rope_scaling
    if s is not None:
        scaled = plain / np.float32(s.factor)
        if s.kind == "llama3":
            full = s.original / (2 * np.pi / plain.astype(np.float64))
            share = np.clip((full - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0, 1)
            scaled = np.where(share == 1, plain, (1 - share) * scaled + share * plain).astype(np.float32)
    return scaled, scaled, plain
