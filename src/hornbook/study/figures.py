"""A run's figures: those among its manifests, and the likelihoods that are measured for studies; and all as parquet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.evaluate.problems import load
from hornbook.files import digest_file, digest_value, whole
from hornbook.longrope.measure import MEASURED
from hornbook.report.figures import collect
from hornbook.runs.run import Result
from hornbook.study.functions import library_functions
from hornbook.study.likelihood import Pair, likelihoods, pairs, tokens_a_character
from hornbook.study.measures import examined, from_scores, measure_of

_BY_SOURCE = ("text", "questions")  # what is another for each source, or each published benchmark


@dataclass(frozen=True)
class Figure:
    """One number of one checkpoint of one run. measure: a name, with `.SOURCE` behind it where there are several.

    of: hashes of what it was measured on, by the names that `Measure.equal` has.
    """

    arm: str
    seed: int
    checkpoint: str
    title: str
    measure: str
    value: float
    of: Mapping[str, str] = field(default_factory=dict)


def measured(
    root: Path, results: Sequence[Result], checkpoints: Sequence[str] = (), *, allow_unisolated: bool = False
) -> dict[str, Any]:
    """What is known of a finished run, as JSON: its checkpoints by name in their order (of `checkpoints`, where any are
    named), each with `title`, `figures` and `of`, the hashes of what they were measured on.
    """
    folders = {result.step.name: result.folder for result in results}
    written = folders.get("write")
    held_out = written / "problems.jsonl" if written is not None else None
    problems = load(held_out) if held_out is not None and held_out.is_file() else []
    validation = folders["tokens"] / "validation" if "tokens" in folders else None
    asked = pairs(problems, allow_unisolated=allow_unisolated) if problems else []
    real = _functions({result.step.name: result for result in results}) if asked else []
    scores = collect(root)["scores"]
    # A recipe without exercises has no evaluate stage; its losses are what the samples stage measured.
    of_samples: dict[str, Any] = next(
        (one.manifest.figures["validation_loss"] for one in results if one.step.name == "samples"), {}
    )
    found: dict[str, Any] = {}
    of = {"problems": digest_value([asdict(one) for one in problems])}
    if validation is not None:
        of |= {f"text.{name}": first for name, first in _first_held_out(validation)}
    for result in results:
        for left in result.manifest.checkpoints:
            model = result.folder / left["folder"]
            if not (model / "config.json").is_file() or (checkpoints and left["name"] not in checkpoints):
                continue
            wanted = asked and (checkpoints or not left["shrunk"])  # of a shrunk one only where it is named
            likely, fitting = likelihoods(model, asked) if wanted else ({}, [])
            told = {"validation_loss": of_samples.get(left["name"]), **scores.get(left["name"], {})}
            figures = {**likely, **dict(from_scores(told))}
            completed, known = likelihoods(model, real) if real and wanted else ({}, [])
            if completed:
                figures["functions"] = completed["body"]
            losses = told.get("validation_loss") or {}
            if validation is not None and losses:
                a_character = tokens_a_character(validation, model)
                figures |= {f"bits.{name}": losses[name] * a_character[name] / math.log(2) for name in losses}
            cuts = digest_file(model / "tokenizer.json") if (model / "tokenizer.json").is_file() else ""
            asked_of = {f"questions.{task}": figure["prompts"] for task, figure in examined(told).items()}
            these = asked_of | {"tokenizer": cuts, "asked": _digest(fitting), "functions": _digest(known)}
            found[left["name"]] = {"title": left["title"], "figures": figures, "of": of | these}
        if result.step.name == "measure":
            longer = _longer(result, digest_file(folders["extend"] / "model" / "tokenizer.json"))
            found |= {
                name: one | {"of": of | one["of"]} for name, one in longer if name in checkpoints or not checkpoints
            }
    if not found:
        raise UserError(f"{root} has no model to measure: until, or the arm, ends before the first that is asked for")
    return {"checkpoints": found}


def _functions(results: Mapping[str, Result]) -> list[Pair]:
    """Real functions that are held out, where documents were cleaned and cut into tokens."""
    if not results.keys() >= {"clean", "tokens"}:
        return []
    return library_functions(results["clean"].folder, results["tokens"].manifest.settings)


def _digest(asked: Sequence[Pair]) -> str:
    return digest_value([(one.prompt, one.right) for one in asked])


def _longer(result: Result, tokenizer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a measure stage measured of the models with a longer context, by their names."""
    measured = result.manifest.figures
    for method, (name, title) in MEASURED.items():
        figures = {"long": measured["perplexity"][method][-1]["perplexity"]}
        losses = measured["short"].get(method, {})
        figures |= {f"perplexity.{source}": math.exp(loss) for source, loss in losses.items()}
        of = {"tokenizer": tokenizer, "long": measured.get("text", "")}
        yield name, {"title": title, "figures": figures, "of": of}


def _first_held_out(validation: Path) -> Iterator[tuple[str, str]]:
    """By source, the first of its held-out documents: how many follow depends on how the tokenizer cuts."""
    from hornbook.tokens import shards

    for source in shards.names(validation):
        yield source, "".join(shards.documents(validation, source)[:1])


def figures_of(arm: str, seed: int, told: Mapping[str, Any]) -> Iterator[Figure]:
    """A run's figures, of what `measured` told."""
    for checkpoint, one in told["checkpoints"].items():
        for measure, value in one["figures"].items():
            _, _, source = measure.partition(".")
            of = {
                name: one["of"].get(f"{name}.{source}" if name in _BY_SOURCE else name, "")
                for name in measure_of(measure).equal
            }
            yield Figure(arm, seed, checkpoint, one["title"], measure, float(value), of)


def write_figures(place: Path, found: Sequence[Figure]) -> None:
    """One row a run, checkpoint and measure."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "arm": pa.array([one.arm for one in found], pa.string()),
            "seed": pa.array([one.seed for one in found], pa.int64()),
            "checkpoint": pa.array([one.checkpoint for one in found], pa.string()),
            "measure": pa.array([one.measure for one in found], pa.string()),
            "value": pa.array([one.value for one in found], pa.float64()),
        }
    )
    with whole(place) as temporary:
        pq.write_table(table, temporary)
