"""A plan as people read it: sources, mixture, work, and what was taken for granted."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape

from hornbook.display import FigureTable, plural
from hornbook.planning.plan import Plan

_DASH = "–"


def tables(plan: Plan) -> Iterator[FigureTable | str]:
    """Tables and lines (rich markup) in the order in which they are shown."""
    yield _sources(plan)
    yield _mixture(plan)
    for phase, tokens in plan.short.items():
        yield (
            f"[yellow]{phase} is {short(tokens)} tokens short:[/yellow] its sources are exhausted at these caps; add "
            "documents or raise maximum_epochs"
        )
    yield _work(plan)
    yield _granted(plan)
    if plan.comparison is not None:
        yield from _comparison(plan)


def _table(title: str, *columns: str, left: int = 1) -> FigureTable:
    """A table whose first `left` columns hold words and the others numbers."""
    table = FigureTable(
        title=f"[bold]{title}[/bold]", title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")
    return table


def _sources(plan: Plan) -> FigureTable:
    table = _table("What it reads", "source", "from", "", "documents", "tokens", left=3)
    for size in plan.sources:
        if size.origin == "written" and not size.documents:
            continue
        documents = _DASH if size.documents is None else short(size.documents)
        tokens = _DASH if size.tokens is None else short(size.tokens)
        table.add_row(size.name, escape(size.path), f"[dim]{size.origin}[/dim]", documents, tokens)
    everything = sum(size.tokens or 0.0 for size in plan.sources)
    untold = "of those known" if any(size.documents is None or size.tokens is None for size in plan.sources) else ""
    table.add_section()
    table.add_row("[bold]in all[/bold]", "", f"[dim]{untold}[/dim]", short(plan.documents), short(everything))
    return table


def _mixture(plan: Plan) -> FigureTable:
    columns = ("phase", "sources", "which", "asked", "share", "tokens", "of", "epochs")
    table = _table("What it learns from", *columns, left=3)
    before = ""
    for one in plan.mixture:
        table.add_row(
            one.phase if one.phase != before else "",
            " + ".join(one.sources),
            f"[dim]{one.wanted}[/dim]",
            f"{one.share_asked:.0%}",
            f"{one.share:.0%}",
            short(one.tokens),
            _DASH if one.available is None else short(one.available),
            _DASH if one.epochs is None else f"{one.epochs:.2f}",
        )
        before = one.phase
    return table


def _work(plan: Plan) -> FigureTable:
    terms = plan.terms
    gpus = f"{terms.gpus} × {terms.gpu.name.upper()}"
    cores = plural(terms.cores, "core")
    table = _table("What it takes", "work", "on", "amount", "hours", "dollars", left=2)
    for stage, seconds in plan.corpus_seconds.items():
        table.add_row(stage, cores, f"{hours(seconds / 3600)} of a core", hours(seconds / 3600 / terms.cores), "")
    table.add_row("[dim]corpus in all[/dim]", "", "", hours(plan.corpus_hours), dollars(plan.corpus_dollars))
    if plan.teaching.requests:
        asked = plan.teaching
        amount = f"{short(asked.requests)} requests, {short(asked.tokens_in)} + {short(asked.tokens_out)} tokens"
        table.add_row("teacher", "endpoint", amount, _DASH, dollars(plan.teacher_dollars))
    for part in plan.training:
        share = part.flops / max(1.0, sum(one.flops for one in plan.training))
        amount = f"{short(part.tokens)} tokens, {part.flops:.2g} FLOP"
        table.add_row(part.what, gpus, amount, hours(plan.hours * share), dollars(plan.gpu_dollars * share))
    table.add_section()
    table.add_row(
        "[bold]in all[/bold]",
        "",
        f"{plan.gpu_hours:,.0f} GPU-hours" if plan.gpu_hours >= 1 else f"{hours(plan.gpu_hours)} of a GPU",
        hours(plan.hours + plan.corpus_hours),
        f"[bold]{dollars(plan.dollars)}[/bold]",
    )
    return table


def _granted(plan: Plan) -> str:
    terms = plan.terms
    words = [
        f"{plan.parameters:,} parameters, {plan.flops_per_token / 1e9:.3g} GFLOP a token (three forward passes, "
        f"attention over the whole context)",
        f"{terms.gpu.title} at {terms.utilisation:.0%} of its {terms.gpu.flops / 1e12:,.0f} TFLOP/s (MFU), "
        f"${terms.price:g} an hour",
    ]
    if terms.gpus > 1:
        words.append(
            f"training shared evenly by {terms.gpus} GPUs, which is not what Hornbook's own does: that runs on one"
        )
    else:
        words.append("training on one GPU, as Hornbook's runs; --gpus N tells of more")
    words.append(f"read, filter, grade, clean and tokens on {plural(terms.cores, 'core')}")
    if plan.unknown:
        words.append(f"{', '.join(plan.unknown)}: size unknown, not in the corpus hours, and no cap on its epochs")
    if not plan.teaching.requests:
        words.append("the built-in teacher grades and writes")
    return f"[dim]Taken for granted: {'; '.join(words)}. Validation, evaluation and failures come on top.[/dim]"


def _comparison(plan: Plan) -> Iterator[str]:
    found = plan.comparison
    assert found is not None
    yield (
        f"[bold]Published:[/bold] {found.gpu_hours:,.0f} {found.gpu.upper()}-hours ({escape(found.source)}). "
        f"[bold]This plan:[/bold] {found.planned_gpu_hours:,.0f} {found.gpu.upper()}-hours for "
        f"{short(found.planned_tokens)} tokens."
    )
    told = f" of {short(found.tokens)} tokens" if found.tokens else ""
    yield (
        f"The published hours{told} would mean {found.implied_utilisation:.0%} of the accelerator's peak, counted as "
        f"here; this plan takes {plan.terms.utilisation:.0%}. {escape(found.note)}"
    )


def short(number: float) -> str:
    """1234567 -> 1.23 M; tokens and documents as people say them."""
    for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.0f}"


def hours(amount: float) -> str:
    """Hours, or days beyond four of them, or minutes and seconds below one hour."""
    if amount >= 96:
        return f"{amount:,.0f} h ({amount / 24:,.0f} d)" if amount < 1e6 else f"{amount:,.0f} h"
    if amount >= 1:
        return f"{amount:.1f} h"
    if amount >= 1 / 60:
        return f"{amount * 60:.0f} min"
    return f"{amount * 3600:.0f} s" if amount * 3600 >= 1 else "< 1 s"


def dollars(amount: float) -> str:
    """Whole dollars, cents below ten."""
    return f"${amount:,.0f}" if amount >= 10 else f"${amount:.2f}"
