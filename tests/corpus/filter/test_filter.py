from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus import filter as filtering
from hornbook.corpus.filter import filter_corpus
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.documents import document_id
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.recipe import load, locate

Make = Callable[..., Path]
Rows = Callable[[Path], list[dict[str, Any]]]

ENGLISH = "The children of house {} went down to the river, and that evening they wrote to {}@company.com about it."
GERMAN = "Die Kinder aus Haus {} gingen hinunter zum Fluss, weil der Abend noch warm war, und blieben lange."

CODE = "def f(x, y, z):\n    total = x + y + z\n    return total"


def row(text: str, path: str = "a.txt") -> dict[str, Any]:
    return {"id": document_id(text), "text": text, "source": "s", "path": path, "page": 3}


def run(corpus: Path, into: Path, **settings: Any) -> dict[str, Any]:
    return filter_corpus(corpus, FilterSettings.model_validate(settings), into=into, progress=Progress())


@pytest.fixture
def corpus(tmp_path: Path, make_corpus: Make) -> Path:
    rows = [row((GERMAN if n % 2 else ENGLISH).format(n, f"n{n}")) for n in range(200)]
    rows[4] = row("And then the children went home.")
    rows[6] = row(CODE, "sub/f.py#2")
    return make_corpus(tmp_path / "raw", rows, files=4)


def test_everything_at_once(corpus: Path, tmp_path: Path, rows_of: Rows) -> None:
    pytest.importorskip("py3langid")
    figures = run(
        corpus,
        tmp_path / "out",
        language={"keep": ["en", "code"]},
        heuristics={"rules": ["gopher.few_words"], "limits": {"gopher.few_words": 7}},
        privacy={"mask": ["email"]},
    )
    kept = rows_of(tmp_path / "out/documents")
    removed = rows_of(tmp_path / "out/removed")
    assert figures["read"] == 200 == len(kept) + len(removed)
    assert figures["documents"] == len(kept) == 99
    assert figures["characters"] == sum(len(one["text"]) for one in kept)
    assert figures["removed"] == {"gopher.few_words": 1, "language not wanted": 100}
    assert figures["masked"] == {"email": 98}
    assert figures["languages"]["code"] == len(CODE)
    assert {one["reason"] for one in removed} == set(figures["removed"])
    assert {one["language"] for one in kept} == {"en", "code"}
    for one in kept:
        assert one["id"] == document_id(one["text"])
        assert (one["original"] == one["id"]) == ("[EMAIL]" not in one["text"])
        assert one["page"] == 3


def test_rules_may_be_put_to_some_sources_alone(tmp_path: Path, make_corpus: Make, rows_of: Rows) -> None:
    texts = {"web": "too few words", "code": "x = 1", "prose": "short"}
    rows = [{"id": document_id(text), "text": text, "source": name, "path": name} for name, text in texts.items()]
    folder = make_corpus(tmp_path / "raw", rows, files=1)
    figures = run(folder, tmp_path / "out", heuristics={"rules": ["gopher.few_words"], "sources": ["web", "prose"]})
    assert [row["source"] for row in rows_of(tmp_path / "out/documents")] == ["code"]
    assert figures["removed"] == {"gopher.few_words": 2}
    with pytest.raises(
        UserError, match=r"filter.heuristics.sources: no document comes from 'wbe' \(did you mean 'web'"
    ):
        run(folder, tmp_path / "none", heuristics={"rules": ["gopher.few_words"], "sources": ["wbe"]})


def test_languages_are_held_to_their_shares(corpus: Path, tmp_path: Path, rows_of: Rows) -> None:
    pytest.importorskip("py3langid")
    figures = run(corpus, tmp_path / "out", language={"shares": {"en": 1.0, "code": 1.0, "*": 0.1}})
    kept = rows_of(tmp_path / "out/documents")
    german = sum(len(one["text"]) for one in kept if one["language"] == "de")
    assert 0.07 < german / figures["characters"] <= 0.1
    assert figures["characters"] == sum(len(one["text"]) for one in kept)
    assert figures["languages"]["de"] == german
    assert figures["removed"] == {"language share full": 200 - len(kept)}
    assert figures["documents"] == len(kept)
    with pytest.raises(UserError, match="can't be met"):
        run(corpus, tmp_path / "never", language={"shares": {"*": 0.5}})


def test_languages_are_held_to_their_shares_whatever_ids_are(
    corpus: Path, tmp_path: Path, make_corpus: Make, rows_of: Rows
) -> None:
    pytest.importorskip("py3langid")
    rows = [row | {"id": f"web/{number}"} for number, row in enumerate(rows_of(corpus / "documents"))]
    figures = run(make_corpus(tmp_path / "other", rows, files=1), tmp_path / "out", language={"shares": {"de": 0.2}})
    assert 0.1 < figures["languages"]["de"] / figures["characters"] <= 0.2


def test_the_same_documents_however_they_are_spread(
    corpus: Path, tmp_path: Path, make_corpus: Make, rows_of: Rows
) -> None:
    pytest.importorskip("py3langid")
    rows = rows_of(corpus / "documents")
    other = make_corpus(tmp_path / "other", rows[::-1], files=1)
    settings = {"language": {"shares": {"de": 0.2}}, "privacy": {"mask": ["email"]}}
    one, two = (run(folder, tmp_path / f"out-{folder.name}", **settings) for folder in (corpus, other))
    assert one == two
    kept = [sorted(row["id"] for row in rows_of(tmp_path / f"out-{name}/documents")) for name in ("raw", "other")]
    assert kept[0] == kept[1]


def test_what_was_done_before_an_interruption_is_not_done_again(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"heuristics": {"rules": ["gopher.few_words"], "limits": {"gopher.few_words": 7}}}
    whole = run(corpus, tmp_path / "whole", **settings)
    done: list[str] = []
    once = filtering._filter_shard

    def interrupted(shard: Any, *rest: Any) -> Any:
        done.append(shard.path.name)
        if len(done) == 3:
            raise KeyboardInterrupt
        return once(shard, *rest)

    monkeypatch.setattr(filtering, "_filter_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "out", **settings)
    assert run(corpus, tmp_path / "out", **settings) == whole
    assert done == [f"part-0000{n}.parquet" for n in (0, 1, 2, 2, 3)]
    for part in ("documents", "removed"):
        files = [sorted((tmp_path / name / part).iterdir()) for name in ("whole", "out")]
        assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_other_settings_are_not_taken_for_done(corpus: Path, tmp_path: Path) -> None:
    assert run(corpus, tmp_path / "out", privacy={"mask": ["ip"]})["masked"] == {}
    assert run(corpus, tmp_path / "out", privacy={"mask": ["email"]})["masked"] == {"email": 98}


def test_nothing_left_is_an_error(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"leave no document of .*: 200 gopher.few_words"):
        run(corpus, tmp_path / "out", heuristics={"rules": ["gopher.few_words"]})


def test_a_recipe_that_filters_has_the_stage_and_others_have_not(tmp_path: Path) -> None:
    path = locate("pocket")[1]
    plain = [step.name for step in load(path).steps(tmp_path)]
    asked = load(path, ['filter.heuristics.rules=["gopher"]'])
    planned = asked.steps(tmp_path)
    assert "filter" not in plain
    assert [stage.name for stage in planned] == ["read", "filter", *plain[1:]]
    assert {stage.name: stage.inputs for stage in planned}["grade"] == ("filter",)
