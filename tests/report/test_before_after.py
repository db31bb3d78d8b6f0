"""What the base and the trained model answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hornbook.inference import opening
from hornbook.inference.generate import generate
from hornbook.inference.native.weights import NotNative
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.report.before_after import ANSWER, answer, answered
from hornbook.train.data import Given
from hornbook.train.prompts import keep_prompts, prompts
from hornbook.train.shapes import Completion

ASKED = [{"role": "user", "content": "the sum?"}]
TALK = [*ASKED, {"role": "assistant", "content": "2"}]


def test_both_models_answer_as_they_do_elsewhere(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The likeliest tokens, equal to those of rows padded in one batch, both as PyTorch computes them."""

    def not_built(*_: Any) -> Any:
        raise NotNative("it was not built")

    monkeypatch.setattr(opening, "native_scheduler", not_built)
    _, base = make_checkpoint(seed=1)
    folder = tmp_path / "tuned"
    folder.mkdir()
    make_checkpoint(seed=2)[1].rename(folder / "model")
    tokenizer = Tokenizer(base)
    rows = [Given("rows", rows=[TALK, "the count of tea and the total", Completion("price", "x")])]
    keep_prompts(rows, tokenizer, 64, folder, held_out=False)
    answer(folder, base, "a base", 2, Progress())
    found = answered(folder)
    assert found["model"] == "a base"
    assert [one["answer"] for one in found["samples"]] == ["2", " tea and the total"]
    ids = [tokenizer.chat(ASKED), tokenizer.encode_prompt(prompts(folder)[1]["text"])]
    for name, place in (("before", base), ("after", folder / "model")):
        wanted = generate(checkpoint.load(place), ids, limit=ANSWER, stops=tokenizer.stops)
        assert [one[name].removesuffix("…") for one in found["samples"]] == [tokenizer.decode(one) for one in wanted]
