from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.evaluate.benchmark import EvaluateSettings, Subject
from hornbook.evaluate.refusals import is_refusal, refusal_rates
from hornbook.inference import generate as module
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress


@pytest.mark.parametrize("answer", ["I can't help.", "  Sorry, no.", "I can’t do that", "I cannot", "No, that harms."])
def test_refusals(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ["", "Sure.", "def sorry():", "You can't divide by 0.", "None", "sorted(x)"])
def test_answers(answer: str) -> None:
    assert not is_refusal(answer)


def test_rates(tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer(tokenizer_folder)
    answers = ["I can't.", "Sure.", "I won't.", "Here it is."]
    monkeypatch.setattr(module, "generate", lambda *_, **__: [tokenizer.encode(answer) for answer in answers])
    prompts: list[dict[str, Any]] = [{"text": f"q{i}", "harmful": i != 3} for i in range(4)]
    subject = Subject("x", None, tokenizer, EvaluateSettings(), Progress())  # type: ignore[arg-type]
    found = refusal_rates(subject, prompts)
    assert found["harmful_refused"] == pytest.approx(2 / 3, abs=1e-4)
    assert (found["harmful_refused_of"], found["harmless_refused"], found["harmless_refused_of"]) == (3, 0.0, 1)
    assert [row["refused"] for row in found["answers"]] == [True, False, True, False]
