from __future__ import annotations

import gzip
import importlib
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.read import html
from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.settings import Extractor, ReadSettings, Source
from hornbook.corpus.read.sources import Found
from hornbook.errors import UserError

SOURCE = Source(name="s", path=".")
PAGE = (
    "<html><head><title>t</title><meta charset=utf-8></head><body><nav><a href=/>Home</a><a href=/a>About</a></nav>"
    "<article><h1>Bücher</h1>"
    + "<p>Ein Hornbuch war das erste Lehrbuch der Kinder, eine Seite, groß gedruckt, auf Holz.</p>" * 5
    + "</article><footer>Impressum und Kontakt</footer></body></html>"
)


@pytest.mark.parametrize("extractor", ["trafilatura", "resiliparse"])
def test_main_text(extractor: Extractor) -> None:
    pytest.importorskip(extractor)
    text = html.main_text(PAGE, extractor)
    assert "auf Holz." in text
    assert "Home" not in text


def test_a_page_in_a_file(tmp_path: Path) -> None:
    pytest.importorskip("trafilatura")
    (tmp_path / "a.html").write_text(PAGE)
    (tmp_path / "b.htm.gz").write_bytes(gzip.compress(PAGE.encode("cp1252").replace(b"utf-8", b"latin1")))
    for name in ("a.html", "b.htm.gz"):
        (page,) = documents(Found(tmp_path / name, name), SOURCE, ReadSettings())
        assert isinstance(page, Raw)
        assert "groß gedruckt" in "".join(page.blocks)


def test_pages_that_give_nothing(tmp_path: Path) -> None:
    pytest.importorskip("trafilatura")
    contents = {
        "empty.html": (b"", "empty"),
        "blank.html": (b" \n", "only whitespace"),
        "long.html": (b"<p>" + b"x" * 2_000, "too long"),
        "menu.html": (b"<html><body><nav></nav></body></html>", "no main text"),
        "cut.html.gz": (gzip.compress(bytes(range(256)) * 3)[:-20], "corrupt gzip"),
    }
    for name, (content, reason) in contents.items():
        (tmp_path / name).write_bytes(content)
        (bad,) = documents(Found(tmp_path / name, name), SOURCE, ReadSettings(maximum_line=1_000))
        assert isinstance(bad, Bad)
        assert bad.reason == reason


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    html._extractor.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UserError, match="pip install 'hornbook\\[web\\]'"):
        html.main_text(PAGE)
