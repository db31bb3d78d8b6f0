"""`hornbook grade` with labels, a classifier, and shares: what a user reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.commands import grade
from hornbook.commands.grade import _shares
from hornbook.documents import CorpusWriter, document_id, document_schema
from hornbook.errors import UserError


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Code that the built-in teacher likes, and web text that it was not made for and likes less."""
    monkeypatch.chdir(tmp_path)
    lines = ["id,score"]
    with CorpusWriter(Path("corpus"), document_schema()) as made:
        for number in range(200):
            web = number % 2 == 0
            text = f"A page about the {number} lanterns of the harbour. " * 3
            if not web:
                text = (
                    f'def lantern_{number}(wind):\n    """Return the light, because the wind takes some of it.\n\n'
                    f'    >>> lantern_{number}(1)\n    {number}\n    """\n    # It is linear so that it can be summed.\n'
                    f"    return {number} * wind\n\n\n" * 3
                )
            lines.append(f"{document_id(text)},{4 if web else 1}")
            made.keep({"id": document_id(text), "text": text, "source": "web" if web else "code", "path": f"{number}"})
    Path("labels.csv").write_text("\n".join(lines))
    return Path("corpus")


def told(*words: str) -> str:
    done = CliRunner().invoke(app, ["grade", "corpus", *words], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def test_a_share_of_all_that_costs_a_source_everything_is_told(corpus: Path) -> None:
    output = told("--share", "0.5", "--sample", "100", "--workers", "1")
    assert "web: 0 of 100 kept (0%)" in output
    assert "code: 100 of 100 kept (100%)" in output
    assert "warning: web is nearly gone: 0 of 100 documents are kept" in output
    assert "documents graded of web are neither" in output
    assert output.index("kappa") < output.index("F1") < output.index("calling everything so has")
    output = told("--share", "web=0.3", "--share", "*=0.5", "--into", "fair", "--sample", "100", "--workers", "1")
    assert "web: 30 of 100 kept (30%)" in output
    assert "nearly gone" not in output


def test_labels_then_the_classifier_alone(corpus: Path) -> None:
    output = told("--labels", "labels.csv", "--into", "mine", "--workers", "1")
    assert "200 documents graded by labels of labels.csv (0 failed): 100 x 1, 100 x 4." in output
    assert "warning" not in output
    output = told("--classifier", "mine", "--drop", "--into", "applied", "--workers", "1")
    assert "by a classifier that learned 200 grades of labels of labels.csv" in output
    assert "web: 100 of 100 kept" in output and "code: 0 of 100 kept" in output


def test_only_one_may_grade(corpus: Path) -> None:
    done = CliRunner().invoke(app, ["grade", "corpus", "--labels", "labels.csv", "--classifier", "x"])
    assert str(done.exception) == "--labels and --classifier both grade: use one of them"


def test_shares_of_the_command_line() -> None:
    assert _shares(None) is None
    assert _shares(["0.5"]) == 0.5
    assert _shares(["web=0.3", "*=0.5"]) == {"web": 0.3, "*": 0.5}
    for words in (["half"], ["web=half"], ["=0.5"], ["0.5", "web=0.3"], ["0.5", "0.6"]):
        with pytest.raises(UserError, match="share"):
            _shares(words)


def test_settings_of_a_teacher_that_is_named_by_its_address(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(grade, "run_stage", lambda stage, settings, *_, **__: seen.append(settings) or sys.exit(0))
    words = ["--teacher", "http://localhost:1/v1#tiny", "--budget-requests", "5"]
    done = CliRunner().invoke(app, ["grade", "corpus", "teacher.timeout=600", "teacher.rubric=code", *words])
    assert done.exit_code == 0, done.output
    teacher = seen[0].teacher
    assert (teacher.timeout, teacher.rubric, teacher.budget.requests) == (600, "code", 5)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "tiny"], "--model needs --teacher"),
        (["--budget-requests", "0"], "--budget-requests needs --teacher"),
        (["--rubric", "code"], "--rubric needs --teacher"),
        (["--labels", "labels.csv", "--cache", "answers"], "--cache needs --teacher"),
        (["--dry-run"], "--dry-run needs --teacher"),
        (["--teacher", "http://localhost:1/v1#a", "classifier=mine"], "--teacher and classifier both grade"),
        (["--teacher", "builtin", "labels=labels.csv"], "--teacher and labels both grade"),
        (["--labels", "x", "teacher.endpoints=['http://localhost:1/v1#a']"], "teacher.endpoints and labels both grade"),
        (["--teacher", "builtin", "teacher.endpoints=['http://localhost:1/v1#a']"], "--teacher builtin asks no LLM"),
        (["--share", "0.5", "share={web=0.3}"], "not both: use one of them"),
        (["--share", "web=0.5", "share=0.3"], "not both: use one of them"),
    ],
)
def test_nothing_is_passed_over(words: list[str], expected: str, corpus: Path) -> None:
    done = CliRunner().invoke(app, ["grade", "corpus", *words])
    assert isinstance(done.exception, UserError)
    assert expected in str(done.exception)


def test_shares_of_both_kinds_are_held_to_together(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(grade, "run_stage", lambda stage, settings, *_, **__: seen.append(settings) or sys.exit(0))
    done = CliRunner().invoke(app, ["grade", "corpus", "--share", "code=0.5", "share={web=0.3, code=0.1}"])
    assert done.exit_code == 0, done.output
    assert seen[0].grade.share == {"web": 0.3, "code": 0.5}


def test_a_dry_run_of_endpoints_that_settings_name(corpus: Path) -> None:
    words = ["--dry-run", "--sample", "5", "--budget-requests", "7", "teacher.endpoints=['http://localhost:1/v1#tiny']"]
    assert "5 requests to tiny" in told(*words)


def test_a_corpus_of_which_nothing_is_left_is_no_corpus(corpus: Path) -> None:
    with CorpusWriter(Path("poor"), document_schema()) as made:
        for number in range(3):
            text = f"x{number} = {number}\n"
            made.keep({"id": document_id(text), "text": text, "source": "code", "path": f"{number}"})
    done = CliRunner().invoke(app, ["grade", "poor", "--drop", "--workers", "1"])
    assert isinstance(done.exception, UserError)
    assert "no document has a score that is enough" in str(done.exception)
