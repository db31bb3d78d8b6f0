"""The samples stage: what each checkpoint writes after given openings, and its loss on text that it never read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from rich.markup import escape

from hornbook.evaluate.evaluate import MODELS, TOKENS
from hornbook.evaluate.validation import rounded, validation_loss
from hornbook.files import read_json, seal, sealed, write_json
from hornbook.machine import Precision, dtype
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import Stage, Work
from hornbook.seeds import derive
from hornbook.settings import Settings

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer


class SamplesSettings(Settings):
    """Openings that a model continues, to see what it writes."""

    prompts: tuple[str, ...] = Field(min_length=1, description="openings that the model goes on from")
    each: int = Field(2, ge=1, description="continuations of each opening")
    new_tokens: int = Field(240, ge=1, description="longest continuation")
    temperature: float = Field(0.8, ge=0)
    top_k: int = Field(0, ge=0)
    top_p: float = Field(0.95, gt=0, le=1)
    precision: Precision = Field("fp32", description="what losses and samples are computed in, whatever the machine")


def samples(
    models: Mapping[str, Path],
    validation: Path,
    settings: SamplesSettings,
    *,
    seed: int,
    into: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Write `into/NAME.json` for each model: `validation_loss` by source, and `samples` (prompt, text).

    A model whose file is there is not asked again. Returns the losses by model, and how many samples there are.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    losses = {}
    for name, folder in models.items():
        path = into / f"{name}.json"
        if sealed(path, into / SCRATCH):
            result = read_json(path)
        else:
            model, tokenizer = checkpoint.load(folder, dtype=dtype(settings.precision)), Tokenizer(folder)
            loss = rounded(validation_loss(model, validation, tokenizer.pad))
            written = _written(model, tokenizer, settings, derive(seed, "samples", name), name, progress)
            result = {"precision": settings.precision, "validation_loss": loss, "samples": written}
            write_json(path, result)
            seal(path, into / SCRATCH)
        losses[name] = result["validation_loss"]
        told = ", ".join(f"{source} {loss:.3f}" for source, loss in losses[name].items())
        progress.say(escape(f"  {name}: validation loss {told}"))
    number = len(settings.prompts) * settings.each
    return {"samples": number, "precision": settings.precision, "validation_loss": losses}


def _written(
    model: Transformer, tokenizer: Tokenizer, settings: SamplesSettings, seed: int, name: str, progress: Progress
) -> list[dict[str, str]]:
    """All continuations in one batch, each with the prompt that it goes on from."""
    from hornbook.inference.generate import generate
    from hornbook.inference.sampling import Sampling

    prompts = [prompt for prompt in settings.prompts for _ in range(settings.each)]
    sampling = Sampling(
        temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p, seed=seed % (1 << 62)
    )
    with progress.task(f"{name}, samples", total=len(prompts)) as task:
        answers = generate(
            model,
            [tokenizer.encode_prompt(prompt) for prompt in prompts],
            limit=settings.new_tokens,
            stops=tokenizer.stops,
            sampling=sampling,
            batch=len(prompts),
            advance=task.advance,
        )
    texts = [tokenizer.decode(ids) for ids in answers]
    return [{"prompt": prompt, "text": text} for prompt, text in zip(prompts, texts, strict=True)]


class SamplesStageSettings(Settings):
    """What the samples stage depends on; a recipe has it where it gives openings."""

    seed: int = 1
    samples: SamplesSettings


def _samples(work: Work[SamplesStageSettings]) -> dict[str, Any]:
    settings, validation = work.settings, work.inputs["tokens"] / "validation"
    models = work.several["models"]
    return samples(models, validation, settings.samples, seed=settings.seed, into=work.into, progress=work.progress)


SAMPLES = Stage(
    name="samples",
    summary="what the checkpoints write",
    settings=SamplesStageSettings,
    run=_samples,
    inputs=(TOKENS, MODELS),
    headline=lambda f: (
        "validation loss "
        + ", ".join(f"{name} {min(losses.values()):.2f}" for name, losses in f["validation_loss"].items())
    ),
    estimate=lambda settings, volume: Effort(f"{len(settings.samples.prompts)} openings", 5),
)
