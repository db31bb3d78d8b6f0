"""`hornbook audit`: which benchmarks are in a corpus, and what a model owes to that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hornbook.commands.audit_scores import exam_of, model_of
from hornbook.commands.stopping import stoppable
from hornbook.commands.write import BUILTIN, CACHE, MODEL_NAME, MONEY, REQUESTS, TOKENS, client_settings
from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.files import read_json, write_json, write_text
from hornbook.machine import Precision, dtype
from hornbook.progress import ConsoleProgress, Progress
from hornbook.runs.single import writable
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings
from hornbook.terminal import console

if TYPE_CHECKING:
    from hornbook.audit.model import Asking
    from hornbook.audit.rephrasings.candidates import Embedder
    from hornbook.audit.rephrasings.embeddings import EndpointEmbedder
    from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item

JUDGING = "Items told in other words"
WITH_EXAM = "With benchmarks of the examination"


@dataclass(frozen=True)
class _Judging:
    """Who judges, who makes the vectors (None: our own), and how many passages of each item are judged."""

    judge: ClientSettings
    vectors: ClientSettings | None
    nearest: int
    dry_run: bool


def audit(  # noqa: PLR0913 (one for each option)
    what: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS|MODEL|RESULT",
            help="A corpus folder, a run folder, a model folder, or a result of `hornbook evaluate --tasks`.",
        ),
    ],
    *,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Benchmarks: .jsonl, .json, .csv or .tsv files, or .gz of them."),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Benchmarks as `hornbook evaluate` asks them, such as mmlu,gsm8k.",
            rich_help_panel=WITH_EXAM,
        ),
    ] = None,
    suite: Annotated[str, typer.Option(help="A paper's table of them, such as phi-3.", rich_help_panel=WITH_EXAM)] = "",
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where their files lie (HORNBOOK_BENCHMARKS).", rich_help_panel=WITH_EXAM),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many rows of each.", rich_help_panel=WITH_EXAM)] = None,
    shots: Annotated[
        int | None, typer.Option(min=0, help="Examples before each row.", rich_help_panel=WITH_EXAM)
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What the model learned from; found by its run's manifests unless told."),
    ] = None,
    unseen: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Texts the model has not seen, in the form of a benchmark.")
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="Ask a model at most so many items of a benchmark.")] = 200,
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where audit.html and audit.json go.")] = Path("audit"),
    seed: Annotated[int, typer.Option(min=0, help="Draws the items.")] = 1,
    precision: Annotated[
        Precision, typer.Option(help="What a model computes in: fp32 is the same on every machine.")
    ] = "fp32",
    without_isolation: Annotated[
        bool, typer.Option("--without-isolation", help="Run generated code even where it cannot be isolated.")
    ] = False,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL#MODEL",
            help="An OpenAI-compatible endpoint that judges whether what is alike is the same problem, such as "
            "http://localhost:11434/v1#llama3; several share the load.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    model: MODEL_NAME = "",
    embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="URL#MODEL",
            help="An endpoint whose /v1/embeddings finds what is alike; without it shared words do.",
            rich_help_panel=JUDGING,
        ),
    ] = None,
    nearest: Annotated[
        int, typer.Option(min=1, help="Passages of the corpus judged for each item.", rich_help_panel=JUDGING)
    ] = 3,
    cache: CACHE = None,
    budget_requests: REQUESTS = None,
    budget_tokens: TOKENS = None,
    budget_money: MONEY = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show three filled prompts and the cost; send nothing, write nothing.")
    ] = False,
) -> None:
    """Look for benchmarks in a corpus; ask a model about the part it may have seen and the rest. Writes a page."""
    from hornbook.audit.corpus import audit_corpus, corpus_of, learned_from
    from hornbook.audit.model import Asking
    from hornbook.corpus.decontaminate.benchmarks import Benchmarks, load_benchmarks, say_left_out

    if not dry_run:
        _free(into)
    budget = BudgetSettings(requests=budget_requests, tokens=budget_tokens, money=budget_money)
    judge = client_settings(teacher, model, cache, budget) if teacher and BUILTIN not in teacher else None
    vectors = client_settings([embeddings], "", cache, budget) if embeddings else None
    exam = exam_of(
        what, against, unseen, {"tasks": tasks, "suite": suite, "data": data, "limit": limit, "shots": shots}
    )
    if judge is None and (teacher or dry_run or (vectors is not None and exam is None)):
        option = "--embeddings" if vectors is not None else "--dry-run" if dry_run else "a judge"
        raise UserError(f"{option} needs --teacher URL#MODEL: there is no built-in judge")
    judging = _Judging(judge, vectors, nearest, dry_run) if judge is not None else None
    benchmarks = Benchmarks(one.items for one in exam.asked) if exam is not None else load_benchmarks(_named(against))
    progress = ConsoleProgress(console)
    asked_model = exam.model if exam is not None else model_of(what)
    learner = asked_model or (exam.result if exam is not None else None)
    if learner is not None:
        place = corpus_of(corpus) if corpus is not None else learned_from(learner)
    elif corpus is not None or unseen is not None:
        raise UserError(f"--corpus and --unseen go with a model, and {what} is none")
    else:
        place = corpus_of(Path(what))
    if judging is not None and place is None:
        raise UserError(f"the corpus of {what} is not known, so there is nothing to judge; name it with --corpus")
    if place is None:
        say_left_out(benchmarks.left_out, progress)
    found = audit_corpus(place, benchmarks, progress) if place is not None else None
    if judging is not None and place is not None and found is not None:
        found["rephrased"] = _judge(place, benchmarks, found, judging, progress)
        if judging.dry_run:
            return
    asked, examined = None, None
    asking = Asking(seed=seed, most=items, allow_unisolated=without_isolation, precision=precision)
    if exam is not None:
        examined = exam.audited((place, found, vectors), unseen, into, asking, progress)
    elif asked_model is not None:
        asked = _ask(asked_model, benchmarks, place, unseen, asking, progress)
    _write(into, what, str(against or "the examination's benchmarks"), found, asked, examined)


def _named(against: Path | None) -> Path:
    if against is None:
        raise UserError("name benchmarks: --against FOLDER for files, or --tasks NAMES for those of the examination")
    return against


def _judge(
    corpus: Path, benchmarks: list[Benchmark], found: dict[str, Any], judging: _Judging, progress: Progress
) -> dict[str, Any] | None:
    """What is told in other words; None for a dry run, which shows what it would cost."""
    from hornbook.audit.rephrasings.embeddings import EndpointEmbedder
    from hornbook.audit.rephrasings.tfidf import TfidfEmbedder
    from hornbook.audit.rephrasings.verdicts import left_over

    items = left_over(benchmarks, found)
    with stoppable(console):
        if judging.vectors is None:
            return _judge_by(TfidfEmbedder(), corpus, benchmarks, items, judging, progress)
        with EndpointEmbedder(judging.vectors) as embedder:
            if judging.dry_run and _show_vectors(embedder, corpus, items):
                console.print("The prompts below are found by shared words in their stead.", highlight=False)
                return _judge_by(TfidfEmbedder(), corpus, benchmarks, items, judging, progress)
            return _judge_by(embedder, corpus, benchmarks, items, judging, progress)


def _judge_by(
    embedder: Embedder,
    corpus: Path,
    benchmarks: list[Benchmark],
    items: list[Item],
    judging: _Judging,
    progress: Progress,
) -> dict[str, Any] | None:
    from hornbook.audit.rephrasings.candidates import candidates
    from hornbook.audit.rephrasings.embeddings import EndpointEmbedder
    from hornbook.audit.rephrasings.judge import LlmJudge, request
    from hornbook.audit.rephrasings.verdicts import judge_all
    from hornbook.teacher.client.budget import estimate, show
    from hornbook.teacher.client.client import Client

    pairs, passages = candidates(corpus, items, embedder, judging.nearest, progress)
    if judging.dry_run:
        show(estimate((request(pair) for some in pairs for pair in some), judging.judge), console)
        return None
    spent = embedder.budget if isinstance(embedder, EndpointEmbedder) else None
    settings = judging.judge if spent is None else judging.judge.model_copy(update={"budget": spent.left()})
    with Client(settings, progress) as client:
        judge = LlmJudge(client)
        rows = judge_all(benchmarks, pairs, judge)
    return {
        "judge": client.name,
        "vectors": embedder.name,
        "vectors_cost": spent.as_dict() if spent is not None else None,
        "nearest": judging.nearest,
        "passages": passages,
        "ended": judge.ended,
        "requests": client.figures.as_dict(),
        "line": client.figures.line(),
        "benchmarks": rows,
    }


def _show_vectors(embedder: EndpointEmbedder, corpus: Path, items: list[Item]) -> int:
    """Print what the vectors would cost. Returns how many of them are not there yet."""
    from hornbook.audit.rephrasings.candidates import passages, sides

    texts = chain((one.text for one in passages(corpus)), (text for item in items for text in sides(item)))
    missing, tokens, money = embedder.cost(texts)
    cost = f"at most {money:,.2f}" if money else "unknown: the address names no price_in="
    console.print(
        escape(f"{plural(missing, 'vector')} to be made by {embedder.name}: about {tokens:,} tokens, cost {cost}"),
        highlight=False,
        soft_wrap=True,
    )
    return missing


def _free(into: Path) -> None:
    """Refuse a folder that holds something else than an audit, before the work begins."""
    from hornbook.audit.exam import EXAM, TWINS, TWINS_EXAM

    begun = {EXAM, TWINS, TWINS_EXAM}  # of an audit that was interrupted: what was asked so far
    there = {one.name for one in into.iterdir()} if into.is_dir() else set()
    if there - begun and not _is_audit(into / "audit.json"):
        raise UserError(f"{into} holds something else than an audit; name another folder with --into")
    writable(into)


def _is_audit(file: Path) -> bool:
    try:
        found = read_json(file)
    except UserError:
        return False
    return isinstance(found, dict) and {"corpus", "model"} <= found.keys() <= {"corpus", "model", "exam"}


def _write(
    into: Path,
    what: str,
    against: str,
    found: dict[str, Any] | None,
    asked: dict[str, Any] | None,
    examined: dict[str, Any] | None,
) -> None:
    from hornbook.audit.page import page

    told = {"corpus": found, "model": asked} | ({"exam": examined} if examined is not None else {})
    write_json(into / "audit.json", told)
    write_text(into / "audit.html", page(what, against, found, asked, examined))
    if found is not None:
        leaked = sum(row["leaked"] for row in found["benchmarks"])
        count = sum(row["items"] for row in found["benchmarks"])
        console.print(
            f"{leaked:,} of {plural(count, 'item')} found, in {plural(found['documents'], 'document')}.",
            highlight=False,
        )
        if "rephrased" in found:
            _tell(found["rephrased"])
    if examined is not None:
        from hornbook.audit.exam import exam_table

        console.print(exam_table(examined))
    console.plain(f"The page: {into / 'audit.html'}")


def _tell(rephrased: dict[str, Any]) -> None:
    total = {key: sum(row[key] for row in rephrased["benchmarks"]) for key in ("items", "leaked", "unknown")}
    lines = [
        f"{total['leaked']:,} of {total['items']:,} items that resemble a passage are in it in other words, as "
        f"{rephrased['judge']} judges; {total['unknown']:,} could not be judged, and count as unknown.",
        f"Requests: {rephrased['line']}.",
    ]
    if rephrased["ended"]:
        lines.append(f"The judging ended early: {rephrased['ended']}")
    for line in lines:
        console.print(escape(line), highlight=False, soft_wrap=True)


def _ask(
    folder: Path,
    benchmarks: list[Benchmark],
    corpus: Path | None,
    unseen: Path | None,
    asking: Asking,
    progress: Progress,
) -> dict[str, Any]:
    from hornbook.audit.model import audit_model
    from hornbook.corpus.decontaminate.benchmarks import Benchmarks, load_benchmarks, say_left_out
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    fresh = load_benchmarks(unseen) if unseen is not None else Benchmarks()
    say_left_out(fresh.left_out, progress)
    others = [item.text for one in fresh for item in one.items]
    model, tokenizer = checkpoint.load(folder, dtype=dtype(asking.precision)), Tokenizer(folder)
    return audit_model(model, tokenizer, benchmarks, corpus, others, asking, progress)
