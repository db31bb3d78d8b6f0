"""The evaluate stage: the same questions to the model as it was after every step of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from rich.markup import escape

from hornbook.display import plural
from hornbook.errors import UserError, nearest
from hornbook.evaluate.benchmark import Benchmark, EvaluateSettings, HeldOut, Subject
from hornbook.evaluate.exam.checkpoint import EXAM
from hornbook.evaluate.exam.data import folder_of, locate
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.problems import CHAT, COMPLETION
from hornbook.evaluate.questions import QUESTIONS
from hornbook.evaluate.refusals import REFUSALS
from hornbook.evaluate.validation import VALIDATION
from hornbook.files import digest_file, digest_value, read_json, seal, sealed, write_json
from hornbook.machine import dtype
from hornbook.model import folder_from
from hornbook.progress import Progress
from hornbook.runs.effort import Effort, Volume
from hornbook.runs.manifest import SCRATCH
from hornbook.runs.stage import EVERY_STAGE, Input, Key, Stage, Work
from hornbook.settings import SAME_RESULT, Settings

BENCHMARKS: tuple[Benchmark[Any], ...] = (VALIDATION, COMPLETION, CHAT, REFUSALS, QUESTIONS, EXAM)


def evaluate(
    models: Mapping[str, Path],
    held_out: HeldOut,
    settings: EvaluateSettings,
    *,
    into: Path,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Put every benchmark to each model and write all answers to `into/NAME.json`; a model whose file is there is not
    asked again.

    Returns the score table: for each model the scores by benchmark, and `pass_at_1`.
    """
    asked = _load(held_out, settings)
    table = {}
    for name, folder in models.items():
        path = into / f"{name}.json"
        if not sealed(path, into / SCRATCH):
            write_json(path, _ask(folder, asked, settings, name, progress, allow_unisolated, into))
            seal(path, into / SCRATCH)
        result = read_json(path)
        table[name] = result["scores"]
        progress.say(f"  {escape(name)}: {in_words(result['scores'])}")
    return {"problems": len(asked.get(COMPLETION.name, ())), "precision": settings.precision, "models": table}


