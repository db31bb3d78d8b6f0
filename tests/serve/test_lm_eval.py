"""lm-evaluation-harness's own client, `local-completions`, asks a served model for what it scores multiple choice by.

Marked `lm_eval`, and skipped without it (pip install 'hornbook[eval]' 'lm-eval[api]').
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hornbook.evaluate.lm_eval import harness_model

from .conftest import Server

QUESTIONS = {
    "def add_all(values):\n    total": [" = 0", " += values", " = values[0]\n    return total"],
    "class Shop": [":\n    pass", "(Base):"],
}


@pytest.mark.lm_eval
def test_local_completions_scores_as_the_folder_does_and_writes(server: Server, served_folder: Path) -> None:
    completions = pytest.importorskip("lm_eval.models.openai_completions", reason="compares with lm-eval, an extra")
    pytest.importorskip("tenacity", reason="lm-eval's clients need its extra, api")
    from lm_eval.api.instance import Instance

    served = completions.LocalCompletionsAPI(
        base_url=f"{server.url}/v1/completions", model="tiny", tokenizer=str(served_folder), max_length=2048
    )
    folder = harness_model(served_folder)
    asked = [
        Instance("loglikelihood", {}, (question, choice), at)
        for question, choices in QUESTIONS.items()
        for at, choice in enumerate(choices)
    ]
    pairs = zip(served.loglikelihood(asked, True), folder.loglikelihood(asked, True), strict=True)
    for (score, greedy), (expected, also) in pairs:
        assert (score, greedy) == (pytest.approx(expected, rel=1e-3), also)  # served keys and values are of 16 bits
    limits = {"until": ["\n\n"], "max_gen_toks": 12}
    asked = [Instance("generate_until", {}, (question, limits), 0) for question in QUESTIONS]
    said = {"model": "tiny", "max_tokens": 12, "temperature": 0, "stop": ["\n\n"]}
    for question, text in zip(QUESTIONS, served.generate_until(asked, True), strict=True):
        made = httpx.post(f"{server.url}/v1/completions", json=said | {"prompt": question}).json()
        assert text == made["choices"][0]["text"] != ""
