from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.runs.manifest import outputs
from hornbook.teacher.builtin.texts import SOURCES
from hornbook.teacher.kinds.source import Order
from hornbook.teacher.kinds.template import available, load
from hornbook.teacher.settings import BUILTIN_KINDS
from hornbook.teacher.texts import write_kind


def test_a_corpus_of_stories(tmp_path: Path) -> None:
    order = Order(load("stories"), 60, source="tales", compare=20)
    figures = write_kind(order, None, into=tmp_path / "a", progress=Progress())
    write_kind(order, None, into=tmp_path / "b", progress=Progress())
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")
    rows = pq.read_table(tmp_path / "a" / "documents").to_pylist()
    assert figures["documents"] == len(rows) == 60
    assert {row["source"] for row in rows} == {"tales"}
    assert {"verb", "noun", "adjective", "plot"} <= json.loads(rows[0]["seeds"]).keys()
    assert figures["diversity"]["fixed"]["texts"] == 20
    assert 30 < figures["coverage"]["verb"]["used"] <= figures["coverage"]["verb"]["of"]


def test_a_corpus_of_facts(tmp_path: Path) -> None:
    figures = write_kind(Order(load("facts"), 60, compare=20), None, into=tmp_path, progress=Progress())
    rows = pq.read_table(tmp_path / "documents").to_pylist()
    assert figures["documents"] == len({row["text"] for row in rows}) == 60
    assert figures["coverage"]["day"]["used"] == 60
    assert figures["diversity"]["drawn"]["near_duplicates"] == 0


def test_a_changed_template_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "facts.toml").write_text(available()["facts"].read_text())
    order = Order(load("facts", tmp_path), 6)
    with pytest.raises(UserError, match=r"the built-in teacher reads no templates; for .*facts\.toml name an LLM"):
        write_kind(order, None, into=tmp_path / "out", progress=Progress())


def test_only_what_it_can(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the built-in teacher writes stories, facts; for textbooks name an LLM"):
        write_kind(Order(load("textbooks"), 1), None, into=tmp_path, progress=Progress())


def test_what_it_can_is_known_without_importing_it() -> None:
    assert tuple(SOURCES) == BUILTIN_KINDS
