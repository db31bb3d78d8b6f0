"""Folders of adapters as PEFT has them: what adapter_config.json says, and where the base is that it belongs to.

Nothing here imports torch; the weights are read in `adapter`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.runs.folders import ADAPTER, is_model
from hornbook.settings import where_and_what

# What we write beside PEFT's files: which weights the base had, and where it lies seen from here.
BASE = "base.json"
# Keys that change nothing about what a stored adapter computes: how it was begun, or which of its tensors are there.
_HARMLESS = {
    *("auto_mapping", "corda_config", "ensure_weight_tying", "eva_config", "exclude_modules", "fan_in_fan_out"),
    *("inference_mode", "layers_pattern", "layers_to_transform", "loftq_config", "megatron_config", "megatron_core"),
    *("peft_version", "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type"),
}
_BEGINNINGS = (True, False, "gaussian", "orthogonal", "eva", None)  # others take a part out of the base's weights
_CACHED = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/\w+$")  # the hub's cache


class AdapterConfig(BaseModel):
    """The keys of adapter_config.json that decide what is computed; `read` refuses others that would."""

    model_config = ConfigDict(frozen=True)

    peft_type: str
    base_model_name_or_path: str | None = None
    r: int = Field(8, ge=1)
    lora_alpha: float = Field(8, gt=0, allow_inf_nan=False)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    use_rslora: bool = False
    alpha_pattern: Mapping[str, float] = {}
    rank_pattern: Mapping[str, int] = {}
    modules_to_save: tuple[str, ...] | None = None
    bias: str = "none"
    init_lora_weights: bool | str | None = True

    def alpha_of(self, module: str) -> float:
        """The alpha of one module: that of the first pattern that its name ends with."""
        for pattern, alpha in self.alpha_pattern.items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return alpha
        return self.lora_alpha


@dataclass(frozen=True)
class Adapter:
    """An adapter, of a folder or one that is about to be trained.

    base: the folder of the model that it belongs to. fingerprint: of the base's weights, where it is known.
    saved: the tensors that are stored whole (`modules_to_save`), ours by the file's names.
    """

    base: Path
    config: AdapterConfig = field(default_factory=lambda: AdapterConfig(peft_type="LORA"))
    folder: Path | None = None
    fingerprint: str | None = None
    saved: Mapping[str, str] = field(default_factory=dict)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter rather than a model."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def model_files(folder: Path) -> Path:
    """The folder with the model's own files: an adapter's base, or the folder itself."""
    return read(folder).base if is_adapter(folder) else folder


def read(folder: Path) -> Adapter:
    """What an adapter's folder says. Raises UserError where it can't be used, or its base is not on this machine."""
    where = folder / ADAPTER
    values = read_json(where)
    if not isinstance(values, dict):
        raise UserError(f"{where} is no adapter's configuration")
    if values.get("peft_type") != "LORA":
        raise UserError(f"{where}: peft_type is {values.get('peft_type')!r}; LORA is supported")
    try:
        config = AdapterConfig.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        key, message = where_and_what(error.errors()[0])
        raise UserError(f"{where}: {key}: {message[0].lower()}{message[1:]}") from None
    for key, value in values.items():
        if value and key not in AdapterConfig.model_fields and key not in _HARMLESS:
            raise UserError(f"{where}: {key} is not supported; plain LoRA and rsLoRA are")
    if config.bias != "none":
        raise UserError(f"{where}: bias is {config.bias!r}; 'none' is supported")
    if config.init_lora_weights not in _BEGINNINGS:
        raise UserError(
            f"{where}: init_lora_weights is {config.init_lora_weights!r}, which changes the base's weights; convert "
            "it to plain LoRA (PEFT's save_pretrained with path_initial_model_for_weight_conversion)"
        )
    for pattern in config.alpha_pattern:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"{where}: alpha_pattern: {pattern!r} is no regular expression: {error}") from None
    known = _known_base(folder)
    return Adapter(_base(folder, config, known), config, folder, known.get("fingerprint"))


def _known_base(folder: Path) -> dict[str, str]:
    """What we wrote about the base, empty for an adapter that others wrote."""
    path = folder / BASE
    values = read_json(path) if path.is_file() else {}
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise UserError(f"{path} is damaged; it tells which base the adapter belongs to")
    return values


def _base(folder: Path, config: AdapterConfig, known: Mapping[str, str]) -> Path:
    """The base's folder: at the path that is named, where it lay seen from the adapter, or by its name on the hub."""
    from hornbook.model import locate

    name = config.base_model_name_or_path
    if not name:
        raise UserError(f"{folder / ADAPTER}: base_model_name_or_path is missing; write the base's folder there")
    places = [Path(name), folder / known["relative"]] if "relative" in known else [Path(name), folder / name]
    for place in places:
        if is_adapter(place):
            raise UserError(f"{folder / ADAPTER}: the base {place} is an adapter itself; `hornbook merge` it first")
        if is_model(place):
            return place
    try:
        return locate(name)
    except UserError:
        raise UserError(
            f"{folder}: the adapter's base {name} is not on this machine; bring it in, or write its folder into "
            f"base_model_name_or_path of {folder / ADAPTER}"
        ) from None


def described(adapter: Adapter, folder: Path) -> tuple[str, dict[str, str]]:
    """How a folder names its base: for base_model_name_or_path, and the values of `base.json`."""
    base = adapter.base.resolve()
    cached = _CACHED.search(base.as_posix())
    known = {"relative": os.path.relpath(base, folder.resolve())}
    if adapter.fingerprint is not None:
        known["fingerprint"] = adapter.fingerprint
    return f"{cached[1]}/{cached[2]}" if cached else str(base), known


def refuse_other_base(adapter: Adapter, fingerprint: str) -> None:
    """Raise UserError where the base's weights are not those that the adapter was trained on."""
    if adapter.fingerprint not in (None, fingerprint):
        raise UserError(
            f"{adapter.folder} is an adapter of another base: the weights in {adapter.base} are not those that it was "
            "trained on; write the right folder into its base_model_name_or_path"
        )
