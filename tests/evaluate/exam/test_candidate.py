"""Questions put to a model of ours: ids as lm-eval has them, examples that don't fit, answers that end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook import machine
from hornbook.errors import UserError
from hornbook.evaluate.exam import candidate
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.rules import Question
from hornbook.evaluate.exam.writing import by_pytorch, cut
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize

Make = Callable[..., tuple[Any, Path]]


def question(shots: int = 3, answers: tuple[str, ...] = (" total", " value = 1", " return")) -> Question:
    examples = tuple(f"if value {n}:\n    return {n}\n\n" for n in range(shots))
    return Question("1", ("def add_all(values):",), "Code.\n\n", examples, answers, answers, (0,))


def test_likelihoods_are_those_of_the_whole_text(make_checkpoint: Make) -> None:
    model, folder = make_checkpoint(1, context=200)
    tokenizer = Tokenizer(folder)
    asked = [question(), question(shots=1, answers=(" values",)), Question("2", ("for x in ",), answers=("y", "z"))]
    for one, made in zip(asked, LocalModel.load(folder).likelihoods(asked), strict=True):
        for answer, found in zip(one.answers, made.found, strict=True):
            context = one.shared() + one.prompts[0]
            bare = context.rstrip()
            ids, begin = tokenizer.encode(context + answer), len(tokenizer.encode(bare))
            with torch.inference_mode():
                logits = model(torch.tensor([ids]))[0].double().log_softmax(-1)
            wanted = sum(logits[at - 1, ids[at]].item() for at in range(begin, len(ids)))
            assert found.logprob == pytest.approx(wanted, abs=1e-4)
        assert (made.dropped, made.unknown) == (0, "")
        assert made.tokens == len(tokenizer.encode((one.shared() + one.prompts[0]).rstrip()))


def test_examples_that_do_not_fit_are_left_out_and_counted(make_checkpoint: Make) -> None:
    _, folder = make_checkpoint(1, context=60)
    local = LocalModel.load(folder)
    (long,) = local.likelihoods([question(shots=8)])
    kept = 8 - long.dropped
    assert 0 < kept < 8 and len(long.found) == 3
    short = Question("1", question(8).prompts, "Code.\n\n", question(8).shots[long.dropped :], question(8).answers)
    (same,) = local.likelihoods([short])
    assert same.found == long.found and same.dropped == 0
    (never,) = local.likelihoods([Question("1", ("value = 1\n" * 80,), answers=(" a",))])
    assert (never.found, never.unknown) == (None, "the question is longer than the model's context")
    (written,) = local.texts([question(shots=8)], (), 10)
    assert written.dropped and written.found is not None
    (unwritten,) = local.texts([Question("1", ("value = 1\n" * 80,))], (), 10)
    assert unwritten.unknown


def test_what_is_one_token_with_its_context_is_scored_behind_nothing(make_checkpoint: Make) -> None:
    model, folder = make_checkpoint(1)
    tokenizer = Tokenizer(folder)
    (token,) = tokenizer.encode("return")
    (found,) = LocalModel.load(folder).likelihoods([Question("1", ("ret",), answers=("urn",))])
    with torch.inference_mode():
        logits = model(torch.tensor([[tokenizer.end_of_text]]))[0, -1].double().log_softmax(-1)
    assert found.found[0].logprob == pytest.approx(logits[token].item(), abs=1e-4)


def test_an_empty_choice_in_chat_is_an_answer_that_ends_at_once(make_checkpoint: Make) -> None:
    model, folder = make_checkpoint(1, context=64)
    tokenizer = Tokenizer(folder)
    (found,) = LocalModel.load(folder, chat=True).likelihoods([Question("1", ("value",), answers=(" ", " total"))])
    ids = tokenizer.chat([{"role": "user", "content": "value"}])
    with torch.inference_mode():
        logits = model(torch.tensor([ids]))[0, -1].double().log_softmax(-1)
    assert found.found[0].logprob == pytest.approx(logits[tokenizer.end_of_turn].item(), abs=1e-4)


def test_answers_end_where_they_are_told_to(make_checkpoint: Make) -> None:
    _, folder = make_checkpoint(3, context=120)
    local = LocalModel.load(folder)
    asked = [Question(str(n), (f"def f{n}(values):",)) for n in range(5)]
    whole = [one.found for one in local.texts(asked, (), 20)]
    assert whole == [next(local.texts([one], (), 20)).found for one in asked]
    ends = whole[0][3:5]
    stopped = [one.found for one in local.texts(asked, (ends,), 20)]
    assert stopped == [cut(text, (ends,)) for text in whole]
    assert stopped[0] == whole[0][: whole[0].index(ends)]


def test_another_engine_may_write(make_checkpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = make_checkpoint(3, context=120)
    slow = LocalModel.load(folder)
    used = []

    def native(folder: Path) -> Any:
        used.append(folder)
        return by_pytorch(slow.model)

    monkeypatch.setattr(candidate, "_native", native)
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    fast = LocalModel.load(folder, fast=True)
    asked = [[{"role": "user", "content": "def f(values):"}], [{"role": "user", "content": "return"}]]
    for _ in range(2):  # one engine for all calls
        assert [one.found for one in fast.replies(asked, 9)] == [one.found for one in slow.replies(asked, 9)]
    assert used == [folder] and fast.identity != slow.identity and fast.about()["answers"] == "native"
    # Where it cannot compute a model, PyTorch does, and nothing is told apart.
    monkeypatch.setattr(candidate, "_native", lambda folder: None)
    assert LocalModel.load(folder, fast=True).identity == slow.identity


def test_a_quantized_model_writes_as_it_is_scored(
    make_checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With activations that are not rounded."""
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    _, folder = make_checkpoint(3, context=120)
    none = np.zeros((0, 8), np.int64)
    quantize(folder, Rows(none, none), QuantizeSettings(method="rtn"), into=tmp_path / "small", progress=Progress())
    assert "answers" not in LocalModel.load(tmp_path / "small" / "model", fast=True).about()


def test_in_chat(make_checkpoint: Make, tmp_path: Path) -> None:
    _, folder = make_checkpoint(1, context=200)
    tokenizer = Tokenizer(folder)
    if tokenizer.template is None:
        with pytest.raises(UserError, match="has no chat template; ask it without --chat"):
            LocalModel.load(folder, chat=True)
        return
    local = LocalModel.load(folder, chat=True)
    (made,) = local.likelihoods([question()])
    text = question().shared() + question().prompts[0]
    assert made.tokens == len(tokenizer.chat([{"role": "user", "content": text}]))
    assert local.identity != LocalModel.load(folder).identity
    (folder / "chat_template.jinja").unlink()
    config = folder / "tokenizer_config.json"
    config.write_text(config.read_text().replace("chat_template", "no_template"))
    with pytest.raises(UserError, match="has no chat template; ask it without --chat"):
        LocalModel.load(folder, chat=True)
