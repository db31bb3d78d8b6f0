from __future__ import annotations

from pathlib import Path
from typing import Any

from hornbook.corpus.by_source import Kept, counts_by_source, kept_by_source, nearly_gone
from hornbook.documents import CorpusWriter, document_schema


def test_counts_of_what_is_there_and_what_went(tmp_path: Path) -> None:
    with CorpusWriter(tmp_path, document_schema()) as corpus:
        for number in range(5):
            corpus.keep({"id": str(number), "text": "a", "source": "web" if number < 2 else None})
        corpus.drop({"id": "x", "text": "b", "source": "web"}, "short")
        corpus.drop({"id": "y", "text": "b", "source": "books"}, "short")
        corpus.drop({"id": "z", "text": "b", "source": "books"}, "copy")
    assert counts_by_source(tmp_path) == {
        "": {"read": 3, "documents": 3},
        "books": {"read": 2, "documents": 0, "copy": 1, "short": 1},
        "web": {"read": 3, "documents": 2, "short": 1},
    }


def test_a_corpus_that_others_made_has_lost_nothing(tmp_path: Path, make_corpus: Any) -> None:
    corpus = make_corpus(tmp_path / "corpus", [{"id": "1", "text": "a", "source": "web"}])
    assert counts_by_source(corpus) == {"web": {"read": 1, "documents": 1}}


def test_a_source_that_is_nearly_gone() -> None:
    counts = {"web": {"read": 180, "documents": 0}, "books": {"read": 377, "documents": 125}}
    figures: dict[str, Any] = {"sources": {**counts, "code": {"read": 1151, "documents": 729}}}
    assert nearly_gone(figures) == [Kept("web", 180, 0)]
    shares = {"web": 0.02, "books": 0.5}
    asked = {"sources": {"web": {"read": 1000, "documents": 20}, "books": {"read": 1000, "documents": 20}}}
    assert [one.source for one in nearly_gone({**asked, "asked": shares})] == ["books"]


def test_what_reading_left_out_counts_too() -> None:
    figures = {"sources": {"web": {"files": 3, "documents": 0, "characters": 0, "bytes": 0, "removed": 12}}}
    assert kept_by_source(figures) == nearly_gone(figures) == [Kept("web", 12, 0)]
    assert kept_by_source({}) == kept_by_source({"sources": {"a": 3}}) == []
