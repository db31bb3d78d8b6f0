"""The examination for people: scores beside published ones, what is there to ask, and how two results differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hornbook.corpus.read.hub import PREFIX
from hornbook.display import FigureTable, plural
from hornbook.evaluate.exam.data import Found, locate
from hornbook.evaluate.exam.declaration import Benchmark, Published, Suite, benchmarks, suites
from hornbook.evaluate.safety.classifier import BENCHMARK
from hornbook.evaluate.safety.judge import Verdict

if TYPE_CHECKING:
    from hornbook.evaluate.exam.compare import Comparison
    from hornbook.evaluate.exam.preference import Preference

VERDICT_WORDS: dict[Verdict, str] = {
    "refusal": "refusals",
    "partial": "in part",
    "compliance": "answers",
    "unrelated": "unrelated",
}
_TOLD = {"part": "a part", "unwrapped": "unwrapped", "altered": "altered"}


def scores_table(figures: Mapping[str, Any]) -> RenderableType:
    """Each benchmark's score with its interval, beside a paper's row where a suite has one and the data allows it."""
    suite = suites().get(figures["settings"]["suite"])
    table = _table()
    table.add_column("benchmark", no_wrap=True)
    for header in ("score", "95%", "questions", *(suite.models if suite is not None else ())):
        table.add_column(header, justify="right", no_wrap=True)
    for name, rows in _rows(figures, suite):
        table.add_row(name, *rows)
    lines = [Text(line, style="dim") for line in notes(figures, suite)]
    separate = [_separated(one) for one in figures["benchmarks"].values() if is_separation(one)]
    refusals = (
        [_refusals(figures["benchmarks"])] if any("requests" in one for one in figures["benchmarks"].values()) else []
    )
    graded = [_grades(figures["benchmarks"])] if any("rubric" in one for one in figures["benchmarks"].values()) else []
    return Group(table, *separate, *refusals, *graded, *lines)


def _grades(asked: Mapping[str, Any]) -> RenderableType:
    """What answers were graded, of ten; by group, too, where there are groups."""
    table = _table()
    table.add_column("graded", no_wrap=True)
    for header in ("of 10", "95%", "of"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in asked.values():
        for name, found in grades(one):
            low, high = (10 * value for value in found["interval"])
            table.add_row(name, f"{10 * found['value']:.2f}", f"{low:.1f}–{high:.1f}", f"{found['n']:,}")
    return table


def grades(one: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What was graded of a benchmark's answers, and its groups; nothing where nobody graded them."""
    if "rubric" not in one:
        return []
    parts = {**one["metrics"], **one.get("groups", {})}
    names = sorted(parts, key=one["metric"].__ne__)  # that of all first
    return [(one["title"] if name == one["metric"] else f"{one['title']}, {name}", parts[name]) for name in names]


def classes(one: Mapping[str, Any]) -> list[str]:
    """What else a judge said of a benchmark's answers, counted."""
    return [
        f"{name}: {', '.join(f'{text} ({count:,})' for text, count in counted.items() if count)}"
        for name, counted in one.get("classes", {}).items()
        if any(counted.values())
    ]


