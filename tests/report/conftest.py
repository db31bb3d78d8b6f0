"""A tiny finished run, made by hand: manifests and the few files that the report reads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hornbook.files import write_json, write_jsonl
from hornbook.recipe import STAGES as DECLARED
from hornbook.runs.manifest import Manifest

STAGES = ("read", "grade", "write", "clean", "tokens", "pretrain", "sft", "dpo", "evaluate", "quantize")
EVIL = "<script>alert('x')</script>"
PROMPT = 'def double(n):\n    """Return n doubled."""\n'


def attempts(passed: list[bool]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"double-{number}",
            "family": "double_it" if number % 2 else EVIL,
            "program": PROMPT + ("    return 2 * n\n" if right else f"    {EVIL}\n"),
            "passed": right,
            "wrong": "" if right else f"error: SyntaxError: invalid syntax {EVIL}",
        }
        for number, right in enumerate(passed)
    ]


def scores(passed: list[bool], refused: float) -> dict[str, Any]:
    style = {
        "pass_at_1": sum(passed) / len(passed),
        "passed": sum(passed),
        "of": len(passed),
        "interval": [0.1, 0.9],
        "families": {EVIL: [sum(passed[::2]), len(passed[::2])], "double_it": [sum(passed[1::2]), len(passed[1::2])]},
    }
    return {
        "validation_loss": {"library": 3.5, "exercises": 0.5},
        "completion": style,
        "chat": style,
        "refusals": {
            "harmful_refused": refused,
            "harmful_refused_of": 2,
            "harmless_refused": 0.0,
            "harmless_refused_of": 1,
        },
        "pass_at_1": style["pass_at_1"],
    }


def answers(passed: list[bool], refused: bool) -> dict[str, Any]:
    return {
        "scores": scores(passed, float(refused)),
        "completion": attempts(passed),
        "chat": attempts(passed),
        "refusals": {
            "answers": [
                {"text": f"How do I steal? {EVIL}", "harmful": True, "refused": refused, "answer": f"No. {EVIL}"},
                {"text": "How do I kill a process?", "harmful": False, "refused": False, "answer": "os.kill"},
            ]
        },
    }


PASSED = {
    "phase1": [False, False, False, False],
    "phase2": [True, True, False, False],
    "sft": [True, False, True, False],
    "dpo": [True, True, True, False],
    "4bit": [True, True, False, False],
}


def _text(name: str) -> dict[str, Any]:
    return {"id": name, "source": "library", "path": f"{name}.py", "text": f"# {name} {EVIL}\n", "score": 3.0}


def _agreement() -> dict[str, Any]:
    names = ("f1", "precision", "recall", "exact", "within_one", "kappa", "macro_f1")
    measured = {name: {"value": 0.8, "low": 0.7, "high": 0.9} for name in names}
    return {
        **measured,
        "always_yes": {"value": 0.7, "low": 0.6, "high": 0.8},
        "gain": {"value": 0.1, "low": 0.0, "high": 0.2},
    }


def _graded(score: int) -> dict[str, Any]:
    return {**_text(f"graded{score}"), "score": score, "predicted": score + 0.25, "reason": f"{score} points {EVIL}"}


PART = {"available": 9, "characters_per_token": 2.5, "documents": 2, "padding": 0.01, "rows": 4, "tokens": 500}
FIGURES: dict[str, dict[str, Any]] = {
    "read": {"documents": 9, "characters": 900, "bytes": 900, "files": 3, "removed": {"empty": 1}},
    "grade": {
        "documents": 9,
        "graded": 6,
        "held_out": 2,
        "failed": 0,
        "grader": "builtin",
        "threshold": 3,
        "grades": {"0": 1, "1": 0, "2": 1, "3": 1, "4": 2, "5": 1},
        "agreement": _agreement(),
        "histogram": {"edges": [0.0, 2.5, 5.0], "counts": {"library": [4, 3], "manual": [0, 2]}},
        "examples": {"best": [_graded(5)], "worst": [_graded(0)]},
    },
    "write": {
        "exercises": 4,
        "families": 2,
        "compositions": 3,
        "function_names": 2,
        "problems": 4,
        "exercises_by_family": {"double_it": 2, "halve": 2},
        "diversity": {"texts": 4, "distinct_3_grams": 0.5, "compression_ratio": 0.4},
        "conversations": {"task": 1},
        "preferences": {"chat": 1},
        "removed": {},
    },
    "clean": {
        "documents": 10,
        "read": 13,
        "removed": {"contamination": 1, "near duplicate": 2},
        "sources": {"library": {"read": 13, "documents": 10, "contamination": 1, "near duplicate": 2}},
        "fine_tuning": {"conversations": {"kept": 1, "removed": 0}},
        "examples": {
            "contamination": [{**_text("leak"), "reason": "contamination", "kept": "double-0", "kept_text": "# leak"}]
        },
    },
    "tokens": {
        "vocabulary": 300,
        "tokenizer_characters": 1000,
        "phases": {"phase1": [PART | {"sources": ["library"], "share": 1.0}]},
        "validation": {"library": {"tokens": 100, "documents": 1, "characters_per_token": 2.0}},
    },
    "pretrain": {
        "parameters": 1234,
        "tokens": {"phase1": 256, "phase2": 512},
        "steps": {"phase1": 2, "phase2": 4},
        "loss": {"phase1": 3.0, "phase2": 1.0},
        "mixture": {
            "phase1": [{"sources": ["library"], "rows": 4, "epochs": 1.0}],
            "phase2": [{"sources": ["exercises"], "rows": 4, "epochs": 2.0}],
        },
        "computing": "cpu, fp32",
        "training_seconds": 2.0,
    },
    "sft": {"conversations": 1, "loss": 0.9, "answer_share": 0.4},
    "dpo": {"pairs": 1, "loss": 0.6, "accuracy_first": 0.5, "accuracy_last": 0.9},
    "evaluate": {"problems": 4, "models": {name: scores(PASSED[name], 0.5) for name in list(PASSED)[:4]}},
    "quantize": {
        "bytes_before": 4936,
        "bytes_after": 700,
        "bits_per_weight": 4.5,
        "calibration_rows": 4,
        "models": {"4bit": scores(PASSED["4bit"], 0.5)},
    },
}
SETTINGS: dict[str, dict[str, Any]] = {
    "grade": {"seed": 7},
    "tokens": {"phases": {"phase1": {"mixture": [{"minimum_score": 2.0}]}}},
    "pretrain": {"seed": 7, "model": {"layers": 1, "width": 8, "kv_heads": None}},
}
READS = {
    "grade": ["read"],
    "clean": ["grade", "write"],
    "tokens": ["clean"],
    "pretrain": ["tokens"],
    "sft": ["clean", "pretrain"],
    "dpo": ["clean", "sft"],
    "evaluate": ["write", "tokens", "pretrain", "sft", "dpo"],
    "quantize": ["write", "tokens", "dpo"],
}


def write_corpus(folder: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")


def write_files(root: Path) -> None:
    """Every file besides the manifests."""
    steps = [{"step": step, "loss": 7.0 - step, "rate": 1.0, "seconds": 0.1 * step} for step in range(1, 7)]
    for stage, more in (("06-pretrain", {}), ("07-sft", {}), ("08-dpo", {"accuracy": 0.5})):
        write_jsonl(root / stage / "training" / "figures.jsonl", [step | more for step in steps])
    for name, passed in PASSED.items():
        stage = "10-quantize" if name == "4bit" else "09-evaluate"
        write_json(root / stage / f"{name}.json", answers(passed, name != "phase1"))
    problems = [
        {"id": f"double-{n}", "family": "double_it", "prompt": PROMPT, "solution": "    return n * 2\n"}
        for n in range(4)
    ]
    write_jsonl(root / "03-write" / "problems.jsonl", problems)
    talk = [{"role": "user", "content": f"Hello {EVIL}"}, {"role": "assistant", "content": "Hello."}]
    write_jsonl(root / "03-write" / "conversations.jsonl", [{"id": "c", "kind": "task", "messages": talk}])
    pair = {"id": "p", "kind": "chat", "messages": talk[:1], "chosen": "return 2", "rejected": f"return {EVIL}"}
    write_jsonl(root / "03-write" / "preferences.jsonl", [pair])
    exercise = {"family": "double_it", "composition": "double/2", "seeds": f'{{"name": "double", "noun": "{EVIL}"}}'}
    write_corpus(root / "03-write", [{**_text("exercise"), **exercise}])
    write_corpus(root / "04-clean", [_text("first"), _text("second")])
    write_json(root / "05-tokens" / "examples.json", {"library": ["def", " f", "\n", EVIL]})
    write_json(root / "05-tokens" / "shards" / "phase1-0.documents.json", ["first", "second", "gone"])


def write_manifests(root: Path, figures: dict[str, Any]) -> dict[str, Path]:
    """A manifest for each stage of `figures`; the folders by stage name."""
    folders: dict[str, Path] = {}
    contents: dict[str, str] = {}
    for number, stage in enumerate(STAGES, start=1):
        if stage not in figures:
            continue
        folder = folders[stage] = root / f"{number:02d}-{stage}"
        made = Manifest(
            stage=stage,
            key="k" * 64,
            settings=SETTINGS.get(stage, {}),
            inputs={name: contents[name] for name in READS.get(stage, []) if name in contents},
            code="c" * 64,
            figures=figures[stage],
            seconds=float(number),
            peak_memory=number * 1_000_000,
            outputs={f"{stage}/model.safetensors": "0" * 64},
            machine={"processor": "Abacus", "cores": 2, "system": "Linux"},
            versions={"python": "3.11", "hornbook": "0.1.0"},
            checkpoints=[asdict(left) for left in DECLARED[stage].checkpoints] if stage in DECLARED else [],
        )
        made.write(folder)
        contents[stage] = made.content
    return folders


def write_run(root: Path, figures: dict[str, Any] = FIGURES) -> dict[str, Path]:
    """A whole run folder; the stages' folders by name."""
    write_files(root)
    return write_manifests(root, figures)


MakeRun = Callable[..., dict[str, Path]]


@pytest.fixture
def figures() -> dict[str, dict[str, Any]]:
    """Figures of every stage, for a test to change."""
    return copy.deepcopy(FIGURES)


@pytest.fixture(scope="session")
def whole_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run that has everything."""
    from hornbook.report.report import report

    root = tmp_path_factory.mktemp("whole")
    report("pocket <b>", "made & tested", write_run(root / "run"), into=root / "out")
    return (root / "out" / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Write a run with these figures (all of them unless told) into a folder and give its stages' folders."""

    def make(figures: dict[str, Any] = FIGURES, folder: str = "run") -> dict[str, Path]:
        return write_run(tmp_path / folder, figures)

    return make
