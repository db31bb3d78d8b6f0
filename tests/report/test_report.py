from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hornbook.evaluate.benchmark import Benchmark
from hornbook.evaluate.evaluate import BENCHMARKS
from hornbook.report import sections, terminal
from hornbook.report.figures import collect
from hornbook.report.report import SECTIONS, report
from hornbook.report.run import Run

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "use", "circle", "rect", "line"}


class Page(HTMLParser):
    """Checks that tags nest, and keeps what tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def sections(self) -> list[str | None]:
        return [attributes["id"] for tag, attributes in self.tags if tag == "section"]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def written(folders: dict[str, Path], into: Path) -> str:
    report("pocket <b>", "made & tested", folders, into=into)
    return (into / "report.html").read_text(encoding="utf-8")


def test_a_whole_run_fills_every_section(whole_page):
    page = Page(whole_page)
    of_other_recipes = {"samples", "texts", "longrope", "exam", "control", "questions"}
    assert page.sections == [section.name for section in SECTIONS if section.name not in of_other_recipes]
    assert "75.0%" in page.words
    assert "pocket <b>" in page.words
    assert "Why phase 1 alone is near zero" in page.words


def test_a_further_benchmark_is_shown_by_its_declaration(make_run, figures, tmp_path, monkeypatch):
    further = Benchmark(
        "rhymes",
        lambda held_out, settings: None,
        lambda subject, items: None,
        columns=("rhymes",),
        cells=lambda scores: (f"{scores['found']} found",),
        legend="rhymes: lines that rhyme",
    )
    monkeypatch.setattr(sections.scores, "BENCHMARKS", (*BENCHMARKS, further))
    monkeypatch.setattr(terminal, "BENCHMARKS", (*BENCHMARKS, further))
    figures["evaluate"]["models"]["sft"]["rhymes"] = {"found": 17}
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "rhymes" in page.words
    assert "17 found" in page.words
    output = io.StringIO()
    table = terminal.score_table(collect(tmp_path / "run"), Run.at(tmp_path / "run").titles)
    Console(file=output, width=80).print(table)
    assert "17 found" in output.getvalue()
    assert "rhymes: lines that rhyme" in output.getvalue()


def test_the_figures_are_the_size_of_the_page(make_run, tmp_path):
    figures = report("a", "b", make_run(), into=tmp_path / "out")
    assert figures == {"bytes": (tmp_path / "out" / "report.html").stat().st_size}
    assert figures["bytes"] < 1_500_000


def test_nothing_from_models_or_documents_is_markup(whole_page):
    assert "<script" not in whole_page
    assert whole_page.count("&lt;script&gt;") > 10
    assert "<b>pocket" not in whole_page and "pocket <b>" not in whole_page


def test_it_asks_nothing_of_the_network(whole_page):
    page = Page(whole_page)
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, name)
        assert tag not in {"script", "iframe", "object", "embed", "link"}
    assert not re.search(r"url\((?!#)", whole_page) and "@import" not in whole_page
    assert not re.search(r"https?://", whole_page)


def test_ids_are_unique_and_anchors_lead_somewhere(whole_page):
    page = Page(whole_page)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [value[1:] for _, attributes in page.tags if (value := attributes.get("href") or "").startswith("#")]
    assert set(targets) <= set(ids)


def test_drawings_are_described_and_take_the_pages_colours(whole_page):
    drawings = [attributes for tag, attributes in Page(whole_page).tags if tag == "svg"]
    assert len(drawings) == 4
    assert all(one["role"] == "img" and one["aria-label"] for one in drawings)
    body = whole_page[whole_page.index("</style>") :]
    assert "var(--one)" in body
    assert not re.search(r"#(010203|040506|070809|0a0b0c)", body)


def test_equal_runs_make_equal_bytes_wherever_they_lie(make_run, tmp_path, whole_page):
    backwards = dict(reversed(make_run(folder="elsewhere").items()))
    again = written(backwards, tmp_path / "out")
    assert again == whole_page
    assert str(tmp_path) not in again


def test_headings_do_not_skip_a_level(whole_page):
    page = Page(whole_page)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


@pytest.mark.parametrize("stage", ["read", "grade", "write", "clean", "tokens", "pretrain", "evaluate", "quantize"])
def test_a_run_without_one_stage(make_run, figures, tmp_path, stage):
    del figures[stage]
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "chain" in page.sections


def test_what_rounding_costs_stands_beside_the_sizes(make_run, figures, tmp_path, whole_page):
    assert "held-out tokens perplexity" not in Page(whole_page).words
    quality = {"perplexity_before": 9.5, "perplexity_after": 9.75, "kl": 0.0125, "top1": 0.925, "tokens": 1234}
    figures["quantize"]["quality"] = quality
    words = Page(written(make_run(figures), tmp_path / "out")).words
    assert "On 1,234 held-out tokens perplexity goes from 9.50 to 9.75" in words
    assert "0.0125 nats a token from the original's (KL divergence), and 92.5%" in words


def test_only_the_beginning_of_a_run(make_run, figures, tmp_path):
    page = Page(written(make_run({"read": figures["read"]}), tmp_path / "out"))
    assert page.sections == ["costs", "reproduce", "chain"]


def test_stages_without_figures(make_run, figures, tmp_path):
    empty: dict[str, Any] = {stage: {} for stage in figures}
    folders = make_run(empty)
    assert "reproduce" in Page(written(folders, tmp_path / "out")).sections


def test_nothing_removed_and_no_examples(make_run, figures, tmp_path):
    figures["clean"].update(removed={}, examples={}, sources={}, fine_tuning={})
    figures["grade"].update(examples={"best": [], "worst": []}, agreement={}, histogram={}, grades={})
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "Nothing was dropped here." in page.words
    assert "Graded highest" not in page.words


def test_checkpoints_with_other_names_and_without_some_scores(make_run, figures, tmp_path):
    models = figures["evaluate"]["models"]
    models["merged"] = models.pop("phase1")
    del models["dpo"]["chat"], models["dpo"]["refusals"], models["dpo"]["validation_loss"]
    folders = make_run(figures)
    (folders["evaluate"] / "phase1.json").rename(folders["evaluate"] / "merged.json")
    page = Page(written(folders, tmp_path / "out"))
    assert "merged" in page.words
    assert "Why phase 1" not in page.words


def test_answers_that_are_not_there(make_run, tmp_path):
    folders = make_run()
    for stage in ("evaluate", "quantize"):
        for path in folders[stage].glob("*.json"):
            if path.name != "manifest.json":
                path.unlink()
    sections = Page(written(folders, tmp_path / "out")).sections
    assert "scores" in sections and "answers" not in sections and "refusals" not in sections


def test_checkpoints_that_answered_different_problems(make_run, tmp_path):
    folders = make_run()
    path = folders["evaluate"] / "phase1.json"
    path.write_text(path.read_text().replace('"double-', '"other-'))
    page = Page(written(folders, tmp_path / "out"))
    assert "scores" in page.sections and "answers" in page.sections


def test_many_sources(make_run, figures, tmp_path):
    figures["grade"]["histogram"]["counts"] = {f"source{n}": [n, 1] for n in range(9)}
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "6 more" in page.words


def test_a_broken_chain_is_told(make_run, figures, tmp_path):
    folders = make_run()
    assert "The chain is broken" not in Page(written(folders, tmp_path / "out")).words
    path = folders["clean"] / "manifest.json"
    path.write_text(path.read_text().replace("clean/model.safetensors", "clean/changed.safetensors"))
    words = Page(written(folders, tmp_path / "out")).words
    assert "The chain is broken: dpo, sft and tokens read something else" in words
    assert "✗ differs" in words


def test_documents_lead_back_to_paths(whole_page):
    words = Page(whole_page).words
    assert "library · first.py" in words
    assert words.index("first.py") < words.index("second.py")


def test_what_should_make_one_careful_is_told(make_run, figures, tmp_path):
    figures["grade"]["not_made_for"] = {"manual": [2, 2]}
    figures["clean"]["sources"]["manual"] = {"read": 90, "documents": 0, "near duplicate": 90}
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "2 of 2 documents graded of manual are neither" in page.words
    assert "the clean stage kept 0 of 90 documents of manual" in page.words


def test_scores_of_a_classifier_that_was_learned_before(make_run, figures, tmp_path):
    applied = figures["grade"]
    for name in ("grades", "examples", "grader"):
        del applied[name]
    applied.update(graded=0, held_out=0, learned={"grader": "labels of mine.csv", "graded": 40})
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "had learned 40 grades of labels of mine.csv" in page.words


def test_the_summary_tells_how_many_documents_training_read(make_run, figures, tmp_path):
    """Not all that were read from disk became the model."""
    part = figures["tokens"]["phases"]["phase1"][0]
    figures["tokens"]["phases"]["phase2"] = [
        part | {"sources": ["library"], "documents": 31},
        part | {"sources": ["exercises"], "documents": 994},
    ]
    figures["pretrain"]["mixture"]["phase2"] = [
        {"sources": ["library"], "rows": 4, "epochs": 1.5},
        {"sources": ["exercises"], "rows": 4, "epochs": 0.7},
    ]
    page = Page(written(make_run(figures), tmp_path / "out"))
    assert "9 documents and 4 exercises were gone through, in" in page.words
    assert "phase 1 read 2 of them, phase 2 read up to 1,025: a model of 1,234 parameters." in page.words
