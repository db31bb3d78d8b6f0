"""A model in a file that is no model folder: what is asked of it, and what a format finds in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hornbook.settings import Settings

if TYPE_CHECKING:
    import torch

    from hornbook.model.formats.weights import Written


class ImportSettings(Settings):
    """How a file becomes a model folder."""

    precision: Literal["bf16", "fp32", "fp16"] = Field("bf16", description="of the folder's weights")
    pre: str | None = Field(
        None, description="how text is cut before BPE, by llama.cpp's name, where a GGUF file's own is missing or wrong"
    )

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the folder's weights."""
        import torch

        return {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}[self.precision]


@dataclass(frozen=True)
class ModelFile:
    """`size` bytes of a file, from byte `start` on, that are a model. where: how errors call it."""

    path: Path
    where: str
    start: int
    size: int


@dataclass(frozen=True)
class Contents:
    """What a model file holds, as a model folder has it.

    config: of config.json. tensors: by their published names, each made when its turn comes. files: the tokenizer's and
    others, by name. about: what is told of it, the parameters counted among it.
    """

    config: dict[str, Any]
    tensors: Mapping[str, Written]
    files: Mapping[str, str]
    about: dict[str, Any]
