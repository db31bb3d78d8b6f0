"""The samples stage: what each checkpoint writes after given openings, and its loss on text that it never read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator
from rich.markup import escape

from hornbook.display import plural
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


_OPENING = 16  # tokens of a held-out text that are an opening


class SamplesSettings(Settings):
    """Openings that a model continues, to see what it writes."""

    prompts: tuple[str, ...] = Field((), description="openings that the model goes on from")
    held_out: int = Field(0, ge=0, description="so many openings more, the beginnings of text that was held out")
    each: int = Field(2, ge=1, description="continuations of each opening")
    new_tokens: int = Field(240, ge=1, description="longest continuation")
    temperature: float = Field(0.8, ge=0)
    top_k: int = Field(0, ge=0)
    top_p: float = Field(0.95, gt=0, le=1)
    precision: Precision = Field("fp32", description="what losses and samples are computed in, whatever the machine")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.prompts and not self.held_out:
            raise ValueError("give openings in prompts, or take held_out of them from text that was held out")
        return self


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

    A model whose file is there is not asked again. Returns the losses and perplexities (e to the loss: among how many
    equally likely tokens it seems to choose) by model and source, and how many samples there are.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens.shards import pad_of

    losses, number = {}, 0
    for name, folder in models.items():
        path = into / f"{name}.json"
        if sealed(path, into / SCRATCH):
            result = read_json(path)
        else:
            model, tokenizer = checkpoint.load(folder, dtype=dtype(settings.precision)), Tokenizer(folder)
            pad = pad_of(validation, tokenizer)
            loss = rounded(validation_loss(model, validation, pad))
            prompts = [*settings.prompts, *_openings(validation, tokenizer, pad, settings.held_out)]
            written = _written(model, tokenizer, prompts, settings, derive(seed, "samples", name), name, progress)
            result = {"precision": settings.precision, "validation_loss": loss, "samples": written}
            write_json(path, result)
            seal(path, into / SCRATCH)
        losses[name] = result["validation_loss"]
        number = len(result["samples"])
        told = ", ".join(f"{source} {loss:.3f} (perplexity {exp(loss):.1f})" for source, loss in losses[name].items())
        progress.say(escape(f"  {name}: validation loss {told}"))
    return {
        "samples": number,
        "precision": settings.precision,
        "validation_loss": losses,
        "perplexity": {
            name: {source: round(exp(loss), 2) for source, loss in by_source.items()}
            for name, by_source in losses.items()
        },
    }


def _openings(validation: Path, tokenizer: Tokenizer, pad: int, count: int) -> list[str]:
    """The beginnings of `count` held-out rows, of each source in turn, evenly spaced over its rows."""
    import numpy as np

    from hornbook.tokens import shards

    names = shards.names(validation)
    found: list[str] = []
    for place, name in enumerate(names):
        table = shards.read(validation, name)
        part = min(len(table), count // len(names) + (place < count % len(names)))
        for row in np.linspace(0, len(table), part, endpoint=False).astype(int).tolist():
            ids = [int(one) for one in table[row][:_OPENING]]
            ends = [at for at, one in enumerate(ids) if one in (pad, tokenizer.end_of_text)]
            found.append(tokenizer.decode(ids[: ends[0]] if ends else ids))
    return [opening for opening in found if opening.strip()]


def _written(
    model: Transformer,
    tokenizer: Tokenizer,
    openings: Sequence[str],
    settings: SamplesSettings,
    seed: int,
    name: str,
    progress: Progress,
) -> list[dict[str, str]]:
    """All continuations in one batch, each with the opening that it goes on from."""
    from hornbook.inference.generate import generate
    from hornbook.inference.sampling import Sampling

    prompts = [opening for opening in openings for _ in range(settings.each)]
    if not prompts:
        return []
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
        + ", ".join(
            f"{name} {min(losses.values()):.2f} (perplexity {exp(min(losses.values())):.1f})"
            for name, losses in f["validation_loss"].items()
        )
    ),
    estimate=lambda settings, volume: Effort(
        plural(len(settings.samples.prompts) + settings.samples.held_out, "opening"), 5
    ),
)