def evaluate_one(
    folder: Path,
    held_out: HeldOut,
    settings: EvaluateSettings,
    *,
    name: str,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """One model's `scores` by benchmark, the `precision` that they were computed in, and its answers to each benchmark.

    `pass_at_1` among the scores is that of completing a docstring, phi-1's protocol, for base and chat models alike.
    """
    return _ask(folder, _load(held_out, settings), settings, name, progress, allow_unisolated)


def _load(held_out: HeldOut, settings: EvaluateSettings) -> dict[str, Any]:
    """What each benchmark asks, by its name; those that the run has nothing for are left out."""
    loaded = {benchmark.name: benchmark.load(held_out, settings) for benchmark in BENCHMARKS}
    return {name: items for name, items in loaded.items() if items is not None}


def _ask(
    folder: Path,
    asked: Mapping[str, Any],
    settings: EvaluateSettings,
    name: str,
    progress: Progress,
    allow_unisolated: bool,
    into: Path | None = None,
) -> dict[str, Any]:
    from hornbook.model.formats import checkpoint
    from hornbook.model.formats.quantized import dequantize
    from hornbook.model.tokenizers import Tokenizer

    model = dequantize(checkpoint.load(folder, dtype=dtype(settings.precision)))
    subject = Subject(name, model, Tokenizer(folder), settings, progress, allow_unisolated, into)
    scores: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    for benchmark in BENCHMARKS:
        result = benchmark.run(subject, asked[benchmark.name]) if benchmark.name in asked else None
        if result is not None:
            scores[benchmark.name] = result.scores
            if result.answers is not None:
                answers[benchmark.name] = result.answers
    if COMPLETION.name in scores:
        scores["pass_at_1"] = scores[COMPLETION.name]["pass_at_1"]
    return {"precision": settings.precision, "scores": scores, **answers}


def in_words(scores: Mapping[str, Any]) -> str:
    """A model's scores in one line."""
    told = [benchmark.in_words(scores[benchmark.name]) for benchmark in BENCHMARKS if benchmark.name in scores]
    return ", ".join(part for part in told if part)


CASES = 60.0  # problems a second that are answered and run, by a model as small as the pocket recipe's
PROMPT = 50  # tokens of a problem, on average
PROBLEMS = Input("written", ("write",), "A folder with problems.jsonl and safety.jsonl in it.")
TOKENS = Input("tokens", ("tokens",), "What `hornbook tokens` made.", holds="shards")
MODELS = Input("models", EVERY_STAGE, "Models to measure.", checkpoint=True, every=True)


BEFORE = "before"  # the name of the model that a recipe goes on from
UNTRAINED = "no training"  # what people call it, beside the checkpoints after a step


class EvaluateStageSettings(Settings):
    """What the evaluate stage depends on. The model that a recipe goes on from is asked first."""

    evaluate: EvaluateSettings = EvaluateSettings()
    initial_model: Annotated[str, Key("initial_model"), SAME_RESULT] = ""


def put_to(models: Mapping[str, Path], settings: EvaluateSettings, work: Work[Any]) -> dict[str, Any]:
    """The run's own problems and requests, put to each of these models."""
    return evaluate(
        models,
        HeldOut.of(work.inputs["written"], work.inputs["tokens"]),
        settings.seen_from(work.base),
        into=work.into,
        progress=work.progress,
        allow_unisolated=work.allow_unisolated,
    )


def passed(figures: dict[str, Any]) -> str:
    """pass@1 of each model in words."""
    models = figures["models"]
    return ", ".join(f"{name} {scores['pass_at_1']:.1%}" for name, scores in models.items())


def questions_of(settings: EvaluateSettings, base: Path) -> str | None:
    """A hash of the files that questions come from: the user's own, and published benchmarks'; None where there are
    none.
    """
    path = settings.seen_from(base).own_questions
    own = digest_file(path) if path is not None and path.is_file() else None
    exam = exam_of(settings, base)
    return own if exam is None else digest_value([own, exam])


def exam_of(settings: EvaluateSettings, base: Path) -> dict[str, str] | None:
    """Hashes of the files that published benchmarks are asked from, empty for what is missing; None where none is."""
    exam = settings.seen_from(base).exam
    if exam is None or not exam.asked:
        return None
    data = folder_of(exam.data)
    found = {name: locate(find(name, data).files, data) for name in exam.asked}
    return {name: "" if copy is None else copy.sha256 for name, copy in found.items()}


def answering(settings: EvaluateSettings, volume: Volume, models: int, what: str) -> Effort:
    """The work of putting the problems to so many models, twice each; answers are half as long as they may be."""
    answers = models * 2 * settings.problems
    tokens = answers * (PROMPT + settings.new_tokens / 2)
    return Effort(f"{models} x {what}", answers / CASES + volume.generating(tokens, PROMPT))


def _evaluate(work: Work[EvaluateStageSettings]) -> dict[str, Any]:
    models, named = work.several["models"], work.settings.initial_model
    if named:
        models = {BEFORE: folder_from(named, work.base), **models}
    chosen = _chosen(models, work.settings.evaluate.checkpoints)
    figures = put_to(chosen, work.settings.evaluate, work)
    return {**figures, "titles": {BEFORE: UNTRAINED}} if BEFORE in chosen else figures


def _chosen(models: Mapping[str, Path], names: Sequence[str]) -> Mapping[str, Path]:
    """Those of the models that are to be asked, all where none is named."""
    for name in names:
        if name not in models:
            hint = nearest(name, models) or f"; there are {', '.join(models)}"
            raise UserError(f"evaluate.checkpoints: the run leaves no {name!r}{hint}")
    return {name: folder for name, folder in models.items() if not names or name in names}


def _outside(settings: EvaluateStageSettings, base: Path) -> list[str | None] | None:
    """The weights of a model that is asked beside the run's own, and the files that questions come from."""
    weights = None
    if settings.initial_model:
        from hornbook.model.formats import checkpoint

        weights = checkpoint.fingerprint(folder_from(settings.initial_model, base))
    found = [weights, questions_of(settings.evaluate, base)]
    return found if any(found) else None


EVALUATE = Stage(
    name="evaluate",
    summary="every checkpoint on the held-out problems",
    settings=EvaluateStageSettings,
    run=_evaluate,
    inputs=(PROBLEMS, TOKENS, MODELS),
    outside=_outside,
    needs=("write",),
    leave_out=True,
    runs_generated_code=True,
    headline=lambda f: f"pass@1: {passed(f)}",
    estimate=lambda settings, volume: answering(
        settings.evaluate,
        volume,
        len(settings.evaluate.checkpoints) or len(volume.phases) + 2 + bool(settings.initial_model),  # SFT's and DPO's
        plural(settings.evaluate.problems, "problem"),
    ),
)
