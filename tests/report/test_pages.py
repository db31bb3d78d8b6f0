"""What all pages share: their board, and what a narrow screen shows of a wide table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hornbook
from hornbook.report.report import environment

TEMPLATES = [
    path for path in sorted(Path(hornbook.__file__).parent.rglob("*.html")) if "<h1>" in path.read_text("utf-8")
]
WIDE = '<div class="scroll"><table style="width:900px"><tr><td>one</td><td>two</td></tr></table></div>'


@pytest.mark.parametrize(
    "template", [path for path in TEMPLATES if path.parent.name != "serve"], ids=lambda path: path.name
)
def test_every_page_has_the_letters_and_a_way_past_its_head(template: Path) -> None:
    text = template.read_text("utf-8")
    assert text.count('<header class="board">\n{% include "letters.html" %}') == 1
    assert '<a class="skip" href="#content">' in text and '<main id="content">' in text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_shadow_says_where_a_table_goes_on(dark: bool, browse: Callable[..., Any], tmp_path: Path) -> None:
    """How far the columns at both edges are from the paper's colour, beside what is scrolled."""
    from PIL import Image

    page = environment().from_string('{% include "head.html" %}' + WIDE + "</body></html>")
    (tmp_path / "page.html").write_text(page.render(title="wide", version="1"), "utf-8")
    shown = browse(f"file://{tmp_path}/page.html", size=(360, 300), scale=1, dark=dark)
    left, right, bottom = (
        round(shown.run(f"document.querySelector('.scroll').getBoundingClientRect().{side}"))
        for side in ("left", "right", "bottom")
    )
    assert right < 360 and shown.run("document.documentElement.scrollWidth") == 360

    def shadows(scrolled: int) -> tuple[bool, bool]:
        shown.run(f"document.querySelector('.scroll').scrollLeft = {scrolled}")
        shown.picture(tmp_path / "seen.png")
        seen = np.asarray(Image.open(tmp_path / "seen.png").convert("L")).astype(int)
        row = seen[bottom - 3 : bottom - 1].mean(0)
        paper = row[2]
        return tuple(
            bool(abs(row[edge] - paper).max() > 20) for edge in (slice(left, left + 6), slice(right - 6, right))
        )

    assert (shadows(0), shadows(200), shadows(900)) == ((False, True), (True, True), (True, False))
