"""The page of an examination: a model's scores on published benchmarks, without a run around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hornbook
from hornbook.report.report import environment
from hornbook.report.sections.exam import tables
from hornbook.report.wording import versions_told
from hornbook.runs.folders import model_title


def page(figures: Mapping[str, Any]) -> str:
    """The page as HTML, of what `exam.json` holds; equal values make equal bytes."""
    name = model_title(figures["candidate"]["model"])
    scores = {"suite": figures["settings"]["suite"], **figures}
    return (
        environment()
        .get_template("exam_page.html")
        .render(
            name=name,
            view=tables([(name, scores)]),
            candidate=figures["candidate"],
            machine=figures["machine"],
            versions=versions_told(figures["versions"]),
            data={one["title"]: one for one in figures["benchmarks"].values()},
            version=hornbook.__version__,
        )
    )
