"""How large each stage's work is, and how long this machine would take: what `--dry-run` shows."""

from __future__ import annotations

import time
from pathlib import Path

from hornbook.machine import choose
from hornbook.planning.sizes import EXERCISE_CHARACTERS, sizes
from hornbook.recipe import Recipe
from hornbook.teacher.settings import PREFIX, ordered

# Rates of the pocket recipe's stages on two cores of a 2.4 GHz server CPU (docs/pipeline.md tells how they were taken).
# They are scaled by how fast this machine multiplies matrices, against that one's 110 GFLOP/s.
REFERENCE_FLOPS = 110e9
READ_BYTES, FILTER_BYTES, GRADE_BYTES, CLEAN_BYTES = 12e6, 4e6, 2.5e6, 3.0e6
EXERCISES, CASES = 2_000.0, 60.0
TOKENIZE_TOKENS = 250_000.0
TRAINING_EFFICIENCY = 0.6  # share of the matrix rate that training reaches
STARTING_SECONDS = 25.0  # compiling the first block


def estimate(recipe: Recipe, base: Path) -> dict[str, tuple[str, float]]:
    """Size in words and seconds for each stage by name, for more stages than a recipe may have."""
    flops = matrix_rate()
    slow = REFERENCE_FLOPS / flops
    size = source_bytes(recipe, base)
    exercises = recipe.write.exercises * EXERCISE_CHARACTERS
    documents = f"{size / 1e6:.0f} MB"
    phases = (recipe.pretrain.phase1, recipe.pretrain.phase2)
    tokens = sum(phase.tokens for phase in phases)
    per_token = 3 * recipe.model.flops_per_token(recipe.model.context)
    starting = STARTING_SECONDS if choose(recipe.pretrain.precision, recipe.pretrain.compile).compile else 0.0
    sft_tokens = recipe.write.conversations * 80 * recipe.sft.epochs
    dpo_tokens = recipe.write.preferences * 2 * recipe.model.context * recipe.dpo.epochs

    def training(count: float) -> float:
        return starting + count * per_token / (flops * TRAINING_EFFICIENCY)

    asked = recipe.evaluate.problems * 2
    ordered_texts = sum(ordered(one.path)[1] for one in recipe.sources if one.path.startswith(PREFIX))
    return {
        "read": (documents, slow * size / READ_BYTES),
        "filter": (documents, slow * size / FILTER_BYTES),
        "grade": (f"{recipe.grade.sample:,} graded", slow * size / GRADE_BYTES),
        "write": (f"{recipe.write.exercises:,} exercises", slow * recipe.write.exercises / EXERCISES),
        "clean": (f"{(size + exercises) / 1e6:.0f} MB", slow * (size + exercises) / CLEAN_BYTES),
        "tokens": (f"{tokens / 1e6:.2f} M tokens", slow * (5 + tokens / TOKENIZE_TOKENS)),
        "pretrain": (f"{recipe.model.parameters():,} parameters", training(tokens)),
        "sft": (f"{recipe.write.conversations:,} conversations", training(sft_tokens)),
        "dpo": (f"{recipe.write.preferences:,} pairs", training(1.33 * dpo_tokens)),
        "evaluate": (f"4 x {recipe.evaluate.problems} problems", slow * 4 * asked / CASES),
        "quantize": ("1 x", slow * (10 + asked / CASES)),
        "texts": (f"{ordered_texts:,} texts", slow * ordered_texts / EXERCISES),
        "samples": ("", slow * 5),
        **_longer(recipe, flops),
        "report": ("1 page", slow * 5),
    }


def _longer(recipe: Recipe, flops: float) -> dict[str, tuple[str, float]]:
    """The stages of a longer context: candidates of the search, tokens of the training, prompts of the measurement."""
    longrope = recipe.longrope
    if longrope is None:
        return {}
    forward = recipe.model.flops_per_token(longrope.context) / (flops * TRAINING_EFFICIENCY)
    search = longrope.search
    candidates = search.population + search.iterations * (search.mutations + search.crossovers)
    return {
        "search": (f"{candidates} candidates", candidates * search.documents * longrope.context * forward),
        "extend": (f"{longrope.extend.tokens / 1e6:.2f} M tokens", 3 * longrope.extend.tokens * forward),
        "measure": (f"to {longrope.context:,} tokens", 60 * longrope.context * forward + 30),
    }


def source_bytes(recipe: Recipe, base: Path) -> int:
    """Bytes of all sources whose size is known. Raises UserError for a source that is not there."""
    return round(sum(size.characters or 0 for size in sizes(recipe, base).values() if size.origin != "written"))


def matrix_rate() -> float:
    """Floating-point operations a second of a matrix product of this machine's favourite size, measured briefly."""
    import torch

    machine = choose()
    a = torch.ones(4096, 128, dtype=machine.compute, device=machine.device)
    b = torch.ones(128, 512, dtype=machine.compute, device=machine.device)
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - began)
    return 2 * 4096 * 128 * 512 / best
