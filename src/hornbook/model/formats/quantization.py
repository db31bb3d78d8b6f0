"""How matrices are stored in fewer bits: every format is declared once, here; its layers are a module beside this one.

Nothing here imports torch, so that settings are checked and sizes counted without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError, nearest

if TYPE_CHECKING:
    from hornbook.model.formats.quantized import QuantizedLayer

# The key in config.json under which bits, group and the names of the matrices stand that are stored so.
KEY = "hornbook_quantization"


@dataclass(frozen=True)
class Quantization:
    """A format: each row of a matrix is cut into groups of neighbours, which share an fp16 scale.

    layers: gives its linear layer, made of (rows, columns, bias or None), and its embedding, made of (rows, columns).
    Their buffers are what is stored, under the matrix's name and their own: `model.layers.0.mlp.down_proj.packed`.
    """

    name: str
    title: str
    bits: int
    group: int
    layers: Callable[[], tuple[type[QuantizedLayer], type[QuantizedLayer]]]

    @property
    def levels(self) -> tuple[int, int]:
        """The least and the largest whole number that stands for a weight."""
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    @property
    def bits_per_weight(self) -> float:
        """Scales included."""
        return self.bits + 16 / self.group

    def bytes(self, weights: int) -> int:
        """Bytes of so many weights in whole groups."""
        return weights * self.bits // 8 + 2 * (weights // self.group)

    def fits(self, columns: int) -> bool:
        """Whether rows of so many weights can be cut into groups."""
        return columns % self.group == 0


def _four_bit() -> tuple[type[QuantizedLayer], type[QuantizedLayer]]:
    from hornbook.model.formats.four_bit import FourBitEmbedding, FourBitLinear

    return FourBitLinear, FourBitEmbedding


# A new format is a module with its layers, and a line here.
FOUR_BIT = Quantization("4bit", "4 bits", bits=4, group=32, layers=_four_bit)
QUANTIZATIONS: tuple[Quantization, ...] = (FOUR_BIT,)


def find(name: str) -> Quantization:
    """The format called `name`. Raises UserError that offers the nearest one."""
    names = [one.name for one in QUANTIZATIONS]
    if name not in names:
        raise UserError(f"no quantization format is called {name!r}{nearest(name, names) or f'; there is {names}'}")
    return QUANTIZATIONS[names.index(name)]


def listed(values: Mapping[str, Any], where: Path) -> tuple[Quantization, list[str]] | None:
    """The format and the matrices of a config.json's `values` that are stored in it; None where none is.

    Raises UserError, which names the file `where`, for a format that is not known.
    """
    found = values.get(KEY)
    if not isinstance(found, dict):
        return None
    for one in QUANTIZATIONS:
        if (found.get("bits", one.bits), found.get("group", one.group)) == (one.bits, one.group):
            return one, found.get("modules", [])
    raise UserError(f"{where}: {found.get('bits')} bits in groups of {found.get('group')} are not supported ({KEY})")


def described(quantization: Quantization, names: Iterable[str]) -> dict[str, Any]:
    """The keys of config.json that `listed` reads. names: of the matrices, as they are stored."""
    return {KEY: {"bits": quantization.bits, "group": quantization.group, "modules": sorted(names)}}
