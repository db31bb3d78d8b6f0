"""Against lm-evaluation-harness: its own pages over our rows make our prompts, and its backend our figures.

Marked `lm_eval`, and skipped without it. `benchmarks/against_lm_eval.py` does the same with a real model and real rows.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.evaluate.exam.conftest import own_data  # noqa: F401 (a fixture)

from hornbook.errors import UserError
from hornbook.evaluate.exam.candidate import LocalModel, pairs
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.rules import RULES
from hornbook.evaluate.lm_eval import harness_model
from hornbook.files import write_jsonl

NO_LM_EVAL = "compares with lm-eval, which is an extra: pip install 'hornbook[eval]'"


@pytest.fixture
def against() -> ModuleType:
    pytest.importorskip("lm_eval", reason=NO_LM_EVAL)
    path = Path(__file__).parents[2] / "benchmarks" / "against_lm_eval.py"
    found = importlib.util.spec_from_file_location("against_lm_eval", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["against_lm_eval"] = module
    found.loader.exec_module(module)
    return module


@pytest.mark.lm_eval
def test_prompts_likelihoods_and_answers_are_lm_evals(
    against: ModuleType,
    own_data: Path,  # noqa: F811
    make_checkpoint: Callable[..., tuple[Any, Path]],
    tmp_path: Path,
) -> None:
    from lm_eval.models.huggingface import HFLM

    _, folder = make_checkpoint(1, context=2400)
    ours = LocalModel.load(folder)
    theirs = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=2, max_length=2400)
    for name in against.PAGES:
        row = against.parity(name, ours, theirs, own_data, 3, tmp_path)
        assert row["rows"] == 3 and row["prompts_that_differ"] == 0, (name, row)
        assert row.get("largest_difference", 0) < 1e-3 and not row.get("picks_that_differ"), (name, row)
        assert not row.get("greedy_that_differ") and not row.get("answers_that_differ"), (name, row)


@pytest.mark.lm_eval
def test_prompts_of_real_rows_are_lm_evals(
    against: ModuleType, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in against.PAGES:
        asked, requests, _ = against.requests_of(name, real_data("benchmarks"), 40, tmp_path)
        written = RULES[find(name).score].ask == "text"
        for one in asked:
            if written:
                assert requests.pop(0).args[0] == one.shared() + one.prompts[0], (name, one.id)
                continue
            for context, answer in pairs(one, one.shared()):
                assert "".join(requests.pop(0).args) == context + answer, (name, one.id)
        assert len(asked) == 40 and not requests


@pytest.mark.lm_eval
def test_the_adapter_answers_as_the_harness_own_backend(
    against: ModuleType,
    own_data: Path,  # noqa: F811
    make_checkpoint: Callable[..., tuple[Any, Path]],
    tmp_path: Path,
) -> None:
    from lm_eval.models.huggingface import HFLM

    _, folder = make_checkpoint(2, context=2400)
    ours = harness_model(folder)
    theirs = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=2, max_length=2400)
    for name in ("arc_easy", "mmlu", "winogrande", "lambada"):
        _, requests, _ = against.requests_of(name, own_data, 3, tmp_path)
        pairs = zip(ours.loglikelihood(requests, True), theirs.loglikelihood(requests, True), strict=True)
        for (one, greedy), (other, also) in pairs:
            assert (one, greedy) == (pytest.approx(other, abs=1e-3), also)
    _, requests, _ = against.requests_of("triviaqa", own_data, 3, tmp_path)
    for one in requests:
        one.args[1]["max_gen_toks"] = 12
    assert [text.strip() for text in ours.generate_until(requests)] == [
        text.strip() for text in theirs.generate_until(requests)
    ]


@pytest.mark.lm_eval
def test_whole_evaluations_are_the_same(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    lm_eval = pytest.importorskip("lm_eval", reason=NO_LM_EVAL)
    from lm_eval.models.huggingface import HFLM

    rows = [
        {"text": f"def add_{n}(values):", "choices": [" total", f" {n}", " return"], "gold": n % 3} for n in range(6)
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    shared = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test",
        "doc_to_text": "{{text}}",
    }
    choice = {"output_type": "multiple_choice", "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}"}
    whole = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text * 9}}"}
    tasks = [
        {**shared, **choice, "task": "choice", "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]},
        {**shared, **whole, "task": "whole", "metric_list": [{"metric": "word_perplexity"}]},
    ]
    _, folder = make_checkpoint(2, context=100)
    figures = [
        lm_eval.simple_evaluate(model, tasks=tasks, bootstrap_iters=0)["results"]
        for model in (
            harness_model(folder),
            HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=2, max_length=100),
        )
    ]
    for task, metric in (("choice", "acc,none"), ("choice", "acc_norm,none"), ("whole", "word_perplexity,none")):
        assert figures[0][task][metric] == pytest.approx(figures[1][task][metric], rel=1e-4)


def test_without_lm_eval_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(UserError, match=r"pip install 'hornbook\[eval\]'"):
        harness_model(tmp_path)
