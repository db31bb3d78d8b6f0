"""The suite: every task at every length and depth, resumable point by point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook import machine
from hornbook.errors import UserError
from hornbook.evaluate.benchmark import keep_others
from hornbook.evaluate.long import question_answering
from hornbook.evaluate.long.display import svg
from hornbook.evaluate.long.grid import Answerer, Point, answered, grid, lacks, questions, summary
from hornbook.evaluate.long.haystack import read_text
from hornbook.evaluate.long.prompt import Prompter, Question, TooShortError
from hornbook.evaluate.long.settings import LongSettings
from hornbook.evaluate.long.synthetic import noise, prose
from hornbook.evaluate.long.tasks import TASKS, Materials
from hornbook.files import digest_file, digest_value, made_once, write_json, write_text
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

RESULTS, HEATMAP = "long.json", "long.svg"
_FORMAT = 1  # of a point's prompts; another one makes the results on disk void
_MADE_UP = 1_000_000  # characters of made-up sentences: more than 128K tokens


def run_long_suite(model_folder: Path, settings: LongSettings, progress: Progress, into: Path) -> dict[str, Any]:
    """Test a checkpoint; writes `into/long.json`, `into/long.svg` and `into/grid/`, and returns the figures.

    A point of the grid that `into` holds, made by the same model with the same settings, is read and not asked again.
    """
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    device = machine.choose().device
    tokenizer = Tokenizer(model_folder)
    model = checkpoint.load(model_folder, device=device, dtype=machine.dtype(settings.precision))
    return run_suite(
        _ask(model, tokenizer),
        Prompter(tokenizer, chat=settings.chat),
        model.config.context,
        settings,
        progress,
        into,
        about={"model": str(model_folder), "device": device, "precision": settings.precision},
        identity=identity(model_folder),
    )


def run_suite(
    answer: Answerer,
    prompter: Prompter,
    context: int,
    settings: LongSettings,
    progress: Progress,
    into: Path,
    *,
    identity: str,
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The suite for anything that answers questions; `identity` tells one answerer's results from another's.

    about: what else the figures shall say of it.
    """
    lengths = settings.lengths_for(context)
    keep_others(into / RESULTS, lambda found: found.get("suite") == "long")
    materials = gather(settings, prompter)
    made_from = _key(settings, materials, identity)
    plan = grid(settings, lengths)
    results, skipped = [], _not_asked(settings)
    with progress.task("long contexts", sum(point.samples for point in plan)) as bar:
        for point in plan:
            path, key = into / "grid" / f"{point.name}.json", digest_value([made_from, point.name, point.samples])
            try:
                result = made_once(path, key, partial(_point, point, materials, settings, answer))
            except TooShortError as error:
                if not any((one["task"], one["length"]) == (point.task, point.length) for one in skipped):
                    skipped.append({"task": point.task, "length": point.length, "why": str(error)})
            else:
                results.append({name: value for name, value in result.items() if name != "answers"})
                bar.note(_in_words(point, result))
            bar.advance(point.samples)
    figures = {
        **(about or {}),
        "suite": "long",
        "context": context,
        "asked": "in chat" if prompter.chat else "as completion",
        "text": materials.text.name,
        "settings": settings.model_dump(mode="json"),
        "grid": results,
        "skipped": skipped,
        **summary(results),
    }
    write_json(into / RESULTS, figures)
    drawn = svg(figures)
    if drawn:
        write_text(into / HEATMAP, drawn)
    return figures


def gather(settings: LongSettings, prompter: Prompter) -> Materials:
    """Read what the user named, and make what they did not."""
    text = read_text(settings.text) if settings.text else prose(settings.seed, _MADE_UP)
    repeated = noise()
    return Materials(
        prompter,
        repeated,
        text,
        settings.passkey,
        read_text(settings.passkey_text) if settings.passkey_text else repeated,
        question_answering.load(settings.questions) if settings.questions else (),
    )


def identity(model_folder: Path) -> str:
    """A digest of everything in a checkpoint that its answers depend on."""
    names = ("*.json", "*.jinja", "*.safetensors", "*.bin", "*.txt", "*.tiktoken")
    files = sorted({path for pattern in names for path in model_folder.glob(pattern) if path.name != "manifest.json"})
    if not files:
        raise UserError(f"{model_folder} holds no model; give a folder with config.json and model.safetensors")
    return digest_value({path.name: digest_file(path) for path in files})


def _ask(model: Transformer, tokenizer: Tokenizer) -> Answerer:
    from hornbook.inference.generate import generate

    def answer(asked: Sequence[Question]) -> list[str]:
        limit = max(question.room for question in asked)
        prompts = [question.prompt for question in asked]
        made = generate(model, prompts, limit=limit, stops=tokenizer.stops, batch=len(prompts))
        return [tokenizer.decode(ids) for ids in made]

    return answer


def _key(settings: LongSettings, materials: Materials, identity: str) -> str:
    """Changes with everything that a point's result depends on, but not with which points are asked for."""
    haystacks = (materials.noise, materials.text, materials.passkey_haystack)
    return digest_value(
        {
            "format": _FORMAT,
            "model": identity,
            "seed": settings.seed,
            "precision": settings.precision,
            "chat": materials.prompter.chat,
            "passkey": settings.passkey.model_dump(mode="json"),
            "haystacks": [haystack.digest for haystack in haystacks],
            "questions": digest_file(settings.questions) if settings.questions else None,
        }
    )


def _not_asked(settings: LongSettings) -> list[dict[str, Any]]:
    return [
        {"task": name, "length": None, "why": f"it needs --{missing}, a JSONL file"}
        for name in TASKS
        if name in (settings.tasks or TASKS) and (missing := lacks(settings, name))
    ]


def _point(point: Point, materials: Materials, settings: LongSettings, answer: Answerer) -> dict[str, Any]:
    """What one point of the grid comes to, its questions asked side by side. Raises TooShortError."""
    at_once = max(1, settings.tokens_at_once // point.length)
    return answered(point, questions(point, materials, settings.seed), answer, at_once)


def _in_words(point: Point, result: dict[str, Any]) -> str:
    depth = "" if point.depth is None else f", depth {point.depth:g}%"
    return f"{point.task} at {point.length:,}{depth}: {result['score']:.0%}"
