"""The commands that follow from a stage's declaration alone."""

from __future__ import annotations

from hornbook.commands.stages import command_of
from hornbook.recipe import STAGES

filter_documents = command_of(
    STAGES["filter"],
    "filtered",
    "corpus",
    "Drop documents in the wrong language or against the rules, and mask what is private. All is counted.",
)
tokens = command_of(
    STAGES["tokens"], "tokens", "tokens", "Train a tokenizer on a corpus and pack its documents as ids."
)
sft = command_of(STAGES["sft"], "tuned", "model", "Teach a model to answer in a conversation.")
dpo = command_of(STAGES["dpo"], "preferring", "model", "Teach a model which of two answers is better (DPO).")
quantize = command_of(STAGES["quantize"], "quantized", "model", "Shrink a model to a few bits a weight.")
samples = command_of(STAGES["samples"], "samples", "samples", "Let models go on from openings.")
measure = command_of(STAGES["measure"], "measured", "figures", "Perplexity by length and passkeys, before and after.")
