from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from tests.teacher.answering import Teacher, serving
from typer.testing import CliRunner

from hornbook.commands.grade import grade
from hornbook.commands.write import write
from hornbook.errors import UserError
from hornbook.teacher.client.budget import BudgetError
from hornbook.teacher.kinds.template import available

app = typer.Typer()
app.command()(write)
app.command()(grade)


@pytest.fixture
def start_teacher() -> Iterator[Callable[..., Teacher]]:
    with ExitStack() as stack:
        yield lambda change=None: stack.enter_context(serving(change))


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def asked(tmp_path: Path, start_teacher: Callable[..., Teacher]) -> Callable[..., list[str]]:
    """`asked(teacher)`: the options that name a teacher and a cache of the test's own."""
    return lambda teacher: ["--teacher", f"{teacher.url}#small", "--cache", str(tmp_path / "answers")]


def test_a_corpus_and_again_for_nothing(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    teacher = start_teacher()
    words = ["write", "stories", "--count", "12", "--compare", "4", "--into", str(tmp_path / "out"), *asked(teacher)]
    told = run(*words)
    assert "12 stories by small" in told
    assert "16 of 16 answered" in told
    assert "one fixed prompt" in told
    assert pq.read_table(tmp_path / "out" / "documents").num_rows == 12
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["stage"], manifest["settings"]["count"]) == ("write", 12)
    assert "nothing was asked" in run(*words)
    assert len(teacher.requests) == 16
    more = [word if word != "12" else "14" for word in words]
    with pytest.raises(UserError, match="replace it with --force"):
        run(*more)
    run(*more, "--force")
    assert len(teacher.requests) == 18


