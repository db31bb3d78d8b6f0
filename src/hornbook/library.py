"""Whole runs from Python: a recipe, and a model of nothing but texts. `from hornbook import ...` offers both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Any, Literal

from hornbook.errors import UserError
from hornbook.files import in_utf8, write_bytes
from hornbook.model.config import ModelConfig
from hornbook.progress import Progress
from hornbook.recipe import ORDER, Recipe, base_of, load, locate, text_of
from hornbook.runs import run as runs
from hornbook.runs.changes import discarded, outdated, state
from hornbook.runs.folders import final_model, is_run
from hornbook.runs.single import ChangedCode, Made
from hornbook.settings import assign, validated

SOURCE = "texts"  # what train_on_texts calls its only source


def run_recipe(  # noqa: PLR0913 (one for each wish)
    recipe: Recipe | str | Path,
    into: Path | str,
    settings: Mapping[str, Any] | None = None,
    *,
    until: str | None = None,
    base: Path | None = None,
    progress: Progress | None = None,
    allow_unisolated: bool = False,
    changed_code: ChangedCode | None = None,
    changed_settings: Literal["redo"] | None = None,
    reuse: bool = False,
) -> dict[str, Made]:
    """Run a recipe into the run folder `into`: what is done is skipped. Returns what was made by stage, in order.

    recipe: its name, its file, or one that was made in Python. settings: by dotted key, in place of the recipe's.
    until: the last stage to run. base: where relative sources start from; the recipe's folder unless told.
    allow_unisolated: run generated code even where this system cannot isolate it.
    changed_code: what other code made is made again ("redo") or counts ("keep"). changed_settings: "redo" what other
    settings or documents made. reuse: take what lies equal in another run beside this one.
    Raises UserError for a mistake in the recipe, where finished or begun work would be made again that neither of the
    two names, and what its stages raise.
    """
    if isinstance(recipe, Recipe):
        chosen, start = recipe, base or Path.cwd()
        if settings:
            raise UserError("a recipe made in Python has its settings already; give them when you make it")
    else:
        _, path = locate(str(recipe))
        chosen = load(path, settings or {})
        start = base or base_of(path, chosen)
    steps, root = chosen.steps(start, allow_unisolated=allow_unisolated), Path(into)
    found = state(runs.up_to(steps, until), root, reuse=reuse)
    if changed_code is None and (told := outdated(found, runs.up_to(steps, until), root)):
        raise UserError(f'{told}: give changed_code="redo" or changed_code="keep"')
    if changed_settings is None and (told := discarded(found, root)):
        raise UserError(f'{told}: give changed_settings="redo", or another folder')
    made = runs.run(
        steps,
        root,
        until=until,
        progress=progress or Progress(),
        keep_outdated=changed_code == "keep",
        reuse=reuse,
        recipe=text_of(chosen, start, root),
    )
    return {result.step.name: Made(result.folder, result.manifest, result.skipped) for result in made}


def train_on_texts(  # noqa: PLR0913 (one for each wish)
    texts: Iterable[str],
    into: Path | str,
    model: ModelConfig | None = None,
    *,
    epochs: float = 8.0,
    seed: int = 1,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    changed_code: ChangedCode | None = None,
    changed_settings: Literal["redo"] | None = None,
) -> Path:
    """Train a tokenizer and a model on texts alone; returns the model's folder, in the run folder `into`.

    It is the run of a recipe with one source, from which duplicates are dropped: `hornbook chat`, `report` and `trace`
    know it. model: its shape; the smallest of the recipes' unless told. epochs: how often a text is read. settings:
    others of the recipe by dotted key, such as `{"pretrain.batch": 16}`. For the last two see `run_recipe`.
    Raises UserError for wrong settings, where the texts do not fill one batch, and as `run_recipe` does.
    """
    rows = in_utf8("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts))
    most = len(rows)  # a token is a byte at least
    phase: dict[str, Any] = {"tokens": max(1, ceil(most * epochs)), "maximum_epochs": epochs}
    phase["mixture"] = [{"sources": [SOURCE], "share": 1.0}]
    values: dict[str, Any] = {
        "name": Path(into).name,
        "seed": seed,
        "sources": [{"name": SOURCE, "path": f"{SOURCE}.jsonl", "split": False}],
        "without": [stage.name for stage in ORDER if stage.leave_out],
        "model": (model or ModelConfig()).model_dump(),
        "pretrain": {"phase2": phase},
    }
    for key, value in (settings or {}).items():
        assign(values, key, value)
    recipe = validated(Recipe, values, "recipe")
    source = Path(into) / f"{SOURCE}.jsonl"
    if not source.is_file() or source.read_bytes() != rows:  # its time counts, too
        if source.exists() and not is_run(Path(into)):
            raise UserError(f"{source} is there already, and no run in its folder: name another folder")
        write_bytes(source, rows)
    run_recipe(
        recipe,
        into,
        base=Path(into),
        progress=progress,
        changed_code=changed_code,
        changed_settings=changed_settings,
    )
    trained = final_model(Path(into))
    assert trained is not None, "the last stage but the report leaves a model"
    return trained
