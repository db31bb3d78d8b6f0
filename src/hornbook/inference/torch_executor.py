"""The executor of training's own model, in PyTorch: fp32 or bf16, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.inference.executor import Logits, Part
from hornbook.model.paged import SEGMENT, PagedLayer, Reading, Step, padded
from hornbook.model.transformer import Transformer

BLOCK = 16


class TorchExecutor:
    """A `Transformer` over a paged cache: see `executor.Executor`.

    On the CPU, logits are the same to the last bit whatever else is in the step, however a prompt is cut, and wherever
    its blocks lie, for a given number of threads: always in fp32, in bf16 as far as oneDNN's kernels go.
    """

    def __init__(self, model: Transformer, *, tokens: int, context: int | None = None) -> None:
        """tokens: how many the cache has room for. context: the longest sequence, the model's own at most."""
        config = model.config
        self._model, self._device = model, model.norm.weight.device
        self.vocabulary, self.block = config.vocabulary, BLOCK
        self.context = min(config.context, context or config.context)
        self.switch = config.switch
        self.blocks = -(-tokens // BLOCK)
        self.exact = self._device.type == "cpu" and model.compute == torch.float32
        # A sequence is read in whole segments, so behind the last block there is what nobody sees.
        self._span = min(SEGMENT, -(-config.context // BLOCK) * BLOCK)
        slots = self.blocks * BLOCK + self._span
        self._layers = [PagedLayer(config, layer, slots, self._device, model.compute) for layer in range(config.layers)]

    @staticmethod
    def bytes_per_token(model: Transformer) -> int:
        """What a token takes in the cache."""
        c = model.config
        return 2 * c.layers * c.key_value_heads * c.head_size * model.compute.itemsize

    @torch.inference_mode()
    def step(self, parts: Sequence[Part]) -> list[Logits]:
        """See `Executor.step`."""
        rows = sum(len(part.ids) for part in parts)
        ids, positions = np.zeros(padded(rows), np.int64), np.zeros(padded(rows), np.int64)
        long = np.zeros(padded(rows), np.bool_)
        readings: list[Reading] = []
        written: list[np.ndarray] = []
        wanted: list[range] = []
        at = 0
        # One row each first, so that their queries lie side by side.
        order = sorted(range(len(parts)), key=lambda index: len(parts[index].ids) > 1)
        for part in (parts[index] for index in order):
            mine = slice(at, at + len(part.ids))
            where = np.arange(part.start, part.start + len(part.ids))
            ids[mine], positions[mine], long[mine] = part.ids, where, part.long
            written.append(np.asarray(part.blocks)[where // BLOCK] * BLOCK + where % BLOCK)
            length = -(-(part.start + len(part.ids)) // self._span) * self._span
            readings.append(Reading(mine, part.start, self._slots(part, length), length))
            wanted.append(
                range(at + {"none": len(part.ids), "last": len(part.ids) - 1, "every": 0}[part.wanted], mine.stop)
            )
            at = mine.stop
        step = Step(readings, self._tensor(np.concatenate(written)))
        for layer in self._layers:
            layer.step = step
        regimes = self._tensor(long)[None] if self.switch is not None else None
        hidden = self._model.paged(self._tensor(ids)[None], self._tensor(positions)[None], regimes, self._layers)[0]
        made = self._logits(hidden, wanted)
        return [made[order.index(index)] for index in range(len(parts))]

    def cost(self, tokens: int) -> float:
        """See `Executor.cost`: weights are read once for all rows, and fill most of a short step."""
        return 1 + 0.05 * (tokens - 1)

    def _logits(self, hidden: Tensor, wanted: Sequence[range]) -> list[Logits]:
        """Logits of the rows that each part wants."""
        every = [row for rows in wanted for row in rows]
        if not every:
            return [np.zeros((0, self.vocabulary), np.float32)] * len(wanted)
        rows = F.pad(hidden[self._tensor(np.asarray(every))], (0, 0, 0, padded(len(every)) - len(every)))
        logits = self._model.logits(rows)[: len(every)].cpu().numpy()
        return np.split(logits, np.cumsum([len(rows) for rows in wanted])[:-1])

    def _slots(self, part: Part, length: int) -> slice | Tensor:
        """Where the part's sequence lies, `length` slots: side by side if it does."""
        blocks = np.asarray(part.blocks[: -(-(part.start + len(part.ids)) // BLOCK)])
        if len(blocks) == 1 or bool((np.diff(blocks) == 1).all()):
            first = int(blocks[0]) * BLOCK
            if first + length <= self.blocks * BLOCK + self._span:
                return slice(first, first + length)
        # Slots behind the sequence are masked; any will do.
        slots = (blocks[:, None] * BLOCK + np.arange(BLOCK)).reshape(-1)
        return self._tensor(np.pad(slots, (0, length - len(slots))))

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._device)
