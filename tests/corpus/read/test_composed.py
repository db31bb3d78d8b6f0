from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.formats import Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source


def read(file: Path) -> list[tuple[str, str]]:
    found = documents(Found(file, file.name), Source(name="s", path="."), ReadSettings())
    return [
        (one.path, "".join(one.blocks) if isinstance(one, Raw) else f"!{getattr(one, 'reason', '')}") for one in found
    ]


def cell(kind: str, source: str | list[str]) -> dict[str, object]:
    return {"cell_type": kind, "metadata": {}, "source": source, "outputs": [{"text": "no"}]}


def test_a_notebook_is_markdown(tmp_path: Path) -> None:
    cells = [cell("markdown", ["# Title\n", "text"]), cell("code", "x = 1\n"), cell("code", []), cell("raw", "raw")]
    for name, value, language in (
        ("a", {"cells": cells, "metadata": {"language_info": {"name": "julia"}}, "nbformat": 4}, "julia"),
        ("b", {"cells": cells, "metadata": {}}, "python"),
        ("c", {"worksheets": [{"cells": [*cells[:1], {"cell_type": "code", "input": "x = 1"}, cells[3]]}]}, "python"),
    ):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(value))
        expected = f"# Title\ntext\n\n```{language}\nx = 1\n```\n\nraw"
        assert read(tmp_path / f"{name}.ipynb") == [(f"{name}.ipynb", expected)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("{", "broken JSON"),
        ("[]", "broken notebook"),
        ('{"cells": 3}', "broken notebook"),
        ('{"cells": []}', "empty"),
        ('{"worksheets": [{"cells": 5}]}', "broken notebook"),
        ('{"worksheets": [5, {"cells": [5, {"input": {"a": 1}}, {"input": [1, null]}]}]}', "empty"),
        ('{"worksheets": 5, "cells": true}', "broken notebook"),
        ('{"cells": [3, {"source": null}], "metadata": 3}', "empty"),
        (json.dumps({"cells": [cell("code", "half \ud800")]}), "invalid Unicode"),
    ],
)
def test_a_notebook_that_is_none(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.ipynb").write_text(content)
    assert read(tmp_path / "a.ipynb") == [("a.ipynb", f"!{reason}")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda some: (
        st.lists(some, max_size=3)
        | st.dictionaries(st.sampled_from(["cells", "source", "input", "metadata", "language_info", "name"]), some)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["worksheets", "cells", "metadata"]), JSON, min_size=1))
def test_any_json_is_a_notebook_or_told(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    file = tmp_path_factory.mktemp("notebook") / "a.ipynb"
    file.write_text(json.dumps(value))
    assert len(read(file)) == 1


def pdf(*lines: str) -> bytes:
    """A PDF with a page for each line, as small as can be."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for line in lines:
        stream = f"BT /F1 12 Tf 72 720 Td ({line}) Tj ET".encode()
        objects.append(b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream))
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % len(objects)
        )
    objects[1] = b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(kids), b" ".join(kids))
    out, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%b endobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table) + end


def test_a_pdf_is_its_pages(tmp_path: Path) -> None:
    pytest.importorskip("pypdf")
    (tmp_path / "a.pdf").write_bytes(pdf("The first page.", "The second page."))
    assert read(tmp_path / "a.pdf") == [("a.pdf", "The first page.\n\nThe second page.")]
    (tmp_path / "b.pdf").write_bytes(pdf(""))
    assert read(tmp_path / "b.pdf") == [("b.pdf", "!no text")]
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert read(tmp_path / "c.pdf") == [("c.pdf", "!corrupt PDF")]


def test_without_the_library_a_pdf_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    (tmp_path / "a.pdf").write_bytes(pdf("text"))
    (found,) = documents(Found(tmp_path / "a.pdf", "a.pdf"), Source(name="s", path="."), ReadSettings())
    assert (getattr(found, "reason", ""), getattr(found, "detail", "")) == ("PDF needs pypdf", "pip install pypdf")
