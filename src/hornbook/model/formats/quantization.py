"""How matrices are stored in fewer bits: compressed-tensors' `pack-quantized` layout, as a model folder tells of it.

Nothing here imports torch, so that settings are checked and sizes counted without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.errors import UserError

KEY = "quantization_config"  # of config.json
METHOD, FORMAT = "compressed-tensors", "pack-quantized"
OLDER = "hornbook_quantization"  # what folders had that only Hornbook read

# What a quantized matrix `NAME.weight` is stored as: whole numbers, scales, zero points, and its rows and columns.
PACKED, SCALE, ZERO_POINT, SHAPE = "_packed", "_scale", "_zero_point", "_shape"
LEAVES = (PACKED, SCALE, ZERO_POINT)

BITS = (4, 8)
GROUPS = (32, 64, 128)


@dataclass(frozen=True)
class Quantization:
    """A format: each row of a matrix is cut into groups of neighbours, which share an fp16 scale.

    A weight is scale * level, or scale * (level - zero point) where it is not `symmetric`; zero points are levels, too.
    """

    bits: int
    group: int = 32
    symmetric: bool = True

    @property
    def name(self) -> str:
        """What a checkpoint in this format is called: `4bit`."""
        return f"{self.bits}bit"

    @property
    def title(self) -> str:
        """The same for people: `4 bits`."""
        return f"{self.bits} bits"

    @property
    def levels(self) -> tuple[int, int]:
        """The least and the largest whole number that stands for a weight."""
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    @property
    def bits_per_weight(self) -> float:
        """Scales and zero points included."""
        return self.bits + (16 if self.symmetric else 16 + self.bits) / self.group

    def bytes(self, weights: int) -> int:
        """Bytes of so many weights in whole groups."""
        return int(weights * self.bits_per_weight / 8)

    def fits(self, columns: int) -> bool:
        """Whether rows of so many weights can be cut into groups."""
        return columns % self.group == 0


# What sizes are told of where nobody chose a format.
FOUR_BIT, EIGHT_BIT = Quantization(4), Quantization(8)
QUANTIZATIONS: tuple[Quantization, ...] = (FOUR_BIT, EIGHT_BIT)


def check(values: Mapping[str, Any], where: Path) -> None:
    """Refuse a config.json, which lies at `where`, whose weights are quantized in a way that is not read."""
    if OLDER in values:
        raise UserError(
            f"{where}: the weights are in the 4-bit layout of an earlier Hornbook ({OLDER}); quantize the model again"
        )
    for key in (KEY, "compression_config"):
        found = values.get(key)
        if found is None:
            continue
        told = found if isinstance(found, Mapping) else {}
        method, form = told.get("quant_method"), told.get("format")
        if (key, method, form) == (KEY, METHOD, FORMAT):
            continue
        how = f"quantized by {method!r}" if isinstance(method, str) else "quantized"
        how += f" as {form!r}" if method == METHOD and isinstance(form, str) else ""
        raise UserError(
            f"{where}: the weights are {how} ({key}), which is not read; {METHOD}' {FORMAT} is, or "
            "the unquantized model"
        )


def described(layers: Mapping[str, Quantization], embeddings: Collection[str], left: Collection[str]) -> dict[str, Any]:
    """The keys of config.json that tell others of a folder's quantized matrices; empty where there is none.

    layers: their published names without `.weight`, each with its format; embeddings: those that are no linear maps;
    left: linear maps that are not quantized.

    transformers 5.24 loads symmetric linear maps as they are. Zero points and embeddings it only loads where it
    decompresses at once, which `dequantize` asks for; then it takes the first format for all, so that a folder of two
    formats is marked with a key that compressed-tensors refuses, by a name that says why.
    """
    if not layers:
        return {}
    forms = list(dict.fromkeys(layers[name] for name in sorted(layers, key=lambda name: (name in embeddings, name))))
    groups: dict[str, Any] = {}
    for number, form in enumerate(forms):
        of_form = [name for name, one in layers.items() if one == form]
        targets = [*(["Linear"] if set(of_form) - set(embeddings) else []), *sorted(set(of_form) & set(embeddings))]
        weights = {
            "num_bits": form.bits,
            "type": "int",
            "symmetric": form.symmetric,
            "strategy": "group",
            "group_size": form.group,
        }
        group: dict[str, Any] = {"targets": targets if number == 0 else sorted(of_form), "weights": weights}
        groups[f"group_{number}"] = group
    if len(forms) > 1:
        groups["group_0"]["read_by_hornbook_only"] = "matrices of this folder differ in bits or zero points"
    config: dict[str, Any] = {
        "quant_method": METHOD,
        "format": FORMAT,
        "quantization_status": "compressed",
        "config_groups": groups,
        "ignore": sorted(left),
    }
    if (embeddings and set(embeddings) & layers.keys()) or not all(form.symmetric for form in forms):
        config["dequantize"] = True
    return {KEY: config}
