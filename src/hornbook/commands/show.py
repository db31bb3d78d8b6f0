"""`hornbook show`: documents, what was dropped, conversations and pairs, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.commands.places import run_folder
from hornbook.errors import UserError
from hornbook.evaluate.exam import RESULTS, ROWS
from hornbook.runs.folders import stage_folders
from hornbook.terminal import Terminal

console = Terminal()


KINDS = ("documents", "conversations", "preferences", "problems", "safety")
_CHARACTERS = 1_200
_LINES = 40
_LONGEST_VALUE = 100
_TEXTS = ("text", "messages", "prompt", "question", "answer", "solution", "chosen", "rejected", "cases")


def show(
    place: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|RUN|RESULT",
            help="A corpus, a stage's folder, a run, a .jsonl file of chats, or a result of `evaluate --tasks`.",
        ),
    ],
    kind: Annotated[
        str, typer.Option("--of", metavar="KIND", help=f"{', '.join(KINDS)}; of a result, a benchmark.")
    ] = "documents",
    *,
    dropped: Annotated[bool, typer.Option("--dropped", help="What was dropped, with the reason.")] = False,
    source: Annotated[str | None, typer.Option(help="Of this source only.")] = None,
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="How many, drawn by lot.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Draws others.")] = 1,
    whole: Annotated[bool, typer.Option("--whole", help="Whole texts instead of their beginnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON lines.")] = False,
) -> None:
    """Read some documents of a corpus, what was dropped and why, exercises, conversations, pairs, or answers."""
    from hornbook.corpus.show import chats, documents

    if (Path(place) / RESULTS).is_file():
        _examined(Path(place), kind, sample, seed, whole, as_json)
        return
    if kind not in KINDS:
        raise UserError(f"--of {kind!r}: there are {', '.join(KINDS)}")
    path = _place(place, kind, dropped)
    if path.suffix == ".jsonl":
        if source is not None:
            raise UserError(f"--source: {path.name} has no sources")
        drawn, what = chats(path, count=sample, seed=seed), path.stem
    else:
        drawn = documents(path, count=sample, seed=seed, source=source, dropped=dropped)
        what = f"documents{f' of {source}' if source else ''}"
    if as_json:
        for row in drawn.rows:
            print(json.dumps(row, default=str))
        return
    console.plain(f"{len(drawn.rows):,} of {drawn.of:,} {what}{' that were dropped' if dropped else ''} in {path}")
    for number, row in enumerate(drawn.rows, start=1):
        console.print(f"\n[bold]── {number:,}[/bold]", highlight=False)
        for line in _shown(row, whole):
            console.plain(line)


def _examined(folder: Path, name: str, sample: int, seed: int, whole: bool, as_json: bool) -> None:
    """Rows of an examination: each prompt, its choices or answer, and what it scored."""
    from hornbook.corpus.show import chats
    from hornbook.evaluate.exam.compare import results

    asked = list(results(folder)["benchmarks"])
    if name == "documents" and len(asked) > 1:
        raise UserError(f"the examination in {folder} asked {', '.join(asked)}; name one with --of")
    name = asked[0] if name == "documents" else name
    if name not in asked:
        raise UserError(f"--of {name!r}: the examination in {folder} asked {', '.join(asked)}")
    drawn = chats(folder / ROWS / f"{name}.jsonl", count=sample, seed=seed)
    if as_json:
        for row in drawn.rows:
            print(json.dumps(row, default=str))
        return
    console.plain(f"{len(drawn.rows):,} of {drawn.of:,} answers to {name} in {folder}")
    for number, row in enumerate(drawn.rows, start=1):
        told = {key: value for key, value in row.items() if key not in ("metrics", "logprobs", "choices", "grades")}
        if "turns" in told:
            told |= {"messages": _said(told.pop("turns"), told.pop("answer") or []), "prompt": None}
        console.print(f"\n[bold]── {number:,}[/bold]", highlight=False)
        for line in _shown(told | row.get("metrics", {}), whole):
            console.plain(line)
        for at, choice in enumerate(row.get("choices", [])):
            right = " right" if at in row.get("gold", []) else ""
            picked = " picked" if at == row.get("pick") else ""
            picked += " picked by its characters" if at == row.get("pick_norm") != row.get("pick") else ""
            chance = f"{row['logprobs'][at]:8.3f}" if "logprobs" in row else ""
            console.plain(f"{chance}  {choice}{right}{picked}")
        for one in row.get("grades", []):
            grades = ", ".join(f"{key} {value}" for key, value in one.items() if key != "why")
            console.plain(f"[grades] {grades}: {one['why']}")


def _said(turns: list[str], answers: list[str]) -> list[dict[str, str]]:
    """A dialogue, as far as it was answered."""
    pairs = zip_longest(turns, answers)
    spoken = [[{"role": "user", "content": asked}, {"role": "assistant", "content": answer}] for asked, answer in pairs]
    return [one for pair in spoken for one in pair if one["content"] is not None]


def _place(place: str, kind: str, dropped: bool) -> Path:
    """The corpus folder or the file of rows that is meant: of a run, those of its last stage that has such."""
    path = Path(place)
    if path.is_file():
        return path
    inside = {"documents": "documents"}.get(kind, f"removed/{kind}.jsonl" if dropped else f"{kind}.jsonl")
    if (path / inside).exists() or (kind == "documents" and path.is_dir() and not stage_folders(path)):
        return path if kind == "documents" else path / inside
    if path.is_dir() and not stage_folders(path):
        raise UserError(f"{path} has no {kind}: there is no {inside} in it")
    folders = [folder for folder in stage_folders(run_folder(place)).values() if (folder / inside).exists()]
    if not folders:
        raise UserError(f"no stage of the run {place} has {kind}{' that were dropped' if dropped else ''}")
    return folders[-1] if kind == "documents" else folders[-1] / inside


def _shown(row: dict[str, Any], whole: bool) -> Iterator[str]:
    """A row in lines: what is told of it, then its texts."""
    told = {name: value for name, value in row.items() if name not in _TEXTS and value not in (None, "", [])}
    reason = told.pop("reason", None)
    if reason:
        yield f"dropped: {reason}"
    yield ", ".join(f"{name} {_value(value)}" for name, value in told.items())
    for name in ("text",) if row.get("text") else _TEXTS:
        value = row.get(name)
        if name == "messages" and isinstance(value, list):
            for turn in value:
                yield f"[{turn.get('role', '?')}]"
                yield _cut(str(turn.get("content") or ""), whole)
        elif value not in (None, "", []):
            if name != "text":
                yield f"[{name}]"
            yield _cut("\n".join(map(str, value)) if isinstance(value, list) else str(value), whole)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    told = str(value)
    return told if len(told) <= _LONGEST_VALUE else f"{told[:_LONGEST_VALUE]}…"


def _cut(text: str, whole: bool) -> str:
    from hornbook.report.wording import clip

    return text.rstrip("\n") if whole else clip(text, _LINES, _CHARACTERS)