def test_a_dry_run_sends_nothing(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    teacher = start_teacher()
    into = tmp_path / "out"
    told = run("write", "textbooks", "--count", "50", "--dry-run", "--into", str(into), *asked(teacher))
    assert "prompt 3 of 50" in told
    assert "50 requests to small" in told
    assert "tree of topics" in told
    assert not teacher.requests
    assert not into.exists()


def test_a_template_and_seeds_of_ones_own(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    run("write", "stories", "--count", "5", "--into", str(tmp_path / "seeds"))
    (tmp_path / "mine.toml").write_text(
        'prompt = "Retell: {page} End {how}."\n[draw.page]\nextract = 400\n[draw.how]\nlists = ["ways"]\n'
        '[text]\ndocument = "{answer}"\n'
    )
    (tmp_path / "ways.txt").write_text("well\nbadly\n")
    teacher, into = start_teacher(), tmp_path / "out"
    options = ["--template", str(tmp_path / "mine.toml"), "--seeds", str(tmp_path / "seeds"), "--count", "4"]
    run("write", "retellings", *options, "--into", str(into), *asked(teacher))
    (first, *_) = pq.read_table(into / "documents").to_pylist()
    assert first["source"] == "retellings"
    assert json.loads(first["seeds"])["documents"]["page"]
    assert "seeds" in json.loads((into / "manifest.json").read_text())["inputs"]


def test_nothing_that_passes_leaves_no_corpus(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    teacher, into = start_teacher(lambda body, said: {**said, "story": "Too short."}), tmp_path / "out"
    words = ["write", "stories", "--count", "2", "--into", str(into), *asked(teacher)]
    for _ in range(2):
        with pytest.raises(UserError, match=r"of 10 rows by small not one passed its checks \(10 too short"):
            run(*words)
        assert not into.exists()
    assert len(teacher.requests) == 10


def test_fewer_than_wanted_and_nobody_asked_are_told(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    places = itertools.count()

    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        return said if next(places) < 2 else {**said, "story": "Too short."}

    teacher = start_teacher(change)
    words = ["write", "stories", "--count", "4", *asked(teacher)]
    assert "2 fewer than wanted: 20 rows were asked for" in (told := run(*words, "--into", str(tmp_path / "a")))
    assert "was not asked" not in told
    assert f"all from the cache; {teacher.url} was not asked" in run(*words, "--into", str(tmp_path / "b"))


def test_budgets(tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]) -> None:
    teacher, into = start_teacher(), tmp_path / "out"
    words = ["write", "stories", "--count", "9", "--into", str(into), *asked(teacher)]
    with pytest.raises(BudgetError, match="the same command goes on"):
        run(*words, "--budget-requests", "4")
    assert not into.exists()
    run(*words)
    assert len(teacher.requests) == 9


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["textbooks"], "who writes textbooks"),
        (["textbooks", "--teacher", "builtin"], "the built-in teacher writes stories"),
        (["stories", "--dry-run"], "--dry-run needs --teacher"),
        (["stories", "--model", "tiny"], "--model needs --teacher"),
        (["stories", "--cache", "answers"], "--cache needs --teacher"),
        (["facts", "--budget-requests", "0"], "--budget-requests needs --teacher"),
        (["facts", "--budget-money", "2.5"], "--budget-money needs --teacher"),
        (["storys"], "there is no kind 'storys'"),
        (["stories", "--teacher", "localhost#x"], "is not the address of a teacher"),
        (["stories", "--seeds", "nowhere"], "nowhere is not a corpus"),
    ],
)
def test_mistakes(words: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run("write", *words, "--into", str(tmp_path / "out"))
    assert told in str(caught.value)


@pytest.mark.parametrize("words", [["stories.toml"], ["stories.toml", "--teacher", "builtin"]])
def test_the_builtin_teacher_reads_no_templates(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stories.toml").write_text(available()["stories"].read_text())
    with pytest.raises(UserError, match=r"reads no templates; for stories\.toml name an LLM"):
        run("write", *words, "--into", "out")


def test_a_folder_with_something_else_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UserError, match="is no folder of `hornbook write`"):
        run("write", "stories", "--count", "3", "--into", str(tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "precious"


def grades(body: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """More than half of the documents earn a point for each plot that the teacher likes."""
    text = body["messages"][-1]["content"]
    return {"reason": "seen", "score": 4 if "friend" in text else 1}


def test_a_teacher_grades(
    tmp_path: Path, start_teacher: Callable[..., Teacher], asked: Callable[..., list[str]]
) -> None:
    run("write", "stories", "--count", "80", "--into", str(tmp_path / "corpus"))
    teacher = start_teacher(grades)
    words = ["grade", str(tmp_path / "corpus"), "--sample", "60", "--into", str(tmp_path / "out"), *asked(teacher)]
    assert "prompt 3 of 60" in run(*words, "--dry-run")
    assert not teacher.requests
    told = run(*words)
    assert "60 documents graded by small (educational)" in told
    assert len(teacher.requests) == 60
    scores = pq.read_table(tmp_path / "out" / "documents")["score"].to_pylist()
    assert len(scores) == 80
    assert min(scores) < 2.5 < max(scores)
    assert "nothing was asked" in run(*words)
    run(*words, "--threshold", "4", "--force")  # other settings: graded again out of the cache
    assert len(teacher.requests) == 60


def test_the_builtin_teacher_grades(tmp_path: Path) -> None:
    run("write", "stories", "--count", "60", "--into", str(tmp_path / "corpus"))
    told = run("grade", str(tmp_path / "corpus"), "--sample", "50", "--into", str(tmp_path / "out"))
    assert "50 documents graded by builtin" in told
    with pytest.raises(UserError, match="--dry-run needs"):
        run("grade", str(tmp_path / "corpus"), "--dry-run")


@pytest.mark.parametrize("command", [["write", "textbooks", "--dry-run"], ["grade", "corpus", "--dry-run"]])
def test_teachers_of_two_models_are_told_in_one_line(command: list[str]) -> None:
    with pytest.raises(UserError, match="share the load of one model") as caught:
        run(*command, "--teacher", "http://a/v1#a", "--teacher", "http://b/v1#b")
    assert "\n" not in str(caught.value)
