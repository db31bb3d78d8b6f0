"""Weights between a model and what training made of it, as WiSE-FT has them (arXiv:2109.01903)."""

from __future__ import annotations

from pathlib import Path


def interpolate(start: Path, end: Path, share: float, into: Path) -> None:
    """Write the model folder `into`: start + share · (end - start), in the precision of `end`.

    share: 0 is `start`, 1 `end`. Where `end` has adapters that `start` lacks, theirs is what is scaled: B, since B A is
    what they add. Raises UserError for folders that can't be read.
    """
    from hornbook.model import lora
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    before = dict(checkpoint.load(start).named_parameters())
    model = checkpoint.load(end)
    for name, after in model.named_parameters():
        if name in before:
            first = before[name].detach().float()
            after.data = (first + share * (after.detach().float() - first)).to(after.dtype)
    for name, layer in lora.layers(model):
        if f"{name}.a" not in before:
            for b in layer.b:
                b.data = b.data * share
    checkpoint.save(model, into, Tokenizer(end))