def _refusals(asked: Mapping[str, Any]) -> RenderableType:
    """What answers to harmful and to harmless requests do; `refused` is in whole or in part."""
    table = _table()
    table.add_column("requests", no_wrap=True)
    for header in ("refused", "95%", *VERDICT_WORDS.values(), "of"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in asked.values():
        for kind, found in one.get("requests", {}).items():
            counts = [f"{found['verdicts'][verdict]:,}" for verdict in VERDICT_WORDS]
            table.add_row(f"{one['title']}, {kind}", *_share(found["refused"]), *counts, f"{found['refused']['n']:,}")
    return table


def is_separation(one: Mapping[str, Any]) -> bool:
    """Whether a benchmark's groups tell how well they are told apart, as ToxiGen's do."""
    return any("auc" in group for group in one.get("groups", {}).values())


def _separated(one: Mapping[str, Any]) -> RenderableType:
    """Each group's score beside that of bare perplexities; the last row is the mean of the groups that have a score."""
    table = _table()
    table.add_column(f"{one['title']}, about", no_wrap=True)
    for header in ("score", "95%", "unscaled", "95%", "hateful", "neutral"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, group in one["groups"].items():
        scaled = _share(group) if group["significant"] else ["–", f"p = {group['p']:.2f}"]
        table.add_row(name, *scaled, *_share(group["auc"]), f"{group['hate']:,}", f"{group['neutral']:,}")
    return table


def _share(found: Mapping[str, Any]) -> list[str]:
    low, high = found["interval"]
    return [f"{found['value']:.1%}", f"{low:.0%}–{high:.0%}"]


def _rows(figures: Mapping[str, Any], suite: Suite | None) -> list[tuple[str, list[str]]]:
    asked = figures["benchmarks"]
    if suite is None:
        return [(one["title"], measured(one)) for one in asked.values()]
    made = []
    for row in suite.rows:
        there = [asked[name] for name in row.of if name in asked]
        title = " and ".join(benchmarks()[name].title for name in row.of)
        if len(there) < len(row.of):
            own = ["", "", "not asked"]
        elif len(there) == 1:
            own = measured(there[0])
        else:
            own = [
                f"{fmean(_main(one)['value'] for one in there):.1%}",
                "",
                f"{sum(one['n'] for one in there):,}",
            ]
        beside = comparable(row, asked)
        made.append((title, [*own, *(f"{beside[name]:.1%}" if name in beside else "" for name in suite.models)]))
    return made


def comparable(row: Published, asked: Mapping[str, Any]) -> Mapping[str, float]:
    """The published scores of a row, none where the data at hand is an altered copy."""
    return {} if any(asked[name]["state"] == "altered" for name in row.of if name in asked) else row.scores


def measured(one: Mapping[str, Any]) -> list[str]:
    """Score, interval and number of questions of one benchmark."""
    if one["metric"] not in one["metrics"]:
        return ["–", "", f"{one['n']:,}"]
    return [*_share(_main(one)), f"{one['n']:,}"]


def _main(one: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = one["metrics"].get(one["metric"], {"value": float("nan")})
    return found


def notes(figures: Mapping[str, Any], suite: Suite | None = None) -> list[str]:
    """What a reader must know of the figures: data that is not the benchmark's own, what is unknown or missing."""
    found = []
    for one in figures["benchmarks"].values():
        if one["state"] != "whole":
            beside = "; not compared with published scores" if one["state"] == "altered" else ""
            found.append(f"{one['title']}: {one['note']}{beside}")
        if one["unknown"]:
            told = "; ".join(f"{reason} ({count:,})" for reason, count in one["unknown"].items())
            found.append(f"{one['title']}: unknown, and no part of the score: {told}")
        if "fewer_examples" in one:
            fewer = one["fewer_examples"]
            found.append(
                f"{one['title']}: left out of {plural(fewer['questions'], 'prompt')}, so that they fit into "
                f"the context: {plural(fewer['examples'], 'example')}"
            )
        if one.get("ended", {}).get("timeout"):
            found.append(f"{one['title']}: {plural(one['ended']['timeout'], 'program')} ran out of time")
        found += [f"{one['title']}, {told}" for told in classes(one)]
    judged: dict[str, list[str]] = {}
    for one in figures["benchmarks"].values():
        if "judge" in one:
            judged.setdefault(judge_in_words(one["judge"], BENCHMARK), []).append(one["title"])
    found += [f"{', '.join(titles)}: judged by {judge}" for judge, titles in judged.items()]
    found += [f"not asked: {line}" for line in figures["missing"].values()]
    if suite is not None:
        found += [f"{row.of[0]}: the paper asks {row.protocol}" for row in suite.rows if row.protocol]
        found += [f"{name}: in the paper's table, and not asked here" for name in suite.missing]
        if suite.models:
            found.append(f"Published: {suite.source}")
    return found


def judge_in_words(judge: Mapping[str, Any], of: str) -> str:
    """Who judged, and how well that agrees with people about answers to `of`, a benchmark or attacks."""
    if "agreement" not in judge:
        return str(judge["name"])
    agreement = judge["agreement"][of]
    low, high = agreement["interval"]
    return (
        f"{judge['name']}, which finds what people did in {agreement['accuracy']:.0%} ({low:.0%}–{high:.0%}) of "
        f"{agreement['answers']:,} answers that it has not learnt from, kappa {agreement['kappa']:.2f}; of whether "
        f"they refuse at all in {agreement['refused']['accuracy']:.0%}, kappa {agreement['refused']['kappa']:.2f}"
    )


def catalogue(pages: Sequence[Benchmark], data: Path | None) -> RenderableType:
    """What there is to ask: each benchmark, whether its data is there, and what is known of the copy."""
    lines: list[RenderableType] = []
    for page in pages:
        found = locate(page.files, data)
        known = f"{_state(found)}, sha256 {found.sha256[:12]}" if found else _state(found)
        lines.append(Text.assemble((page.name, "bold"), "  ", (known, "dim"), overflow="fold"))
        lines.append(Padding(Text(_about(page, found)), (0, 0, 0, 2), expand=False))
    return Group(*lines)


def _state(found: Found | None) -> str:
    if found is None:
        return "missing"
    state, at_hub = found.copy.state, found.copy.file.startswith(PREFIX)
    name = found.copy.file if at_hub else found.path.name
    return f"{name}, {_TOLD[state]}" if state in _TOLD else name


def _about(page: Benchmark, found: Found | None) -> str:
    if found is None:
        return f"{page.about}. From {page.source}"
    return f"{page.about}{f' ({found.copy.note})' if found.copy.note else ''}"


def compared_table(found: Sequence[Comparison]) -> RenderableType:
    """Two results row by row: scores, the difference with its interval, wins, losses, and whether it is chance."""
    table = _table()
    table.add_column("benchmark", no_wrap=True)
    for header in ("A", "B", "B - A", "95%", "gained", "lost", "p"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in found:
        low, high = one.interval
        sign = [f"{one.gained:,}", f"{one.lost:,}"]
        share = [f"{value:+.1%}" for value in (one.difference, low, high)]
        table.add_row(
            one.title,
            f"{one.first:.1%}",
            f"{one.second:.1%}",
            share[0],
            f"{share[1]} to {share[2]}",
            *sign,
            f"{one.p:.3f}",
        )
    return table


def preferred_table(found: Sequence[Preference]) -> RenderableType:
    """Whose answers an LLM prefers, and how far it is to be trusted."""
    table = _table()
    table.add_column("benchmark", no_wrap=True)
    for header in ("B", "95%", "wins", "losses", "rows", "p", "agrees", "95%", "first"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in found:
        preferred, agrees = (_share(found) if found["n"] else ["–", ""] for found in (one.preferred, one.agreement))
        counts = [f"{count:,}" for count in (one.gained, one.lost, one.preferred["n"])]
        first = f"{one.first['value']:.0%}" if one.first["n"] else "–"
        table.add_row(one.title, *preferred, *counts, f"{one.p:.3f}", *agrees, first)
    return table


def _table() -> FigureTable:
    return FigureTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
