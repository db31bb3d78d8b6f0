"""Every script of `examples/` does what it says, on little data; and the package offers what they need."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import hornbook

from .study.conftest import study_file  # noqa: F401 (a fixture)

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
FAST = {"pretrain.compile": False, "pretrain.batch": 4}


def with_phase_1(source: str, tokens: int) -> dict[str, Any]:
    """Settings that train in two phases, the first of which reads so many tokens of a source."""
    return {
        "pretrain.phase1.tokens": tokens,
        "pretrain.phase1.mixture": [{"sources": [source], "share": 1.0}],
    }


TRAINED = FAST | with_phase_1("texts", 1_000)


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What train_on_texts.py makes of few texts."""
    into = tmp_path_factory.mktemp("trained") / "run"
    example("train_on_texts").main(into, count=100, settings=TRAINED)
    return into


def test_each_example_is_tested_here() -> None:
    assert EXAMPLES == ["ask", "compare", "filter_and_grade", "study", "train_on_texts", "where_from"]


def test_a_folder_is_filtered_and_graded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts").mkdir()
    for name in ("textwrap", "bisect", "heapq", "shlex", "string", "statistics", "calendar", "queue"):
        shutil.copy(Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py", tmp_path / "texts")
    (tmp_path / "texts" / "short.txt").write_text("Too short, write to me@example.org.")
    module = example("filter_and_grade")
    module.main(tmp_path / "texts", tmp_path / "made", sample=20)
    told = capsys.readouterr().out
    assert "'gopher.few_words'" in told
    assert all(row["path"] != "short.txt" for row in hornbook.read_rows(tmp_path / "made" / "graded", ["path", "text"]))
    best = [line for line in told.splitlines() if ".py" in line and line[1] == "."]
    assert len(best) == 5
    assert [line[:3] for line in best] == sorted((line[:3] for line in best), reverse=True)
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"read", "filtered", "graded"}
    assert not list((tmp_path / "made" / "graded").glob("scratch"))
    with pytest.raises(hornbook.UserError, match="would be written where"):
        module.main(tmp_path / "texts", tmp_path / "texts")


def test_a_model_is_trained_on_a_list_of_strings(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("train_on_texts").main(run, count=100, settings=TRAINED)  # all of it is there already
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Ada has a book.")
    assert told[-1] == f"139,584 parameters: {run / '04-pretrain' / 'phase2'}"
    assert (run / "05-report" / "report.html").is_file()


def test_a_model_is_asked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("ask").main(str(run), ["Hello!", "What has Ada?"])
    told = capsys.readouterr().out
    assert told.startswith("def double(value):\n")
    assert told.index("> Hello!") < told.index("> What has Ada?")
    script = [sys.executable, str(ROOT / "examples" / "ask.py"), str(run.parent)]
    wrong = subprocess.run(script, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: ")
    assert wrong.stderr.count("\n") == 1


def test_the_chain_leads_back_to_the_texts(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example("where_from").main(run, shown=1)
    told = capsys.readouterr().out
    stages = [line.split()[0] for line in told.splitlines() if str(run) in line and not line.startswith(" ")]
    assert stages == ["pretrain", "tokens", "clean", "read"]
    assert told.count("read: kept  texts.jsonl:") == 2  # a document of each phase
    assert "(gone)" not in told


def test_a_setting_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = {"vocabulary": 300, "layers": 1, "width": 32, "heads": 2, "mlp_width": 32, "context": 64}
    settings = {
        **FAST,
        **{f"model.{name}": value for name, value in tiny.items()},
        **with_phase_1("stories", 1_000),
        "pretrain.phase2.tokens": 1_000,
        "sources.0.path": "teacher:stories#60",
        "samples.new_tokens": 4,
        "tokens.training_characters": 10_000,
        "tokens.held_out": 0.2,
    }
    example("compare").main("model.layers", [1, 2], tmp_path, settings)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("model.layers")]
    assert [line.partition(":")[0] for line in told] == ["model.layers = 1", "model.layers = 2"]
    assert all("after phase1" in line and "after phase2" in line for line in told)


def test_a_study_says_what_it_found(study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    study_file.write_text('until = "pretrain"\n' + study_file.read_text())
    example("study").main(study_file, tmp_path / "out", allow_unisolated=True)
    told = capsys.readouterr().out
    assert "phase2, right: " in told and (tmp_path / "out" / "study.html").is_file()


def test_the_package_offers_what_the_examples_need_and_only_that() -> None:
    needed = set()
    for name in EXAMPLES:
        for node in ast.walk(ast.parse((ROOT / "examples" / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hornbook"):
                assert node.module == "hornbook", f"{name} reaches into {node.module}"
                needed.update(alias.name for alias in node.names)
    assert sorted(hornbook.__all__) == sorted(needed)


def test_all_names_are_there_for_type_checkers_too() -> None:
    tree = ast.parse((ROOT / "src" / "hornbook" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == {name: f"hornbook.{module}" for name, module in hornbook._MODULES.items()}
    assert sorted(typed) == sorted(hornbook.__all__)
    for name in hornbook.__all__:
        assert getattr(hornbook, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hornbook.nothing


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, hornbook; print([name for name in sys.modules if name.startswith('hornbook.')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
