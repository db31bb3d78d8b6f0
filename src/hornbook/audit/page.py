"""The audit's page: whole in itself, in the report card's style."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hornbook
from hornbook.audit.exam import notes
from hornbook.report.report import environment
from hornbook.report.wording import marked, shortened

_WORD = re.compile(r"\w+")
_RUN = re.compile(r"\w+|\W+")


def page(
    what: str,
    against: str,
    corpus: dict[str, Any] | None,
    model: dict[str, Any] | None,
    exam: dict[str, Any] | None = None,
) -> str:
    """The page as HTML. `what` was audited `against`; equal figures make equal bytes."""
    rows = corpus["benchmarks"] if corpus is not None else []
    rephrased = corpus.get("rephrased") if corpus is not None else None
    doubtful = _doubtful(rephrased)
    leaked = [row for row in rows if row["leaked"]]
    left_out = corpus["left_out"] if corpus is not None else {}
    rest = [row for row in rows if not row["leaked"] and row["name"] not in doubtful]
    return (
        environment(Path(__file__).parent)
        .get_template("audit.html")
        .render(
            what=what,
            against=against,
            corpus=corpus,
            model=model,
            exam={**exam, "benchmarks": [{**row, "notes": notes(row)} for row in exam["benchmarks"]]} if exam else None,
            rephrased=_rephrased(rephrased) if rephrased else None,
            leaked=[_shown(row) for row in leaked],
            clean=[row for row in rest if not row["incomplete"]],
            incomplete=[row for row in rest if row["incomplete"]],
            left_out=left_out,
            good=not leaked and not doubtful and not left_out,
            totals={key: sum(row[key] for row in rows) for key in ("items", "leaked", "short")},
            version=hornbook.__version__,
        )
    )


def _doubtful(rephrased: dict[str, Any] | None) -> set[str]:
    """Benchmarks that are not clean by the judge: items told in other words, or unknown ones."""
    rows = rephrased["benchmarks"] if rephrased else []
    return {row["name"] for row in rows if row["leaked"] or row["unknown"]}


def _rephrased(rephrased: dict[str, Any]) -> dict[str, Any]:
    rows = [{**row, "hits": [_beside(hit) for hit in row["hits"]]} for row in rephrased["benchmarks"]]
    totals = {key: sum(row[key] for row in rows) for key in ("items", "leaked", "unknown")}
    return {**rephrased, "rows": rows, "totals": totals}


def _beside(hit: dict[str, Any]) -> dict[str, Any]:
    document, item = hit["excerpt"], hit["question"]
    both = _telling(document) & _telling(item)
    return {
        **hit,
        "document_text": shortened(_in_both(document, both), 24, 1_300),
        "item_text": shortened(_in_both(item, both), 24, 1_300),
    }


def _telling(text: str) -> set[str]:
    """Numbers, and words of four letters or more, in lower case."""
    return {word for word in _WORD.findall(text.lower()) if len(word) > 3 or word.isdecimal()}


def _in_both(text: str, both: set[str]) -> list[tuple[str, bool]]:
    """A text in runs, each with whether it is one of the words of `both`."""
    return [(run, run.lower() in both) for run in _RUN.findall(text)]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    hits = []
    for hit in row["hits"]:
        left, right = marked(hit["excerpt"], hit["question"])
        hits.append({**hit, "document_text": shortened(left, 18, 900), "item_text": shortened(right, 18, 900)})
    return {**row, "hits": hits}
