"""Extended models on disk: config.json with the factors where transformers looks for them."""

from __future__ import annotations

from pathlib import Path

import torch

from hornbook.model.formats import checkpoint
from hornbook.model.formats.architectures import START_TOKENS
from hornbook.model.lora import merge
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer


def save(model: Transformer, folder: Path, tokenizer: Tokenizer) -> str | None:
    """Write the checkpoint; returns a warning where transformers would not compute what the model means."""
    checkpoint.save(model, folder, tokenizer, stored_precision=True)
    rope = model.config.longrope
    if rope is None or not rope.start_tokens:
        return None
    return (
        f"{folder / 'config.json'} says {START_TOKENS} = {rope.start_tokens}, which transformers does not know: it "
        "turns the first tokens by the long factors too. Without start tokens the model is the same everywhere"
    )


def load(folder: Path, compute: torch.dtype = torch.float32) -> Transformer:
    """Load a checkpoint with weights in fp32, to train or to measure."""
    return merge(checkpoint.load(folder, dtype=torch.float32, compute=compute))
