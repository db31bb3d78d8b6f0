"""What a model is calibrated and measured with: rows of text, and what each matrix sees while it reads them."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hornbook.documents import read_rows
from hornbook.errors import UserError
from hornbook.model.experts import MixtureOfExperts
from hornbook.model.rope import wide
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer
from hornbook.tokens import shards
from hornbook.tokens.mixture import divide

_DOCUMENTS = 64  # read for each row that is asked for, at most
_MEASURED = 4  # every so many documents one is kept to measure with
_GATHERED = 4096  # tokens whose products are summed in fp32


def rows_of_tokens(tokens: Path, count: int) -> NDArray[np.int64]:
    """Rows of what phase 2 reads, its ingredients in their shares: (rows, time).

    A shard holds as many tokens as its ingredient gives the phase, so its size tells the share.
    """
    folder = tokens / "shards"
    tables = [shards.read(folder, name) for name in shards.names(folder) if name.startswith("phase2-")]
    sizes = [len(table) for table in tables]
    counts = divide(count, sizes, sizes)
    return np.concatenate([table[:rows] for table, rows in zip(tables, counts, strict=True)]).astype(np.int64)


def validation_rows(tokens: Path, count: int, pad: int) -> NDArray[np.int64]:
    """Rows of validation text, of every source in turn; -1 where an id only fills a row up: (rows, time)."""
    folder = tokens / "validation"
    tables = [np.asarray(shards.read(folder, name)[:count], dtype=np.int64) for name in shards.names(folder)]
    longest = max((len(table) for table in tables), default=0)
    rows = [table[at] for at in range(longest) for table in tables if at < len(table)][:count]
    made = np.stack(rows) if rows else np.empty((0, 0), dtype=np.int64)
    return np.where(made == pad, -1, made)


def rows_of_corpus(
    corpus: Path, tokenizer: Tokenizer, time: int, calibrating: int, measuring: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ids (rows, time) of a corpus folder, to calibrate and to measure with: no document gives both.

    Documents come in the order of their ids, which are hashes. Raises UserError where there is too little text.
    """
    found = heapq.nsmallest(
        _DOCUMENTS * (calibrating + measuring), read_rows(corpus, ["id", "text"]), key=lambda row: row["id"]
    )
    texts = [row["text"] for row in found]
    measured = texts[::_MEASURED]
    calibrated = [text for at, text in enumerate(texts) if at % _MEASURED]
    made = tuple(
        np.array([*_rows(part, tokenizer, time, count)], dtype=np.int64).reshape(-1, time)
        for part, count in ((calibrated, calibrating), (measured, measuring))
    )
    if any(asked and not len(rows) for asked, rows in zip((calibrating, measuring), made, strict=True)):
        raise UserError(
            f"{corpus} has too little text: {len(texts):,} documents do not fill one row of {time:,} tokens to "
            "calibrate and one to measure with"
        )
    return made[0], made[1]


def _rows(texts: list[str], tokenizer: Tokenizer, time: int, count: int) -> Iterator[list[int]]:
    """Up to `count` rows of documents one after the other, each with the token that ends it."""
    row: list[int] = []
    for text in texts:
        row += [*tokenizer.encode_prompt(text), tokenizer.end_of_text]
        while len(row) >= time:
            if not count:
                return
            yield row[:time]
            row, count = row[time:], count - 1


class Calibration:
    """What a model's blocks read while it reads `ids`, one block at a time.

    Only one block is ever computed: what the last one made is kept, rows x time x width numbers.
    """

    def __init__(self, model: Transformer, ids: Tensor, batch: int = 32) -> None:
        """ids: (rows, time), of which `batch` rows are computed at once."""
        self._model = model
        self._entered = [model.enter(ids[start : start + batch]) for start in range(0, len(ids), batch)]

    def gram(self, index: int, module: nn.Module) -> Tensor:
        """Sum of x xᵀ over every input x that `module`, a part of block `index`, sees: (columns, columns) in float64.

        What is before it is quantized already, so that each matrix makes up for the errors that really reach it.
        """
        return torch.stack([_gram(x) for x in self._inputs(index, module)]).sum(0)

    def expert_grams(self, index: int, mlp: MixtureOfExperts, stack: str) -> Iterator[Tensor]:
        """The same for each expert's matrix in the stack `gate_up` or `down` of block `index`, one after the other."""
        tokens = torch.cat([x.flatten(0, -2) for x in self._inputs(index, mlp)])
        for expert in range(len(mlp.router)):
            yield _gram(mlp.seen(tokens, expert, stack))

    def _inputs(self, index: int, module: nn.Module) -> Iterator[Tensor]:
        """What a part of block `index` is given, batch by batch."""
        seen: list[Tensor] = []

        def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])
            raise _Reached

        handle = module.register_forward_pre_hook(watch)
        try:
            for x, angles, masks in self._entered:
                with contextlib.suppress(_Reached):
                    self._model.blocks[index](x, angles, masks[self._model.config.kind(index)], None)
                yield seen.pop()
        finally:
            handle.remove()

    def advance(self, index: int) -> None:
        """Go on behind block `index`."""
        block, kind = self._model.blocks[index], self._model.config.kind(index)
        self._entered = [(block(x, angles, masks[kind], None), angles, masks) for x, angles, masks in self._entered]


def _gram(x: Tensor) -> Tensor:
    """Sums of up to _GATHERED products in fp32, which are far nearer than gptq's damping; their sum in float64."""
    total = x.new_zeros(x.shape[-1], x.shape[-1], dtype=torch.float64)
    for part in torch.split(x.flatten(0, -2), _GATHERED):
        total += (wide(part).mT @ wide(part)).double()
    return total


class _Reached(Exception):  # noqa: N818 (no error)
    """A module was reached: what is behind it need not be computed."""
