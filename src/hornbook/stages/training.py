"""The stages that make a model: tokens, pretraining, instruction tuning, preferences."""

from __future__ import annotations

from typing import Any

from hornbook.files import read_jsonl
from hornbook.pipeline import Stage, Work
from hornbook.recipe import Recipe

TRAINING_CODE = ("train", "tokens", "model", "machine", "seeds")


def tokens_stage(recipe: Recipe) -> Stage:
    """A tokenizer, and documents as packed ids."""
    phases = {"phase1": recipe.pretrain.phase1, "phase2": recipe.pretrain.phase2}

    def run(work: Work) -> dict[str, Any]:
        from hornbook.tokens.tokenize import tokenize

        return tokenize(
            work.inputs["clean"],
            recipe.tokens,
            phases,
            vocabulary=recipe.model.vocabulary,
            context=recipe.model.context,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
        )

    settings = {
        "seed": recipe.seed,
        "vocabulary": recipe.model.vocabulary,
        "context": recipe.model.context,
        "phases": {name: phase.model_dump(mode="json") for name, phase in phases.items()},
        **recipe.tokens.model_dump(mode="json"),
    }
    return Stage("tokens", "tokenizer and packed shards", ("clean",), settings, ("tokens", "documents", "model"), run)


def pretrain_stage(recipe: Recipe) -> Stage:
    """Both phases of pretraining."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.train.pretrain import pretrain

        return pretrain(
            work.inputs["tokens"],
            recipe.model,
            recipe.pretrain,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
        )

    settings = {
        "seed": recipe.seed,
        "model": recipe.model.model_dump(mode="json"),
        **recipe.pretrain.model_dump(mode="json"),
    }
    return Stage("pretrain", "phase 1, then phase 2", ("tokens",), settings, TRAINING_CODE, run)


def sft_stage(recipe: Recipe) -> Stage:
    """Fine-tuning on conversations."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.train.sft import sft

        conversations = [row["messages"] for row in read_jsonl(work.inputs["clean"] / "conversations.jsonl")]
        return sft(
            work.inputs["pretrain"] / "phase2",
            conversations,
            recipe.sft,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
        )

    settings = {"seed": recipe.seed, **recipe.sft.model_dump(mode="json")}
    return Stage("sft", "answers in a conversation", ("clean", "pretrain"), settings, TRAINING_CODE, run)


def dpo_stage(recipe: Recipe) -> Stage:
    """Direct preference optimisation."""

    def run(work: Work) -> dict[str, Any]:
        from hornbook.train.dpo import dpo

        return dpo(
            work.inputs["sft"] / "model",
            list(read_jsonl(work.inputs["clean"] / "preferences.jsonl")),
            recipe.dpo,
            seed=recipe.seed,
            into=work.into,
            progress=work.progress,
        )

    settings = {"seed": recipe.seed, **recipe.dpo.model_dump(mode="json")}
    return Stage("dpo", "the better of two answers", ("clean", "sft"), settings, TRAINING_CODE, run)
