from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from tests.audit.rephrasings.conftest import noise, say
from tests.audit.rephrasings.embedding_server import EmbeddingServer
from tests.audit.rephrasings.embedding_server import serving as embedding
from tests.audit.rephrasings.told_again import QUESTIONS, WAYS
from tests.teacher.answering import serving
from typer.testing import CliRunner

from hornbook.commands.audit import audit
from hornbook.commands.trace import trace
from hornbook.errors import UserError
from hornbook.runs.manifest import Manifest

QUESTION = "Which of the seven wandering lanterns did the keeper of the harbour museum lend to the baker of the island?"


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(audit)
    made.command()(trace)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "01-read"
    (folder / "documents").mkdir(parents=True)
    rows = [{"id": "abcdef", "text": f"So: {QUESTION}", "source": "web", "path": "a.txt"}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")
    Manifest("read", "", {}, {}, "", {}, 0.0, 0, {}).write(folder)
    return folder.parent


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    (tmp_path / "benchmarks").mkdir()
    rows = [
        {"question": QUESTION, "choices": ["red", "blue"], "gold": 1},
        {"question": "Who?", "choices": ["a", "b"], "gold": 0},
    ]
    (tmp_path / "benchmarks" / "quiz.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "benchmarks"


def call(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_corpus(app: typer.Typer, run: Path, benchmarks: Path, tmp_path: Path) -> None:
    told = call(app, "audit", run, "--against", benchmarks, "--into", tmp_path / "out")
    assert "1 of 2 items found, in 1 document." in told
    assert "wandering lanterns" in (tmp_path / "out/audit.html").read_text()
    figures = json.loads((tmp_path / "out/audit.json").read_text())
    assert figures["corpus"]["benchmarks"][0]["hits"][0]["document"] == "abcdef"
    assert figures["model"] is None


def test_a_model(
    app: typer.Typer, run: Path, benchmarks: Path, tmp_path: Path, make_checkpoint: Callable[..., tuple[Any, Path]]
) -> None:
    _, model = make_checkpoint(1)
    call(
        app,
        "audit",
        model,
        "--against",
        benchmarks,
        "--corpus",
        run,
        "--unseen",
        benchmarks,
        "--into",
        tmp_path / "out",
    )
    (row,) = json.loads((tmp_path / "out/audit.json").read_text())["model"]["benchmarks"]
    assert (row["score"]["of"], row["split"][0]["similar"]["of"], row["unseen"]["auc"]) == (2, 1, 0.5)
    call(app, "audit", model, "--against", benchmarks, "--into", tmp_path / "alone")
    assert json.loads((tmp_path / "alone/audit.json").read_text())["corpus"] is None


def test_what_does_not_go_together(app: typer.Typer, run: Path, benchmarks: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="go with a model"):
        call(app, "audit", run, "--against", benchmarks, "--corpus", run)
    with pytest.raises(UserError, match="does not exist"):
        call(app, "audit", run, "--against", tmp_path / "nowhere")


def test_a_trace(app: typer.Typer, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = call(app, "trace", "abcd", run)
    assert "abcdef" in told
    assert "a.txt" in told
    assert "wandering lanterns" in told
    (run / "02-grade" / "documents").mkdir(parents=True)
    row = {"id": "abcdef", "text": "So", "source": "web", "path": "a.txt", "score": 3.5, "note": "long\n" * 99}
    pq.write_table(pa.Table.from_pylist([row]), run / "02-grade" / "documents" / "part-00000.parquet")
    Manifest("grade", "", {}, {}, "", {}, 0.0, 0, {}).write(run / "02-grade")
    told = call(app, "trace", "abcd", run)
    assert told.count("path: a.txt") == 1 and "score: 3.5" in told, "a step shows what is new"
    assert max(map(len, told.splitlines())) < 120
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="there are 0 runs"):
        call(app, "trace", "abcd")
    (tmp_path / "runs").mkdir()
    run.rename(tmp_path / "runs" / "only")
    assert "abcdef" in call(app, "trace", "abcd")


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus with every third question told again, and the benchmark of all questions."""
    folder = tmp_path / "told" / "01-read"
    (folder / "documents").mkdir(parents=True)
    texts = [WAYS["other order"][number] for number in range(0, len(QUESTIONS), 3)] + noise(40) + [QUESTIONS[1]]
    rows = [{"id": f"id{n}", "text": text, "source": "web", "path": f"{n}.txt"} for n, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")
    (tmp_path / "quizzes").mkdir()
    lines = [json.dumps({"id": number, "question": question}) for number, question in enumerate(QUESTIONS)]
    (tmp_path / "quizzes" / "quiz.jsonl").write_text("\n".join(lines))
    return folder.parent, tmp_path / "quizzes"


def test_a_judge(app: typer.Typer, told: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, quizzes = told
    with serving(say) as teacher:
        words = ["audit", corpus, "--against", quizzes, "--teacher", f"{teacher.url}#judge"]
        words += ["--cache", tmp_path / "cache"]
        said = call(app, *words, "--into", tmp_path / "dry", "--dry-run")
        assert "prompt 3 of" in said
        assert not (tmp_path / "dry").exists()
        assert not teacher.requests
        said = " ".join(call(app, *words, "--into", tmp_path / "out").split())
        assert "1 of 16 items found, in" in said
        assert "6 of 15 items that resemble a passage are in it in other words, as judge judges; 0 could not" in said
        asked = len(teacher.requests)
        call(app, *words, "--into", tmp_path / "again")
        assert len(teacher.requests) == asked
    figures = json.loads((tmp_path / "out/audit.json").read_text())["corpus"]["rephrased"]
    (row,) = figures["benchmarks"]
    assert (row["items"], row["leaked"], row["clean"], row["unknown"]) == (15, 6, 9, 0)
    assert {hit["item"] for hit in row["hits"]} == {"0", "3", "6", "9", "12", "15"}
    page = (tmp_path / "out/audit.html").read_text()
    assert "I say yes, having &lt;read&gt; both." in page
    first, again = ((tmp_path / name / "audit.html").read_text() for name in ("out", "again"))
    assert first.split("Requests:")[0] == again.split("Requests:")[0]


def test_what_is_not_judged_is_never_clean(app: typer.Typer, told: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, quizzes = told
    with serving(lambda body, said: "I would rather not say.") as teacher:
        words = ["audit", corpus, "--against", quizzes, "--teacher", f"{teacher.url}#judge"]
        words += [
            "--cache",
            tmp_path / "cache",
            "--into",
            tmp_path / "out",
            "--nearest",
            "1",
            "--budget-requests",
            "20",
        ]
        said = " ".join(call(app, *words).split())
    assert "15 could not be judged, and count as unknown" in said
    assert "The judging ended early: the budget of 20 requests is reached" in said
    (row,) = json.loads((tmp_path / "out/audit.json").read_text())["corpus"]["rephrased"]["benchmarks"]
    assert (row["leaked"], row["clean"], row["unknown"], sum(row["why"].values())) == (0, 0, 15, 15)
    assert set(row["why"]) <= {"invalid", "not asked"}
    page = (tmp_path / "out/audit.html").read_text()
    assert "The judging ended early" in page
    assert "15 unknown items" in page
    assert "Nothing was found" not in page
    assert "Found neither" not in page


def test_vectors_of_an_endpoint(app: typer.Typer, told: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, quizzes = told
    with serving(say) as teacher, embedding(EmbeddingServer()) as server:
        words = ["audit", corpus, "--against", quizzes, "--teacher", f"{teacher.url}#judge", "--nearest", "1"]
        words += ["--cache", tmp_path / "cache", "--embeddings", f"{server.url}#meaning,price_in=1"]
        said = " ".join(call(app, *words, "--dry-run").split())
        assert "vectors to be made by meaning: about" in said
        assert "found by shared words in their stead" in said
        assert not server.texts
        call(app, *words, "--into", tmp_path / "out")
        said = " ".join(call(app, *words, "--dry-run").split())
        assert "0 vectors to be made by meaning" in said
        assert "in their stead" not in said
    figures = json.loads((tmp_path / "out/audit.json").read_text())["corpus"]["rephrased"]
    assert (figures["vectors"], figures["vectors_cost"]["tokens"]) == ("meaning", 3 * len(server.texts))
    assert figures["benchmarks"][0]["leaked"] == 6


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--dry-run"], "--dry-run needs --teacher"),
        (["--embeddings", "http://localhost/v1#m"], "--embeddings needs --teacher"),
        (["--teacher", "builtin"], "there is no built-in judge"),
        (["--teacher", "nowhere#m"], "is not the address of a teacher"),
    ],
)
def test_judges_that_cannot_be(app: typer.Typer, run: Path, benchmarks: Path, words: list[str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        call(app, "audit", run, "--against", benchmarks, *words)


def test_a_judge_of_a_model_needs_its_corpus(
    app: typer.Typer, benchmarks: Path, make_checkpoint: Callable[..., tuple[Any, Path]]
) -> None:
    _, model = make_checkpoint(1)
    with pytest.raises(UserError, match="name it with --corpus"):
        call(app, "audit", model, "--against", benchmarks, "--teacher", "http://localhost:1/v1#m")


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    """A data folder with a benchmark of our own: two questions, one of which the corpus holds."""
    folder = tmp_path / "data"
    folder.mkdir()
    page = ['title = "Quiz"', 'about = "a"', 'source = "s"', 'score = "choice"', 'prompt = "{{ question }}"']
    page += ['choices = "choices"', 'gold = "gold"', 'files = [{ file = "quiz.jsonl" }]']
    (folder / "quiz.toml").write_text("\n".join(page))
    other = (
        "What does the oldest of the three clockmakers of the mountain village keep below the floor of his workshop?"
    )
    rows = [{"question": question, "choices": ["red", "blue"], "gold": 1} for question in (QUESTION, other)]
    (folder / "quiz.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_scores_of_the_examination(
    app: typer.Typer, run: Path, quiz: Path, tmp_path: Path, make_checkpoint: Callable[..., tuple[Any, Path]]
) -> None:
    _, model = make_checkpoint(1, context=512)
    words = ["--tasks", "quiz", "--data", quiz, "--corpus", run]
    told = call(app, "audit", model, *words, "--into", tmp_path / "out")
    assert "1 of 2 items found, in 1 document." in told
    assert "n-gram" in told
    found = json.loads((tmp_path / "out/audit.json").read_text())
    (row,) = found["exam"]["benchmarks"]
    assert (row["score"]["of"], row["split"][0]["similar"]["of"], row["split"][0]["other"]["of"]) == (2, 1, 1)
    (tmp_path / "out/audit.json").unlink()
    (tmp_path / "out/audit.html").unlink()
    call(app, "audit", model, *words, "--into", tmp_path / "out")  # an audit that was interrupted goes on
    assert json.loads((tmp_path / "out/audit.json").read_text()) == found
    result = json.loads((tmp_path / "out/exam/exam.json").read_text())
    result["settings"]["benchmarks"].append("arc_easy")  # was named, and its data was not there
    (tmp_path / "out/exam/exam.json").write_text(json.dumps(result))
    call(app, "audit", tmp_path / "out/exam", "--data", quiz, "--corpus", run, "--into", tmp_path / "again")
    assert json.loads((tmp_path / "again/audit.json").read_text())["exam"]["benchmarks"] == [row | {"twin": None}]


def test_how_the_examination_is_not_audited(
    app: typer.Typer, run: Path, benchmarks: Path, quiz: Path, make_checkpoint: Callable[..., tuple[Any, Path]]
) -> None:
    _, model = make_checkpoint(1)
    with pytest.raises(UserError, match="name benchmarks: --against FOLDER for files, or --tasks"):
        call(app, "audit", run)
    with pytest.raises(UserError, match="give one of them"):
        call(app, "audit", model, "--against", benchmarks, "--tasks", "quiz", "--data", quiz)
    with pytest.raises(UserError, match="no model to put benchmarks to"):
        call(app, "audit", run, "--tasks", "quiz", "--data", quiz)
    with pytest.raises(UserError, match="--limit belongs to --tasks"):
        call(app, "audit", run, "--against", benchmarks, "--limit", 3)
    with pytest.raises(UserError, match="there is no benchmark 'quizz'"):
        call(app, "audit", model, "--tasks", "quizz", "--data", quiz)
